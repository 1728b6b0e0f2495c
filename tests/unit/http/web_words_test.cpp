#include "http/web/entry_list.hpp"
#include "http/web/time_words.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using namespace calbridge::http;
using Catch::Matchers::Contains;

namespace {

constexpr TimeMs kMinute = 60000, kHour = 60 * kMinute;

EntryTime between(const std::string& start, const std::string& end) {
  EntryTime time;
  time.startUtc = *parseRfc3339(start);
  time.endUtc = *parseRfc3339(end);
  return time;
}

EntryTime days(const std::string& start, const std::string& end) {
  EntryTime time;
  time.allDay = true;
  time.start = start;
  time.end = end;
  return time;
}

connections::ProviderStatus google() {
  connections::ProviderStatus status;
  status.provider = "google";
  status.label = "Google Calendar";
  status.configured = true;
  status.health = "not_connected";
  return status;
}

connections::ProviderStatus connected() {
  auto status = google();
  status.connected = true;
  status.health = "ok";
  status.account = "john@gmail.com";
  status.delivered = 3;
  return status;
}

const TimeMs kNow = *parseRfc3339("2026-12-01T12:00:00Z");

std::string card(const connections::ProviderStatus& status, const std::vector<std::string>& missing = {},
                 bool admin = false) {
  const Assets assets;
  return assets.render("provider_card.html", providerCard(status, missing, {kNow, "Europe/London", admin}, assets));
}

} // namespace

TEST_CASE("Times are said in the reader's zone, with the day when it is another one") {
  const auto words = whenWords(between("2026-12-01T09:00:00Z", "2026-12-01T11:30:00Z"), "Europe/Berlin");
  CHECK(words.date == "Tuesday, 1 December 2026");
  CHECK(words.time == "10:00 – 12:30");
  CHECK(words.machine == "2026-12-01T09:00:00Z");
  CHECK(words.sheet.day == "1");
  CHECK(words.sheet.month == "Dec");
  CHECK(words.sheet.weekday == "Tue");
  CHECK(whenWords(between("2026-12-01T22:00:00Z", "2026-12-02T02:00:00Z"), "UTC").time == "22:00 – Wed 2 Dec, 02:00");
  CHECK(whenWords(between("2026-12-01T22:00:00Z", "2026-12-01T22:00:00Z"), "UTC").time == "22:00");
  CHECK(whenWords(between("2026-12-01T20:00:00Z", "2026-12-01T21:00:00Z"), "Pacific/Auckland").date ==
        "Wednesday, 2 December 2026");
}

TEST_CASE("All-day entries name their own first and last day") {
  CHECK(whenWords(days("2026-12-01", "2026-12-02"), "Pacific/Auckland").date == "Tuesday, 1 December 2026");
  CHECK(whenWords(days("2026-12-01", "2026-12-02"), "UTC").time == "all day");
  CHECK(whenWords(days("2026-12-01", "2026-12-04"), "UTC").time == "all day, until Thu 3 Dec");
  CHECK(whenWords(days("2026-12-01", "2026-12-01"), "UTC").time == "all day");
}

TEST_CASE("How long ago something was is said in words") {
  CHECK(agoWords(kNow, kNow + kHour, "UTC") == "just now");
  CHECK(agoWords(kNow, kNow - 59000, "UTC") == "just now");
  CHECK(agoWords(kNow, kNow - kMinute, "UTC") == "1 minute ago");
  CHECK(agoWords(kNow, kNow - 59 * kMinute, "UTC") == "59 minutes ago");
  CHECK(agoWords(kNow, kNow - 5 * kHour, "UTC") == "5 hours ago");
  CHECK(agoWords(kNow, kNow - 20 * kHour, "UTC") == "yesterday at 16:00");
  CHECK(agoWords(kNow, kNow - 72 * kHour, "Europe/Berlin") == "on 28 November 2026 at 13:00");
}

TEST_CASE("A zone that does not exist falls back to UTC") {
  CHECK(knownZone("Europe/London") == "Europe/London");
  CHECK(knownZone("Mars/Olympus") == "UTC");
  CHECK(zoneWords("America/New_York") == "America/New York");
}

TEST_CASE("A card offers to connect what is not connected") {
  const auto html = card(google());
  CHECK_THAT(html, Contains("Not connected") && Contains("data-action=\"connect\"") && Contains("Connect<span"));
  CHECK_THAT(html, !Contains("data-action=\"disconnect\"") && !Contains("Last sync"));
}

