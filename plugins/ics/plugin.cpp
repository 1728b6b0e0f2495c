#include "calbridge/plugin.hpp"

#include "icalendar/mapping.hpp"
#include "icalendar/timezone.hpp"

#include <algorithm>

namespace calbridge::ics {

/// Renders entries for subscription feeds. Keeps nothing but the text of the time zones that it has read.
class IcsProvider {
 public:
  static constexpr std::string_view kManifest = R"json({
    "id": "ics",
    "name": "Apple Calendar and others (.ics)",
    "version": "1.0.0",
    "description": "Subscription feed and .ics files for every program that reads iCalendar",
    "min_host_minor": 0,
    "requires": ["calbridge.call/1"],
    "optional": [],
    "capabilities": ["feed", "delete"],
    "concurrent": true,
    "mailbox_concurrency": 4,
    "egress": [],
    "settings_schema": {"type": "object", "properties": {}, "additionalProperties": false}
  })json";

  sdk::PushReply push(sdk::Call&, const sdk::PushRequest& request) {
    const std::string& zone = request.entry.timezone;
    const bool zoneKnown = request.hasEntry && !isUtc(zone) && !request.entry.allDay && zones_.known(zone);
    sdk::PushReply reply;
    reply.providerEventId = eventUid(request.uid);
    reply.rendering = request.operation == sdk::PushRequest::Operation::upsert ? renderEvent(request, zoneKnown)
                                                                               : renderCancelled(request, zoneKnown);
    reply.etag = etagOf(reply.rendering);
    return reply;
  }

  sdk::FeedFrame feed(sdk::Call&, const sdk::FeedRequest& request) {
    std::vector<std::string> names = request.timezones;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::vector<std::string> texts;
    for (const std::string& name : names) {
      if (!isUtc(name))
        texts.push_back(zones_.text(name));
    }
    return {renderHead(request.name, texts), renderTail()};
  }

 private:
  Zones zones_;
};

} // namespace calbridge::ics

CALBRIDGE_PLUGIN(calbridge::ics::IcsProvider)
