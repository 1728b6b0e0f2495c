#include "core/entry.hpp"
#include "core/error.hpp"
#include "core/event.hpp"
#include "core/json_text.hpp"

#include <catch2/catch.hpp>

namespace calbridge {
namespace {

using nlohmann::json;

json appointment() {
  return {
      {"id", "A-1"}, {"start", "2026-12-01T09:00:00"}, {"end", "2026-12-01T11:00:00"}, {"timezone", "Europe/London"}};
}
json event() {
  return {
      {"specversion", "1.0"}, {"id", "e"}, {"source", "s"}, {"type", "t"}, {"data", {{"appointment", appointment()}}}};
}

/// "pointer: message" of the refusal, or "accepted".
std::string refusal(const json& document) {
  try {
    parseEvent(document, "/3");
  } catch (const Error& error) {
    CHECK(error.code() == "invalid_event");
    CHECK_FALSE(error.message().empty());
    return error.pointer();
  }
  return "accepted";
}
std::string with(const std::string& pointer, const json& value) {
  json document = event();
  document[json::json_pointer(pointer)] = value;
  return refusal(document);
}
std::string without(const std::string& parent, const std::string& key) {
  json document = event();
  document[json::json_pointer(parent)].erase(key);
  return refusal(document);
}
EntryTime timeOf(const json& patch) {
  json document = appointment();
  document.merge_patch(patch);
  return parseAppointment(document, "").time;
}
const std::string kAppointment = "/data/appointment";

std::string jsonRefusal(std::string_view text, int depth = 32) {
  try {
    parseJson(text, depth);
  } catch (const Error& error) {
    CHECK(error.code() == "invalid_json");
    return error.message();
  }
  return "accepted";
}

} // namespace

TEST_CASE("A whole event is read with everything in it") {
  json document = event();
  document["time"] = "2026-11-22T10:00:00+01:00";
  document["data"]["appointment"].update(json{{"version", 3},
                                              {"status", "cancelled"},
                                              {"customer", {{"id", "john"}, {"name", "John"}}},
                                              {"staff", {{{"id", "sarah"}}, {{"id", "tom"}}}},
                                              {"colour", "green"}});
  const Event read = parseEvent(document);
  CHECK(read.id == "e");
  CHECK(read.source == "s");
  CHECK(read.type == "t");
  CHECK(read.time == parseRfc3339("2026-11-22T09:00:00Z"));
  REQUIRE(read.appointments.size() == 1);
  const auto& a = read.appointments[0];
  CHECK(a.version == 3);
  CHECK(a.cancelled);
  CHECK(a.customerId == "john");
  CHECK(a.staffIds == std::vector<std::string>{"sarah", "tom"});
  CHECK(a.data.at("colour") == "green"); // unknown fields are kept
  CHECK(a.time.startUtc == parseRfc3339("2026-12-01T09:00:00Z"));
}

TEST_CASE("Every mistake of an event is refused with a pointer to it") {
  CHECK(refusal(json::array()) == "/3");
  CHECK(refusal("text") == "/3");
  for (const auto* key : {"specversion", "id", "source", "type"}) {
    INFO(key);
    const std::string at = std::string("/") + key;
    CHECK(without("", key) == "/3" + at);
    CHECK(with(at, "") == "/3" + at);
    CHECK(with(at, 1) == "/3" + at);
    CHECK(with(at, nullptr) == "/3" + at);
    CHECK(with(at, "a\nb") == "/3" + at);
    CHECK(with(at, std::string(1025, 'x')) == "/3" + at);
  }
  CHECK(with("/specversion", "0.3") == "/3/specversion");
  CHECK(with("/time", "yesterday") == "/3/time");
  CHECK(with("/time", 5) == "/3/time");
  CHECK(with("/time", nullptr) == "accepted");
  CHECK(with("/data_base64", "e30=") == "/3/data_base64");
  CHECK(without("", "data") == "/3/data");
  CHECK(with("/data", json::array()) == "/3/data");
  CHECK(with("/data", json::object()) == "/3/data");
  CHECK(with("/data/appointments", json::array({appointment()})) == "/3/data"); // both
}

TEST_CASE("Several appointments in one event are all checked") {
  const auto several = [](json list) {
    json document = event();
    document["data"] = {{"appointments", std::move(list)}};
    return refusal(document);
  };
  json other = appointment();
  other["id"] = "A-2";
  json bad = other;
  bad["end"] = "tomorrow";
  CHECK(several(json::array({appointment(), other})) == "accepted");
  CHECK(several(json::array()) == "/3/data/appointments");
  CHECK(several("A-1") == "/3/data/appointments");
  CHECK(several(json::array({appointment(), bad})) == "/3/data/appointments/1/end");
  CHECK(several(json::array({appointment(), other, appointment()})) == "/3/data/appointments/2/id");
  CHECK(several(json(1001, appointment())) == "/3/data/appointments");
}

TEST_CASE("Every mistake of an appointment is refused with a pointer to it") {
  CHECK(with(kAppointment, "A-1") == "/3" + kAppointment);
  for (const auto* key : {"id", "start", "end"}) {
    INFO(key);
    const std::string at = kAppointment + "/" + key;
    CHECK(without(kAppointment, key) == "/3" + at);
    CHECK(with(at, "") == "/3" + at);
    CHECK(with(at, 7) == "/3" + at);
    CHECK(with(at, nullptr) == "/3" + at);
  }
  CHECK(with(kAppointment + "/id", std::string(256, 'a')) == "/3" + kAppointment + "/id");
  CHECK(with(kAppointment + "/id", "a\tb") == "/3" + kAppointment + "/id");
  for (const auto* text :
       {"2026-12-01T25:00:00", "2026-02-30", "09:00", "2026-12-01T09", "2026-12-01T11:00:00+99:00"}) {
    INFO(text);
    CHECK(with(kAppointment + "/end", text) == "/3" + kAppointment + "/end");
  }
  CHECK(without(kAppointment, "timezone") == "/3" + kAppointment + "/timezone");
  CHECK(with(kAppointment + "/timezone", "Mars/Olympus") == "/3" + kAppointment + "/timezone");
  CHECK(with(kAppointment + "/timezone", 1) == "/3" + kAppointment + "/timezone");
  CHECK(with(kAppointment + "/end", "2026-12-01T09:00:00") == "/3" + kAppointment + "/end"); // no time at all
  CHECK(with(kAppointment + "/end", "2026-12-01T08:00:00") == "/3" + kAppointment + "/end");
  CHECK(with(kAppointment + "/end", "2026-12-02") == "/3" + kAppointment + "/end"); // date and date-time
  CHECK(with(kAppointment + "/version", 1.5) == "/3" + kAppointment + "/version");
  CHECK(with(kAppointment + "/version", "1") == "/3" + kAppointment + "/version");
  CHECK(with(kAppointment + "/version", 18'000'000'000'000'000'000u) == "/3" + kAppointment + "/version");
  CHECK(with(kAppointment + "/version", -4) == "accepted");
  CHECK(with(kAppointment + "/status", 1) == "/3" + kAppointment + "/status");
  CHECK(with(kAppointment + "/customer", "john") == "/3" + kAppointment + "/customer");
  CHECK(with(kAppointment + "/customer", {{"id", 5}}) == "/3" + kAppointment + "/customer/id");
  CHECK(with(kAppointment + "/customer", {{"name", "walk-in"}}) == "accepted");
  CHECK(with(kAppointment + "/staff", "sarah") == "/3" + kAppointment + "/staff");
  CHECK(with(kAppointment + "/staff", {"sarah"}) == "/3" + kAppointment + "/staff/0");
  CHECK(with(kAppointment + "/staff", json::array({{{"id", "s"}}, json::object()})) ==
        "/3" + kAppointment + "/staff/1/id");
  CHECK(with(kAppointment + "/staff", json(1001, {{"id", "s"}})) == "/3" + kAppointment + "/staff");
}

TEST_CASE("Local times, offsets and a mixture of them come out as wall clock in the appointment's zone") {
  const auto local = timeOf({{"start", "2026-07-01T09:00"}, {"end", "2026-07-01T11:00:00"}});
  CHECK(local.start == "2026-07-01T09:00:00");
  CHECK(local.startUtc == parseRfc3339("2026-07-01T08:00:00Z"));
  const auto offset = timeOf({{"start", "2026-07-01T09:00:00+02:00"}, {"end", "2026-07-01T11:00:00.750+02:00"}});
  CHECK(offset.start == "2026-07-01T08:00:00");
  CHECK(offset.end == "2026-07-01T10:00:00");
  CHECK(offset.endUtc == parseRfc3339("2026-07-01T09:00:00Z"));
  CHECK(offset.timezone == "Europe/London");
  const auto bare = timeOf({{"timezone", nullptr}, {"start", "2026-07-01T09:00:00Z"}, {"end", "2026-07-01T10:00:00Z"}});
  CHECK(bare.timezone == "UTC");
  CHECK(bare.start == "2026-07-01T09:00:00");
}

TEST_CASE("Appointments over a change of clocks last as long as they really do") {
  const auto spring = timeOf({{"start", "2026-03-29T00:30:00"}, {"end", "2026-03-29T02:30:00"}});
  CHECK(spring.endUtc - spring.startUtc == 3'600'000);
  const auto autumn = timeOf({{"start", "2026-10-25T00:30:00"}, {"end", "2026-10-25T02:30:00"}});
  CHECK(autumn.endUtc - autumn.startUtc == 3 * 3'600'000);
}

TEST_CASE("All-day appointments keep their dates, and one day said inclusively becomes one day") {
  const auto days = timeOf({{"start", "2026-12-24"}, {"end", "2026-12-27"}, {"timezone", "America/New_York"}});
  CHECK(days.allDay);
  CHECK(days.start == "2026-12-24");
  CHECK(days.end == "2026-12-27");
  CHECK(days.startUtc == parseRfc3339("2026-12-24T05:00:00Z"));
  const auto one = timeOf({{"start", "2026-12-31"}, {"end", "2026-12-31"}});
  CHECK(one.end == "2027-01-01");
  CHECK(one.endUtc == parseRfc3339("2027-01-01T00:00:00Z"));
  CHECK(timeOf({{"start", "2026-12-31"}, {"end", "2027-01-01"}}) == one);
  const auto floating = timeOf({{"start", "2026-12-31"}, {"end", "2027-01-01"}, {"timezone", nullptr}});
  CHECK(floating.timezone == "UTC");
  json backwards = appointment();
  backwards.merge_patch({{"start", "2026-12-31"}, {"end", "2026-12-30"}});
  CHECK_THROWS_AS(parseAppointment(backwards, ""), Error);
}

TEST_CASE("Malformed JSON is refused with line and column") {
  CHECK(jsonRefusal("{\"a\": }") == "not valid JSON at line 1, column 7: unexpected or malformed token");
  CHECK(jsonRefusal("{\n  \"a\": 1,\n  b\n}").find("line 3, column 3") != std::string::npos);
  CHECK(jsonRefusal("").find("line 1, column 1") != std::string::npos);
  for (const auto* text : {"{", "[1,]", "{\"a\":1,}", "'a'", "NaN", "{} {}", "\"\x01\"", "\"\xff\"", "01", "[1 2]",
                           "{\"a\" 1}", "\"\\ud800\"", "\xef\xbb\xbf", "// x\n1"}) {
    INFO(text);
    CHECK(jsonRefusal(text) != "accepted");
  }
}

TEST_CASE("A refusal never repeats the text") {
  CHECK(jsonRefusal("{\"password\": hunter2}").find("hunter2") == std::string::npos);
}

TEST_CASE("Nesting is limited before anything is built") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(jsonRefusal(nested(32)) == "accepted");
  CHECK(jsonRefusal(nested(33)) == "not valid JSON at line 1, column 33: nested deeper than 32 levels");
  CHECK(jsonRefusal(nested(41), 40).find("deeper than 40") != std::string::npos);
  CHECK(jsonRefusal(std::string(1'000'000, '[')).find("column 33") != std::string::npos);
  CHECK(jsonRefusal("\"" + std::string(100, '[') + "\"") == "accepted"); // brackets in a text are no nesting
  CHECK(jsonRefusal("\"\\\"" + std::string(100, '{') + "\"") == "accepted");
  CHECK(jsonRefusal("[" + std::string(50, ']')) != "accepted");
}

