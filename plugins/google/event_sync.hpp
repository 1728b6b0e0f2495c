#pragma once
#include "calendar_api.hpp"

#include "calbridge/messages.hpp"
#include "mapping.hpp"

#include <optional>
#include <string>

namespace calbridge::google {

/// Thrown by EventSync when the calendar itself is not there.
struct CalendarGone {};

/// Brings one event of one calendar into agreement with a push. In the ordinary case that is one HTTP request.
class EventSync {
 public:
  /// Borrows all three.
  EventSync(CalendarApi& api, const std::string& calendar, const sdk::PushRequest& request)
      : api_(api), calendar_(calendar), request_(request) {}

  /// Updates the event of that id if one is known, else finds or makes it. Throws sdk::Problem, CalendarGone.
  sdk::PushReply upsert(const std::string& knownId, const std::string& etag);
  /// Deletes the event of that id if one is known, else the one that an unfinished insert may have left. Already gone
  /// is fine. Throws sdk::Problem.
  void remove(const std::string& knownId);

 private:
  std::optional<sdk::PushReply> update(const std::string& id, const std::string& etag);
  sdk::PushReply insert();
  std::optional<sdk::PushReply> takeOver(const std::string& id);
  std::optional<SeenEvent> look(const std::string& id);
  std::string idOfGeneration(int generation) const;
  sdk::PushReply replyFrom(const sdk::HttpResponse& response) const;

  CalendarApi& api_;
  const std::string& calendar_;
  const sdk::PushRequest& request_;
};

} // namespace calbridge::google
