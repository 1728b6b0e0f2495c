#pragma once
#include <atomic>
#include <climits>
#include <cstdint>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace calbridge::store::sqlite {

/// Something that ends once, and those who wait for it: one futex(2), so that announcing it is one system call however
/// many wait. A condition variable would have all of them queue up for its mutex, and std::atomic::wait spins before it
/// sleeps, which takes the processor from the very thread that is waited for. Any thread.
class Ending {
 public:
  /// Wakes everybody. What was written before is seen by those who come out of wait().
  void announce() noexcept {
    over_.store(1, std::memory_order_release);
    ::syscall(SYS_futex, &over_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }
  void wait() const noexcept {
    while (over_.load(std::memory_order_acquire) == 0)
      ::syscall(SYS_futex, &over_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }

 private:
  std::atomic<std::uint32_t> over_{0};
  static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
};

} // namespace calbridge::store::sqlite
