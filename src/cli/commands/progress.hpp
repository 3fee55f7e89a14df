// Shows how far a run is.
#pragma once

#include <string>

namespace greenlane::cli {

// A progress line on stderr. Nothing is drawn where only plain lines may be written. The destructor erases the line.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(double share) const;

 private:
  std::string what_;
  bool visible_;
};

}  // namespace greenlane::cli
