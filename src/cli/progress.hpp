// A line that shows how far a run is.
#pragma once

#include <string>

namespace greenlane::cli {

// Drawn on stderr when that is a terminal; silent in a pipe. Erased when it goes.
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
