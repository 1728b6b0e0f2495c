// A provider in C++20 that uses what SDK 1.1 added: a form, calendars to choose from, busy times, changes, Basic. Kept
// as it was when its binary was made.
#include <calbridge/answers.hpp>
#include <calbridge/http_auth.hpp>
#include <calbridge/oauth.hpp>
#include <calbridge/plugin.hpp>

using namespace calbridge::sdk;

class Golden {
 public:
  static constexpr std::string_view kManifest = R"({
    "id": "golden-1-1-cpp", "name": "Golden 1.1 C++", "version": "1.1.0", "min_host_minor": 1, "concurrent": true,
    "capabilities": ["credentials", "delete", "revoke", "list-calendars", "free-busy", "changes"],
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1", "calbridge.kv/1"],
    "optional": ["calbridge.log/1", "calbridge.smtp/1", "calbridge.carrier-pigeon/7"],
    "egress_credentials": ["server"],
    "credentials_schema": {"type": "object", "required": ["server", "username", "password"],
      "additionalProperties": false,
      "properties": {
        "server": {"type": "string", "title": "Server", "format": "uri"},
        "username": {"type": "string", "title": "User name"},
        "password": {"type": "string", "title": "Password", "writeOnly": true}}},
    "settings_schema": {"type": "object", "additionalProperties": false}})";

  Authentication authenticate(Call& call, const AuthenticateRequest& r) {
    const Json secret = {
        {"server", r.text("server")}, {"username", r.text("username")}, {"password", r.text("password")}};
    const HttpResponse answer = call.http().get(r.text("server") + "/calendars", headers(secret));
    if (answer.status == 401) {
      throw Problem(Status::reauthRequired, "the server refuses user name or password", "invalid_credentials");
    }
    checked(call, answer);
    return {secret, {r.text("username"), r.text("username") + "@golden.example"}};
  }
  CalendarList list_calendars(Call& call, const ListCalendarsRequest& r) {
    CalendarList list;
    const Json answer = checked(call, call.http().get(api(r.secret) + "/calendars", headers(r.secret))).json();
    for (const Json& one : answer.value("calendars", Json::array())) {
      const std::string id = textOf(one, "id");
      const bool writable = one.value("writable", false);
      list.calendars.push_back({id, textOf(one, "name"), textOf(one, "color"), writable, id == "first"});
    }
    return list;
  }
  /// The id of an entry is "calendar/entries/uid": twice is once, and it is found when another calendar is chosen.
  PushReply push(Call& call, const PushRequest& r) {
    call.checkpoint();
    if (call.has("calbridge.carrier-pigeon/7")) {
      throw Problem(Status::internal, "a service of the host does not answer as it should");
    }
    const std::string last = call.kv().get("last").value_or("none");
    if (call.has("calbridge.log/1")) {
      call.log().info("push of " + r.uid + ", last " + last);
    }
    call.kv().set("last", r.uid);
    const std::string here = (r.calendar.empty() ? "first" : r.calendar) + "/entries/" + r.uid;
    if (r.operation == PushRequest::Operation::remove) {
      drop(call, r.secret, r.providerEventId.empty() ? here : r.providerEventId);
      return {r.providerEventId, "", "", ""};
    }
    const Json entry = {
        {"title", r.entry.title}, {"location", r.entry.location}, {"start", r.entry.startUtc}, {"end", r.entry.endUtc}};
    const std::string url = api(r.secret) + "/calendars/" + here;
    const HttpResponse kept = checked(call, call.http().put(url, entry.dump(), headers(r.secret)));
    if (!r.providerEventId.empty() && r.providerEventId != here) { // another calendar was chosen since
      drop(call, r.secret, r.providerEventId);
    }
    return {here, std::string(kept.header("etag")), "", ""};
  }
  BusyTimes free_busy(Call& call, const FreeBusyRequest& r) {
    const std::string url = withQuery(api(r.secret) + "/busy", {{"start", r.start}, {"end", r.end}});
    BusyTimes times;
    const Json answer = checked(call, call.http().get(url, headers(r.secret))).json();
    for (const Json& one : answer.value("busy", Json::array())) {
      times.busy.push_back({textOf(one, "start"), textOf(one, "end")});
    }
    return times;
  }
  ChangeList changes(Call& call, const ChangesRequest& r) {
    const std::string url = withQuery(api(r.secret) + "/changes", {{"since", r.syncToken}});
    const Json answer = checked(call, call.http().get(url, headers(r.secret))).json();
    ChangeList list;
    for (const Json& one : answer.value("changes", Json::array())) {
      list.changes.push_back({textOf(one, "uid"), textOf(one, "id"), textOf(one, "etag"), one.value("deleted", false)});
    }
    list.syncToken = textOf(answer, "token");
    return list;
  }
  void revoke(Call& call, const RevokeRequest& r) {
    checked(call, call.http().post(api(r.secret) + "/goodbye", "{}", headers(r.secret)));
  }

 private:
  static std::string api(const Json& secret) { return textOf(secret, "server"); }
  static Headers headers(const Json& secret) {
    return {{"Authorization", basicAuthorization(textOf(secret, "username"), textOf(secret, "password"))},
            {"Content-Type", "application/json"}};
  }
  static void drop(Call& call, const Json& secret, const std::string& id) {
    const HttpResponse gone = call.http().del(api(secret) + "/calendars/" + id, headers(secret));
    if (gone.status != 404 && gone.status != 410) { // gone already is fine
      checked(call, gone);
    }
  }
  static const HttpResponse& checked(Call& call, const HttpResponse& answer) {
    return answer.ok() ? answer : throw restProblem(answer, call.clock().nowMs(), "Golden refused");
  }
};

CALBRIDGE_PLUGIN(Golden)