TEST_CASE("An entry survives its JSON, and every difference in it is a difference of the hash") {
  Entry entry;
  entry.title = "Deep clean";
  entry.description = "3 bedrooms";
  entry.location = "1 High Street";
  entry.time = timeOf(json::object());
  entry.reminders = {10, 60};
  entry.url = "https://app.example/A-1";
  CHECK(entryFromJson(json::parse(toJson(entry).dump())) == entry);
  CHECK(contentHash(entry) == contentHash(entryFromJson(toJson(entry))));
  CHECK(contentHash(entry).size() == 64);
  const std::function<void(Entry&)> changes[] = {
      [](Entry& e) { e.title += "."; },
      [](Entry& e) { e.description.clear(); },
      [](Entry& e) { e.location = "elsewhere"; },
      [](Entry& e) { e.time.start = "2026-12-01T09:30:00"; },
      [](Entry& e) { e.time.end = "2026-12-01T12:00:00"; },
      [](Entry& e) { e.time.timezone = "UTC"; },
      [](Entry& e) { e.time.allDay = true; },
      [](Entry& e) { e.reminders = {10}; },
      [](Entry& e) { e.showAs = "free"; },
      [](Entry& e) { e.visibility = "private"; },
      [](Entry& e) { e.status = "tentative"; },
      [](Entry& e) { e.url.clear(); },
      [](Entry& e) { std::swap(e.title, e.description); },
      [](Entry& e) { e.title = "Deep cle", e.description = "an3 bedrooms"; },
  };
  std::set<std::string> hashes{contentHash(entry)};
  for (const auto& change : changes) {
    Entry changed = entry;
    change(changed);
    CHECK(entryFromJson(toJson(changed)) == changed);
    hashes.insert(contentHash(changed));
  }
  CHECK(hashes.size() == std::size(changes) + 1);
}

