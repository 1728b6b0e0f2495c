#include "outlook/mapping.hpp"

#include "plugins/mapping_fixture.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using namespace calbridge::outlook;
using namespace calbridge::testing;
using Json = nlohmann::json;

TEST_CASE("a timed entry is given to Graph in UTC") {
  auto request = fullRequest();
  request.entry.startUtc = "2026-12-01T03:30:00.500Z";
  request.entry.endUtc = "2026-12-01T05:30:00+00:00";
  const Json body = Json::parse(eventBody(request));
  CHECK(body["start"] == Json{{"dateTime", "2026-12-01T03:30:00"}, {"timeZone", "UTC"}});
  CHECK(body["end"] == Json{{"dateTime", "2026-12-01T05:30:00"}, {"timeZone", "UTC"}});
  CHECK(body["isAllDay"] == false);
}

TEST_CASE("an all-day entry is midnight to midnight in one zone") {
  const Json body = Json::parse(eventBody(allDayRequest()));
  CHECK(body["start"] == Json{{"dateTime", "2026-12-01T00:00:00"}, {"timeZone", "UTC"}});
  CHECK(body["end"] == Json{{"dateTime", "2026-12-03T00:00:00"}, {"timeZone", "UTC"}});
  CHECK(body["isAllDay"] == true);
}

TEST_CASE("Graph gets the earliest reminder that the policy names") {
  auto request = fullRequest();
  request.entry.reminders = {10, 60, 1440};
  Json body = Json::parse(eventBody(request));
  CHECK(body["isReminderOn"] == true);
  CHECK(body["reminderMinutesBeforeStart"] == 1440);
  request.entry.reminders.clear();
  body = Json::parse(eventBody(request));
  CHECK(body["isReminderOn"] == false);
  CHECK(body.count("reminderMinutesBeforeStart") == 0);
}

TEST_CASE("how an entry shows and who may see it, in Graph's words") {
  auto request = fullRequest();
  const auto bodyOf = [&] { return Json::parse(eventBody(request)); };
  CHECK(bodyOf()["showAs"] == "busy");
  CHECK(bodyOf()["sensitivity"] == "normal");
  request.entry.status = "tentative";
  CHECK(bodyOf()["showAs"] == "tentative");
  request.entry.showAs = "free";
  CHECK(bodyOf()["showAs"] == "free");
  request.entry.visibility = "public";
  CHECK(bodyOf()["sensitivity"] == "normal");
  request.entry.visibility = "private";
  CHECK(bodyOf()["sensitivity"] == "private");
  request.entry.visibility = "confidential";
  CHECK(bodyOf()["sensitivity"] == "confidential");
}

TEST_CASE("Graph gets plain text, with the link behind it unless it is there already") {
  auto request = fullRequest();
  const auto contentOf = [&] { return Json::parse(eventBody(request))["body"]["content"].get<std::string>(); };
  CHECK(Json::parse(eventBody(request))["body"]["contentType"] == "text");
  CHECK(contentOf() == "Bring keys\n\nhttps://app.example/o/77");
  request.entry.description = "See https://app.example/o/77";
  CHECK(contentOf() == "See https://app.example/o/77");
  request.entry.description.clear();
  CHECK(contentOf() == "https://app.example/o/77");
  request.entry.url = "javascript:alert(1)";
  CHECK(contentOf().empty());
}

TEST_CASE("fields that were emptied are sent empty, so that an update clears them") {
  auto request = fullRequest();
  request.entry.location.clear();
  request.entry.description.clear();
  request.entry.url.clear();
  const Json body = Json::parse(eventBody(request));
  CHECK(body["location"] == Json{{"displayName", ""}});
  CHECK(body["body"]["content"] == "");
}

TEST_CASE("a subject beyond what Exchange keeps is cut between characters") {
  auto request = fullRequest();
  request.entry.title.clear();
  for (int i = 0; i < 300; ++i) {
    request.entry.title += "\xE2\x82\xAC";
  }
  CHECK(Json::parse(eventBody(request))["subject"].get<std::string>().size() == 255 * 3);
}

TEST_CASE("a quote in a uid cannot leave the filter") {
  const std::string query = lookUpQuery("a' or 1 eq 1");
  CHECK(query.find("%27a%27%27%20or%201%20eq%201%27") != std::string::npos);
}

TEST_CASE("the granted Microsoft scope is checked word by word") {
  CHECK(scopeSuffices(""));
  CHECK(scopeSuffices("User.Read Calendars.ReadWrite"));
  CHECK(scopeSuffices("https://graph.microsoft.com/Calendars.ReadWrite"));
  CHECK(scopeSuffices("calendars.readwrite.shared"));
  CHECK_FALSE(scopeSuffices("User.Read"));
  CHECK_FALSE(scopeSuffices("Calendars.Read"));
  CHECK_FALSE(scopeSuffices("NotCalendars.ReadWrite"));
}

TEST_CASE("Graph's error object is read in both spellings, and garbage is no error object") {
  sdk::HttpResponse response;
  response.status = 400;
  response.body =
      R"({"error":{"code":"BadRequest","message":"m","innererror":{"code":"ErrorDuplicateTransactionId"}}})";
  CHECK(graphError(response).code == "ErrorDuplicateTransactionId");
  response.body = R"({"error":{"code":"","innerError":{"code":"X","@event.existingEventId":"e"}}})";
  CHECK(graphError(response).code == "X");
  CHECK(graphError(response).existingEventId == "e");
  response.body = R"({"error":{"code":"A"},"@event.existingEventId":"e"})";
  CHECK(graphError(response).existingEventId == "e");
  CHECK(isDuplicateTransaction(response, graphError(response)));
  for (const char* odd : {"", "[]", "7", "{}", R"({"error":"x"})", R"({"error":{"code":7}})"}) {
    response.body = odd;
    CAPTURE(odd);
    CHECK(graphError(response).code.empty());
    CHECK_FALSE(isDuplicateTransaction(response, graphError(response)));
  }
}
