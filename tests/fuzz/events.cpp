/// What an application posts to /api/events/: header lines, an empty line, the body.
///
/// Invariants: a refusal is one of the documented errors and can be told as JSON; what is accepted, stored as the
/// journal stores it and read back is the same event; routing it decides something that can be stored and shown.
#include "config/configuration.hpp"
#include "core/error.hpp"
#include "core/event.hpp"
#include "core/json_reader.hpp"
#include "core/json_text.hpp"
#include "fuzz/target.hpp"
#include "http/api/event_reader.hpp"
#include "http/edge/request_reader.hpp"
#include "http/edge/response.hpp"
#include "routing/explain.hpp"
#include "routing/routing_policy.hpp"

#include <cstring>

namespace calbridge::fuzz {
namespace {

/// The request that the edge makes of it; nullopt when it refuses the header already.
std::optional<http::Request> requestFrom(std::string_view input) {
  const std::size_t gap = input.starts_with("\n") ? 0 : input.find("\n\n");
  const std::string_view head = input.substr(0, gap == std::string_view::npos ? 0 : gap);
  const std::string_view body =
      gap == std::string_view::npos ? input : input.substr(std::min(input.size(), gap == 0 ? 1 : gap + 2));
  std::string text = "POST /api/events/ HTTP/1.1\r\nHost: x\r\n";
  for (const char c : head)
    text += c == '\n' ? "\r\n" : std::string(1, c);
  text += (head.empty() ? "" : "\r\n") + std::string("Content-Length: ") + std::to_string(body.size()) + "\r\n\r\n";
  text += body;
  http::ReaderLimits limits;
  http::Request request;
  http::RequestReader reader(limits, request);
  for (std::string_view rest = text; !rest.empty() && reader.state() != http::RequestReader::State::refused &&
                                     reader.state() != http::RequestReader::State::complete;) {
    const auto [to, room] = reader.space();
    const std::size_t size = std::min(room, rest.size());
    std::memcpy(to, rest.data(), size);
    rest.remove_prefix(size);
    reader.filled(size);
  }
  return reader.state() == http::RequestReader::State::complete ? std::optional(std::move(request)) : std::nullopt;
}

void checkRefusal(const Error& error) {
  const bool known =
      error.code() == "invalid_event" || error.code() == "invalid_json" || error.code() == "unsupported_media_type";
  require(known, "a refusal has one of the documented codes", error.code());
  require(error.pointer().empty() || error.pointer().starts_with('/'), "the pointer is one", error.pointer());
  const http::Response answer = http::problem(400, error.code(), error.message(), error.pointer());
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  require(json.is_object() && json.value("code", "") == error.code(), "a refusal can be told", answer.body);
}

bool same(const Appointment& a, const Appointment& b) {
  return a.id == b.id && a.version == b.version && a.cancelled == b.cancelled && a.time == b.time &&
         a.customerId == b.customerId && a.staffIds == b.staffIds && a.data == b.data;
}

void checkTime(const EntryTime& time) {
  const bool form =
      time.allDay ? isDate(time.start) && isDate(time.end) : isLocalDateTime(time.start) && isLocalDateTime(time.end);
  require(form, "start and end have their form", time.start + " " + time.end);
  require(isTimeZone(time.timezone), "the zone is one", time.timezone);
  require(time.startUtc < time.endUtc, "an appointment ends after it begins", time.start + " " + time.end);
}

/// The shipped roles and routes.
const routing::RoutingPolicy& policy() {
  static const routing::RoutingPolicy shipped = [] {
    LoadedPolicies loaded = loadPolicies(CALBRIDGE_SOURCE_DIR "/config", {"google", "outlook", "ics", "caldav"});
    require(loaded.policies.has_value(), "the shipped policies load");
    return routing::RoutingPolicy(loaded.policies->roles, loaded.policies->routing);
  }();
  return shipped;
}

void checkRouting(const Event& event) {
  static const routing::DirectorySnapshot people({{"john", "John", "", "customer", "UTC", {}},
                                                  {"sarah", "Sarah", "", "staff", "UTC", {"north"}},
                                                  {"mary", "Mary", "", "manager", "UTC", {"north"}},
                                                  {"root", "Root", "", "admin", "UTC", {}}});
  for (const Appointment& appointment : event.appointments) {
    const routing::RoutingState nothing;
    const routing::SnapshotOrder order{appointment.version, event.time, 1};
    const auto result = route(policy(), people, {event.type, appointment, order, nullptr, nothing, {}});
    const auto stored = nlohmann::json::parse(toJsonText(result.state));
    require(routing::routingStateFromJson(stored) == result.state, "routing's memory survives the store");
    for (const auto& decision : result.decisions) {
      require(!decision.reason.empty() && isUtf8(decision.reason), "a decision has a reason", decision.reason);
      require((decision.entry != nullptr) ==
                  (decision.action == routing::Action::add || decision.action == routing::Action::update),
              "who gets something gets an entry", decision.reason);
      if (decision.entry) {
        const auto json = nlohmann::json::parse(toJson(decision.entry->entry).dump());
        require(entryFromJson(json) == decision.entry->entry, "an entry survives the store", json.dump());
      }
    }
  }
}

/// Our own reader and writer agree with the library's about whatever the reader takes on.
void checkJson(std::string_view body) {
  nlohmann::json quick;
  if (!readUsualJson(body, 40, quick))
    return;
  const auto slow = nlohmann::json::parse(body, nullptr, false);
  require(slow == quick, "the quick reader reads what the library reads");
  require(slow.dump() == jsonText(quick), "JSON is written as the library writes it", jsonText(quick));
}

} // namespace

void run(std::string_view input) {
  const auto request = requestFrom(input);
  if (!request)
    return;
  checkJson(request->body);
  try {
    http::ReadEvents read = http::readEvents(*request);
    require(read.batch || read.events.size() == 1, "what is no batch is one event");
    for (nlohmann::json& json : read.events) {
      const std::string stored = json.dump();
      const Event event = parseEvent(std::move(json));
      const Event again = parseEvent(parseJson(stored, 64));
      require(event.id == again.id && event.source == again.source && event.type == again.type &&
                  event.time == again.time && event.appointments.size() == again.appointments.size(),
              "an event survives the journal", stored);
      for (std::size_t i = 0; i < event.appointments.size(); ++i) {
        const Appointment& appointment = event.appointments[i];
        checkTime(appointment.time);
        require(same(appointment, again.appointments[i]), "a snapshot survives the journal", stored);
        require(same(appointment, parseAppointment(parseJson(appointment.data.dump(), 64), "")),
                "a snapshot survives the store", appointment.data.dump());
      }
      checkRouting(event);
    }
  } catch (const Error& error) {
    checkRefusal(error);
  }
}

} // namespace calbridge::fuzz
