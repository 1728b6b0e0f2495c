#pragma once
#include <pthread.h>

namespace calbridge {

/// Names the calling thread, as `top -H`, a debugger and a core file show it. At most 15 characters (Linux).
inline void nameThread(const char* name) noexcept {
  ::pthread_setname_np(::pthread_self(), name);
}

} // namespace calbridge
