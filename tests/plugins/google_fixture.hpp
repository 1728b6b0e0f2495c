#pragma once
#include "plugins/scripted_host.hpp"

#include <catch2/catch.hpp>
#include <string>

/// The Google plugin behind a scripted host: what it is asked, the URLs that it then calls, and what the API answers.
namespace calbridge::testing {

inline const std::string kApi = "http://127.0.0.1:1/calendar/v3";
inline const std::string kToken = "http://127.0.0.1:1/token";
inline const std::string kRevoke = "http://127.0.0.1:1/revoke";
inline const std::string kUid = "u-1";
inline const std::string kKey = "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b";
inline const std::string kAccessToken = "canary-access-token";
inline const std::string kWrite = "?sendUpdates=none&prettyPrint=false&fields=id,etag,htmlLink";
inline const std::string kRead = "?prettyPrint=false&fields=id,etag,htmlLink,status,extendedProperties/private";
inline const std::string kId0 = "cbrekmj2"; // base32hex of the uid

inline std::string events(const std::string& calendar = "primary") {
  return kApi + "/calendars/" + calendar + "/events";
}
inline std::string insertUrl(const std::string& calendar = "primary") {
  return events(calendar) + kWrite;
}
inline std::string writeUrl(const std::string& id, const std::string& calendar = "primary") {
  return events(calendar) + "/" + id + kWrite;
}
inline std::string readUrl(const std::string& id, const std::string& calendar = "primary") {
  return events(calendar) + "/" + id + kRead;
}
inline std::string deleteUrl(const std::string& id, const std::string& calendar = "primary") {
  return events(calendar) + "/" + id + "?sendUpdates=none";
}
inline const std::string kList = kApi + "/users/me/calendarList?minAccessRole=owner&maxResults=250&prettyPrint=false"
                                        "&fields=items(id,description,deleted)";
inline const std::string kNewCalendar = kApi + "/calendars?prettyPrint=false&fields=id";

inline std::string eventJson(const std::string& id, const std::string& etag = "\"1\"") {
  return Json{{"id", id}, {"etag", etag}, {"htmlLink", "https://calendar.example/" + id}}.dump();
}
inline std::string seenJson(const std::string& id, const std::string& status, const std::string& uid = kUid,
                            const std::string& hash = "stale") {
  Json json = {{"id", id}, {"etag", "\"9\""}, {"htmlLink", "https://calendar.example/" + id}, {"status", status}};
  if (!uid.empty()) {
    json["extendedProperties"]["private"] = {{"calbridgeUid", uid}, {"calbridgeHash", hash}};
  }
  return json.dump();
}
inline std::string errorJson(int code, const std::string& reason, const std::string& message = "said by the provider") {
  return Json{{"error",
               {{"errors", {{{"domain", "global"}, {"reason", reason}, {"message", message}}}},
                {"code", code},
                {"message", message}}}}
      .dump();
}

inline Json entryJson() {
  return {{"title", "Deep clean"},
          {"description", "Bring <keys> & \"gloves\"\nSee you"},
          {"location", "1 High Street"},
          {"all_day", false},
          {"start", "2026-12-01T09:00:00"},
          {"end", "2026-12-01T11:00:00"},
          {"timezone", "Europe/London"},
          {"start_utc", "2026-12-01T09:00:00Z"},
          {"end_utc", "2026-12-01T11:00:00Z"},
          {"reminders", {30, 1440}},
          {"show_as", "busy"},
          {"visibility", "private"},
          {"status", "confirmed"},
          {"url", "https://app.example/o/77"}};
}
inline Json upsertJson(const std::string& knownId = {}, const std::string& etag = {}) {
  Json json = {
      {"operation", "upsert"}, {"access_token", kAccessToken},    {"uid", kUid},          {"idempotency_key", kKey},
      {"sequence", 3},         {"stamp", "2026-11-22T10:00:00Z"}, {"entry", entryJson()}, {"novelty", {1, 2}}};
  if (!knownId.empty()) {
    json["provider_event_id"] = knownId;
    json["etag"] = etag;
  }
  return json;
}
inline Json deleteJson(const std::string& knownId = {}) {
  Json json = {{"operation", "delete"}, {"access_token", kAccessToken}, {"uid", kUid}, {"idempotency_key", kKey}};
  if (!knownId.empty()) {
    json["provider_event_id"] = knownId;
  }
  return json;
}

struct Google : ScriptedHost {
  explicit Google(const std::string& calendar = "primary") : ScriptedHost(CALBRIDGE_PLUGIN_google) {
    const Outcome made = create({{"client_id", "client"},
                                 {"client_secret", "canary secret"},
                                 {"settings",
                                  {{"authorize_url", "http://127.0.0.1:1/auth"},
                                   {"token_url", kToken},
                                   {"revoke_url", kRevoke},
                                   {"api_url", kApi},
                                   {"calendar", calendar},
                                   {"calendar_name", "My bookings"}}}});
    REQUIRE(made.status == "ok");
  }
};

} // namespace calbridge::testing
