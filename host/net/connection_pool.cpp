#include "net/connection_pool.hpp"

#include <algorithm>

namespace calbridge::net {

std::unique_ptr<Connection> ConnectionPool::take(const std::string& origin) {
  for (;;) {
    std::unique_ptr<Connection> candidate;
    {
      const std::lock_guard lock(mutex_);
      const auto found = stacks_.find(origin);
      if (found == stacks_.end() || found->second.empty()) {
        return nullptr;
      }
      candidate = std::move(found->second.back());
      found->second.pop_back();
    }
    if (Deadline::SteadyClock::now() - candidate->idleSince <= idleTimeout_ && candidate->usable()) {
      return candidate;
    }
  }
}

void ConnectionPool::give(const std::string& origin, std::unique_ptr<Connection> connection) {
  const auto now = Deadline::SteadyClock::now();
  connection->idleSince = now;
  connection->reused = true;
  Stack closing; // outside of the lock
  const std::lock_guard lock(mutex_);
  Stack& stack = stacks_[origin];
  if (stack.size() < maxIdle_) {
    stack.push_back(std::move(connection));
  }
  if (now >= nextSweep_) {
    closing = removeExpired(now);
    nextSweep_ = now + std::chrono::seconds(1);
  }
}

ConnectionPool::Stack ConnectionPool::removeExpired(Deadline::SteadyClock::time_point now) {
  Stack expired;
  for (auto& [origin, stack] : stacks_) {
    const auto firstFresh = std::find_if(stack.begin(), stack.end(), [&](const auto& connection) {
      return now - connection->idleSince <= idleTimeout_;
    });
    std::move(stack.begin(), firstFresh, std::back_inserter(expired));
    stack.erase(stack.begin(), firstFresh);
  }
  std::erase_if(stacks_, [](const auto& entry) { return entry.second.empty(); });
  return expired;
}

std::size_t ConnectionPool::idle() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& [origin, stack] : stacks_) {
    count += stack.size();
  }
  return count;
}

} // namespace calbridge::net
