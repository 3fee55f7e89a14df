// CTest builds this file once for each macro. Only the first build may succeed.
#include <greenlane/core/stream.hpp>

greenlane::StreamView make([[maybe_unused]] CUstream_st* handle) {
#if defined(GREENLANE_FROM_A_NAME)
  return handle ? greenlane::StreamView(handle) : greenlane::StreamView::default_stream();
#elif defined(GREENLANE_FROM_ZERO)
  return greenlane::StreamView(0);
#elif defined(GREENLANE_FROM_NULLPTR)
  return greenlane::StreamView(nullptr);
#elif defined(GREENLANE_FROM_A_HANDLE_IMPLICITLY)
  return handle;
#endif
}
