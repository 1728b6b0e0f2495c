#pragma once
#include <chrono>
#include <cstddef>

namespace calbridge::delivery {

/// How many threads are worth having for one provider. Few while it answers fast (more would only get in each other's
/// way), up to a limit when it takes long. Whether it is the provider that takes long, or the processors and the
/// database, is found by trying: twice as many threads stay if more gets done with them. Pure: time comes from outside.
/// One thread at a time.
class PoolSize {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  /// `limit` ≥ 1.
  explicit PoolSize(std::size_t limit);

  /// Threads worth having now.
  std::size_t target() const;
  /// Threads that a trial would leave; beyond them they are to end.
  std::size_t allowed() const { return allowed_; }
  /// From now on pushes wait for threads; before, none did.
  void begin(Time now);
  /// A push took so long and has ended now; `waiting`: others wait for one of the `threads`. True when more threads
  /// are worth a try.
  bool ended(Duration took, Time now, bool waiting, std::size_t threads);
  /// A thread has ended while nothing waited; `threads` are left. What so many have proven is over with them.
  void shrunk(std::size_t threads);

 private:
  std::size_t worthwhile() const; ///< threads that would keep up, by how long a push takes
  bool weigh(Time now, bool waiting, std::size_t threads);

  const std::size_t limit_;
  /// How long a push takes when nothing is in its way; follows slow changes; negative: not known yet.
  double fastestMs_ = -1;
  /// As many threads as have proven useful, or are being tried.
  std::size_t allowed_;
  std::size_t provenThreads_ = 0; ///< 0: nothing is being tried
  double provenRate_ = 0;         ///< pushes a second with provenThreads_
  Time noTrialBefore_{};
  Time weighingSince_{};
  std::size_t weighed_ = 0; ///< pushes ended since, all of them with others waiting
};

} // namespace calbridge::delivery
