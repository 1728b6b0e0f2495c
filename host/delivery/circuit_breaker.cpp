#include "delivery/circuit_breaker.hpp"

#include <algorithm>

namespace calbridge::delivery {
namespace {

constexpr int kFailures = 10;
/// One mailbox that always fails says nothing about the others'.
constexpr std::size_t kConnections = 3;
constexpr TimeMs kFirstPause = 1'000;
constexpr TimeMs kLongestPause = 5'000;

} // namespace

bool CircuitBreaker::admits(TimeMs now) {
  if (state_ == State::open && now >= until_) {
    state_ = State::halfOpen;
    return true;
  }
  return state_ == State::closed;
}

void CircuitBreaker::unused() {
  if (state_ == State::halfOpen)
    state_ = State::open; // its pause is over: the next one is the probe
}

bool CircuitBreaker::failed(std::int64_t connectionId, TimeMs now) {
  if (state_ == State::halfOpen) {
    open(now);
    return false;
  }
  if (state_ == State::open)
    return false; // begun before it opened
  ++inARow_;
  if (connections_.size() < kConnections)
    connections_.insert(connectionId);
  if (inARow_ < kFailures || connections_.size() < kConnections)
    return false;
  open(now);
  return true;
}

bool CircuitBreaker::answered() {
  const bool closes = state_ != State::closed;
  state_ = State::closed;
  inARow_ = 0;
  connections_.clear();
  pause_ = 0;
  return closes;
}

void CircuitBreaker::open(TimeMs now) {
  state_ = State::open;
  pause_ = pause_ == 0 ? kFirstPause : std::min(2 * pause_, kLongestPause);
  until_ = now + pause_;
}

} // namespace calbridge::delivery
