#pragma once
#include "store/postgresql/sessions.hpp"
#include "store/records.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace calbridge::store::postgresql {

/// Accepts events for many callers together: whoever comes while earlier ones are being stored waits for the next
/// transaction and shares it. Each caller's events are stored all or none. Thread-safe.
class Journal {
 public:
  /// `run` says under which run of this node events are accepted.
  Journal(Sessions& sessions, std::function<std::int64_t()> run) : sessions_(sessions), run_(std::move(run)) {}

  /// See Store::acceptEvents.
  std::vector<Acceptance> accept(std::span<const NewEvent> events, TimeMs now);

 private:
  struct Request {
    std::span<const NewEvent> events;
    TimeMs now = 0;
    std::vector<Acceptance> answers;
    std::exception_ptr failure;
    std::condition_variable turn; ///< done, or it is this caller's turn to store
    bool done = false;
  };

  void store(const std::vector<Request*>& requests);
  bool storeTogether(const std::vector<Request*>& requests);

  Sessions& sessions_;
  const std::function<std::int64_t()> run_;
  std::mutex mutex_;
  std::deque<Request*> waiting_;
  int storing_ = 0; ///< transactions under way
};

} // namespace calbridge::store::postgresql