TEST_CASE("A connected card shows account, last sync and counts") {
  auto status = connected();
  status.lastSyncAt = kNow - 5 * kMinute;
  CHECK_THAT(card(status), Contains("john@gmail.com") && Contains("5 minutes ago") && Contains("3 entries") &&
                               Contains("Everything is up to date.") && Contains("data-action=\"disconnect\""));
  CHECK_THAT(card(status), !Contains("data-action=\"connect\""));
  status.pending = 1;
  CHECK_THAT(card(status), Contains("1 entry is on the way.") && Contains("data-pending=\"1\""));
  status.pending = 2;
  CHECK_THAT(card(status), Contains("2 entries are on the way."));
}

TEST_CASE("A dead grant shows the reason, what is kept, and a button to reconnect") {
  auto status = connected();
  status.health = "needs_reconnection";
  status.needs = "reconnect";
  status.lastSyncError = "the permission was withdrawn";
  status.pending = 2;
  CHECK_THAT(card(status), Contains("Reconnect needed") && Contains("The permission was withdrawn.") &&
                               Contains("2 entries are kept for you") && Contains("Reconnect<span") &&
                               Contains("data-action=\"disconnect\""));
  status.pending = 0;
  CHECK_THAT(card(status), Contains("Nothing is lost"));
}

TEST_CASE("A provider in trouble is tried again without the person") {
  auto status = connected();
  status.health = "failing";
  status.lastSyncError = "HTTP 503";
  CHECK_THAT(card(status), Contains("We keep trying") && Contains("HTTP 503.") && !Contains("Reconnect"));
}

TEST_CASE("A provider without credentials says not configured, and admins learn which are missing") {
  auto status = google();
  status.configured = false;
  status.health = "not_configured";
  status.needs = "credentials";
  const std::vector<std::string> missing{"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"};
  CHECK_THAT(card(status, missing), Contains("Not configured") && !Contains("<button") && !Contains("GOOGLE_"));
  CHECK_THAT(card(status, missing, true), Contains("GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET"));
  status.connected = true;
  CHECK_THAT(card(status), Contains("Paused") && Contains("data-action=\"disconnect\""));
}

TEST_CASE("The feed's card offers a link, says honestly how often calendars look, and can renew the link") {
  auto status = google();
  status.provider = "ics";
  status.label = "Apple Calendar (.ics)";
  status.feed = true;
  CHECK_THAT(card(status), Contains("Get my link") && Contains("iPhone") && Contains("Google every 12 to 24 hours"));
  status.connected = true;
  status.health = "ok";
  CHECK_THAT(card(status), Contains("New link") && Contains("Disconnect") && Contains("shown only once"));
}

TEST_CASE("An unknown provider gets the general picture") {
  auto status = google();
  status.provider = "fastmail";
  CHECK_THAT(card(status), Contains("/provider.svg"));
}

TEST_CASE("Each appointment tells how far it has come in each calendar") {
  store::PlacementRecord placement;
  placement.id = 7;
  placement.appointmentId = "A/1 ü";
  placement.entry.title = "Deep clean";
  placement.entry.description = "Line one\nLine two";
  placement.entry.status = "tentative";
  placement.entry.time = between("2026-12-01T09:00:00Z", "2026-12-01T11:00:00Z");
  const auto delivery = [](const char* provider, const char* state) {
    store::DeliveryRecord record;
    record.provider = provider;
    record.state = state;
    return record;
  };
  const auto deliveries = [&](std::int64_t) {
    auto failed = delivery("ics", "failed");
    failed.errorMessage = "the title is <too> long";
    return std::vector{delivery("google", "delivered"), delivery("outlook", "pending"), delivery("old", "removed"),
                       failed, delivery("dav", "blocked")};
  };
  const Assets assets;
  const auto html = assets.render(
      "entries.html",
      kainjow::mustache::data("entries", entryList({placement}, {kNow, "Europe/London", false}, deliveries,
                                                   [](const std::string& id) { return id; })));
  CHECK_THAT(html, Contains("In google") && Contains("On its way to outlook") &&
                       Contains("Not in ics: the title is &lt;too&gt; long") &&
                       Contains("Waits for dav to be reconnected") && !Contains("old"));
  CHECK_THAT(html, Contains("/api/calendar/ics/A%2F1%20%C3%BC/") && Contains("Line one\nLine two") &&
                       Contains("not confirmed yet"));
  CHECK_THAT(html, !Contains("data-action=\"edit\""));
}
