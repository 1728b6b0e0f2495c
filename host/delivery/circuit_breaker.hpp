#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <set>

namespace calbridge::delivery {

/// Notices that a provider as a whole is down, and then asks it one thing at a time instead of everything at once: its
/// people's deliveries keep their places and their patience, and it is not hit by all of them while it gets up.
///
///   closed ──(failures in a row, over several connections)──▶ open ──(pause over)──▶ half open: one probe
///     ▲                                                        ▲                          │
///     └───────────────────(the probe was answered)─────────────┼──────────────────────────┤
///                                                              └──(it failed: twice the pause)
///
/// Only what says something about the provider counts as a failure: no answer, or a 5xx. A refusal of one request is an
/// answer; a connection that breaks in mid-answer is neither. One thread at a time.
class CircuitBreaker {
 public:
  enum class State { closed, open, halfOpen };

  State state() const { return state_; }
  /// May a push go now? True in the half open state once, for the probe.
  bool admits(TimeMs now);
  /// A push that admits() let through does not take place.
  void unused();
  /// True when this opens the circuit (not when it was open before).
  bool failed(std::int64_t connectionId, TimeMs now);
  /// True when this closes the circuit.
  bool answered();
  /// When to ask again; of an open circuit.
  TimeMs until() const { return until_; }

 private:
  void open(TimeMs now);

  State state_ = State::closed;
  int inARow_ = 0;
  std::set<std::int64_t> connections_; ///< of the failures in a row, as many as matter
  TimeMs pause_ = 0;
  TimeMs until_ = 0;
};

} // namespace calbridge::delivery