TEST_CASE("A number that no double can hold is refused as JSON, with its place") {
  CHECK(jsonRefusal("{\"a\":\n 1e999}") == "not valid JSON at line 2, column 6: the number is too large");
  CHECK(jsonRefusal("[1, -2e400]").find("the number is too large") != std::string::npos);
  CHECK(jsonRefusal("[1e308, 18446744073709551616]") == "accepted");
}

TEST_CASE("An appointment at the end of the calendar is refused, not computed with") {
  const auto refusedAt = [](const json& patch) {
    json document = event();
    document["data"]["appointment"].merge_patch(patch);
    return refusal(document);
  };
  CHECK(refusedAt({{"start", "9999-12-31"}, {"end", "9999-12-31"}}) == "/3" + kAppointment + "/end");
  CHECK(refusedAt({{"start", "0001-01-01"}, {"end", "0001-01-01"}}) == "/3" + kAppointment + "/start");
  CHECK(refusedAt({{"start", "9999-12-31T10:00:00"}, {"end", "9999-12-31T11:00:00"}}) == "/3" + kAppointment + "/end");
  CHECK(refusedAt({{"start", "2026-12-01T10:00:00Z"}, {"end", "9999-12-31T23:59:59-23:59"}}) ==
        "/3" + kAppointment + "/end");
  CHECK(timeOf({{"start", "9999-12-28"}, {"end", "9999-12-28"}}).end == "9999-12-29");
}

} // namespace calbridge
