#pragma once
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace calbridge {

/// Names the calling thread, as `top -H`, a debugger and a core file show it. At most 15 characters (Linux).
inline void nameThread(const char* name) noexcept {
  ::pthread_setname_np(::pthread_self(), name);
}

/// Lets the process's other threads go first where the processors are busy: raises the calling thread's nice value
/// (Linux keeps one for every thread) by `steps`, 1 to 19. Best effort.
inline void standBehind(int steps) noexcept {
  const auto self = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + steps);
}

} // namespace calbridge
