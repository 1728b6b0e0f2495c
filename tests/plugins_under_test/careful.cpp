#include <atomic>
#include <calbridge/oauth.hpp>
#include <calbridge/plugin.hpp>

/// A well-behaved provider whose push does what the entry's title names: it shows every way of ending that the SDK
/// offers.
namespace {

namespace sdk = calbridge::sdk;

class Careful {
 public:
  static constexpr std::string_view kManifest = R"json({
    "id": "careful", "name": "Careful", "version": "1.2.3", "description": "for tests",
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.kv/1"], "optional": ["calbridge.carrier-pigeon/7"],
    "capabilities": ["oauth2", "delete", "revoke", "feed", "credentials", "list-calendars", "free-busy", "changes"], "mailbox_concurrency": 3,
    "credentials_schema": {"type": "object", "required": ["user", "password"], "properties": {
      "server": {"type": "string", "title": "Server", "format": "uri", "default": "https://dav.example.com"},
      "password": {"type": "string", "title": "Password", "writeOnly": true, "description": "not your usual one"},
      "user": {"type": "string", "title": "User name"},
      "kind": {"type": "string", "title": "Kind", "enum": ["a", "b"]}}},
    "egress_credentials": ["server"],
    "egress": ["api.example.com"], "egress_settings": ["api_url"], "disconnect_url": "https://example.com/consent",
    "settings_schema": {"type": "object", "additionalProperties": false, "properties": {
      "api_url": {"type": "string"}, "calendar": {"type": "string", "enum": ["primary", "dedicated"]}}}
  })json";

  explicit Careful(const sdk::Settings& settings)
      : clientId_(settings.clientId), api_(settings.text("api_url", "https://api.example.com")) {}

  sdk::ConnectReply connect(sdk::Call&, const sdk::ConnectRequest& r) {
    return {sdk::withQuery(api_ + "/authorize", {{"client_id", clientId_},
                                                 {"redirect_uri", r.redirectUri},
                                                 {"state", r.state},
                                                 {"code_challenge", r.codeChallenge},
                                                 {"code_challenge_method", r.codeChallengeMethod}})};
  }
  sdk::Grant exchange(sdk::Call& call, const sdk::ExchangeRequest& r) {
    sdk::Grant grant =
        token(call, {{"code", r.code}, {"code_verifier", r.codeVerifier}, {"redirect_uri", r.redirectUri}});
    grant.account = {"acc-1", ""};
    return grant;
  }
  sdk::Grant refresh(sdk::Call& call, const sdk::RefreshRequest& r) {
    return token(call, {{"refresh_token", r.refreshToken}});
  }
  void revoke(sdk::Call& call, const sdk::RevokeRequest& r) {
    sdk::postForm(call, api_ + "/revoke", {{"token", r.refreshToken}});
  }
  sdk::FeedFrame feed(sdk::Call&, const sdk::FeedRequest& r) { return {"BEGIN " + r.name, "END"}; }

  sdk::Authentication authenticate(sdk::Call& call, const sdk::AuthenticateRequest& r) {
    call.log().info(r.text("user") + " has the password " + r.text("password"));
    if (r.text("password") != "canary-password") {
      throw sdk::Problem(sdk::Status::reauthRequired, r.text("user") + " is not let in with " + r.text("password"),
                         "invalid_credentials");
    }
    return {{{"user", r.text("user")}, {"session", {{"key", "canary-session"}}}}, {r.text("user"), ""}};
  }
  sdk::CalendarList list_calendars(sdk::Call& call, const sdk::ListCalendarsRequest& r) {
    if (r.secret.is_null()) {
      return {{{"token", r.accessToken, "", false, false}}};
    }
    call.log().info(r.secret.dump());
    return {{{"c1", "Home", "#ff0000", true, true}, {"c2", "", "", false, false}}};
  }
  sdk::BusyTimes free_busy(sdk::Call&, const sdk::FreeBusyRequest& r) {
    return {{{r.start, r.end}, {r.end, r.calendar.empty() ? r.end : r.calendar}}};
  }
  sdk::ChangeList changes(sdk::Call&, const sdk::ChangesRequest& r) {
    return {{{"u", "p1", "e", false}, {"", "p2", "", true}}, r.syncToken + "+"};
  }

  sdk::Result<sdk::PushReply> push(sdk::Call& call, const sdk::PushRequest& r) {
    const int inside = ++inside_;
    const struct Leave {
      std::atomic<int>& count;
      ~Leave() { --count; }
    } leave{inside_};
    const std::string& wish = r.entry.title;
    if (wish == "return a problem") {
      return sdk::Problem(sdk::Status::rateLimited, "slower, please", "quota", std::chrono::seconds(7));
    }
    if (wish == "throw a problem") {
      throw sdk::Problem(sdk::Status::notFound, "the calendar is gone");
    }
    if (wish == "throw a stranger") {
      throw std::out_of_range("with a secret: " + r.accessToken);
    }
    if (wish == "throw a number") {
      throw 7;
    }
    if (wish == "use a missing service") {
      return sdk::PushReply{call.has("calbridge.carrier-pigeon/7") ? "?" : "none", "", "", ""};
    }
    if (wish == "remember") {
      call.kv().set("calendar", "cal-9");
      return sdk::PushReply{call.kv().get("calendar").value_or("lost"), "", "", ""};
    }
    if (wish == "tell what came") {
      return sdk::PushReply{r.secret.dump() + r.calendar + r.recipient.email + r.recipient.name + r.recipient.language,
                            "", "", ""};
    }
    if (wish == "overlap") {
      call.http().get(api_ + "/wait");
      return sdk::PushReply{std::to_string(inside), "", "", ""};
    }
    call.checkpoint();
    const sdk::HttpResponse answer = call.http().put(api_ + "/e/" + r.uid, wish, sdk::bearerJson(r.accessToken));
    if (!answer.ok()) {
      throw sdk::restProblem(answer, call.clock().nowMs(), "the provider said no");
    }
    return sdk::PushReply{r.uid, std::string(answer.header("etag")), "https://example.com/" + r.uid, answer.body};
  }

 private:
  sdk::Grant token(sdk::Call& call, const sdk::Form& form) {
    const sdk::HttpResponse answer = sdk::postForm(call, api_ + "/token", form);
    return answer.ok() ? sdk::grantFrom(answer.json()) : throw sdk::oauthProblem(answer, call.clock().nowMs());
  }
  std::string clientId_;
  std::string api_;
  std::atomic<int> inside_{0};
};

} // namespace

CALBRIDGE_PLUGIN(Careful)
