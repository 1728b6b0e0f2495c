#include "calbridge/plugin.hpp"

#include "calbridge/oauth.hpp"
#include "calendar_choice.hpp"
#include "event_sync.hpp"

namespace calbridge::google {

/// Google Calendar: OAuth 2.0 with offline access, one event per entry. See README.md.
class GoogleProvider {
 public:
  static constexpr std::string_view kManifest = R"json({
    "id": "google",
    "name": "Google Calendar",
    "version": "1.0.0",
    "description": "Keeps entries in a person's Google Calendar",
    "min_host_minor": 0,
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1", "calbridge.kv/1"],
    "optional": [],
    "capabilities": ["oauth2", "delete", "revoke"],
    "concurrent": true,
    "mailbox_concurrency": 4,
    "quota": {"per_minute": 10000, "per_account_per_minute": 600},
    "egress": ["oauth2.googleapis.com", "www.googleapis.com"],
    "egress_settings": ["token_url", "revoke_url", "api_url"],
    "settings_schema": {
      "type": "object",
      "properties": {
        "authorize_url": {"type": "string", "format": "uri", "default": "https://accounts.google.com/o/oauth2/v2/auth"},
        "token_url": {"type": "string", "format": "uri", "default": "https://oauth2.googleapis.com/token"},
        "revoke_url": {"type": "string", "format": "uri", "default": "https://oauth2.googleapis.com/revoke"},
        "api_url": {"type": "string", "format": "uri", "default": "https://www.googleapis.com/calendar/v3"},
        "calendar": {"type": "string", "enum": ["primary", "dedicated"], "default": "primary"},
        "calendar_name": {"type": "string", "minLength": 1, "maxLength": 254, "default": "Appointments"}
      },
      "additionalProperties": false
    }
  })json";

  explicit GoogleProvider(const sdk::Settings& settings)
      : clientId_(settings.clientId), clientSecret_(settings.clientSecret),
        authorizeUrl_(settings.text("authorize_url", "https://accounts.google.com/o/oauth2/v2/auth")),
        tokenUrl_(settings.text("token_url", "https://oauth2.googleapis.com/token")),
        revokeUrl_(settings.text("revoke_url", "https://oauth2.googleapis.com/revoke")),
        apiUrl_(settings.text("api_url", "https://www.googleapis.com/calendar/v3")),
        calendars_(settings.text("calendar", "primary") == "dedicated",
                   settings.text("calendar_name", "Appointments")) {}

  sdk::ConnectReply connect(sdk::Call&, const sdk::ConnectRequest& request) {
    const char* scope = calendars_.dedicated() ? "openid email https://www.googleapis.com/auth/calendar.app.created"
                                               : "openid email https://www.googleapis.com/auth/calendar.events";
    sdk::Form query = {{"client_id", clientId_},
                       {"redirect_uri", request.redirectUri},
                       {"response_type", "code"},
                       {"scope", scope},
                       {"access_type", "offline"},
                       {"prompt", "consent"}, // else a person who connects again gets no refresh token
                       {"state", request.state},
                       {"code_challenge", request.codeChallenge},
                       {"code_challenge_method", request.codeChallengeMethod}};
    if (!request.loginHint.empty()) {
      query.emplace_back("login_hint", request.loginHint);
    }
    return {sdk::withQuery(authorizeUrl_, query)};
  }

  sdk::Grant exchange(sdk::Call& call, const sdk::ExchangeRequest& request) {
    const sdk::Json json = token(call, {{"grant_type", "authorization_code"},
                                        {"code", request.code},
                                        {"redirect_uri", request.redirectUri},
                                        {"code_verifier", request.codeVerifier}});
    sdk::Grant grant = sdk::grantFrom(json);
    requireScope(grant);
    grant.account = account(call, json, grant.accessToken);
    return grant;
  }

  sdk::Grant refresh(sdk::Call& call, const sdk::RefreshRequest& request) {
    sdk::Grant grant =
        sdk::grantFrom(token(call, {{"grant_type", "refresh_token"}, {"refresh_token", request.refreshToken}}));
    requireScope(grant);
    return grant; // Google repeats no refresh token: the old one stays
  }

  /// Google answers 400 for a token that is dead already.
  void revoke(sdk::Call& call, const sdk::RevokeRequest& request) {
    const std::string& token = request.refreshToken.empty() ? request.accessToken : request.refreshToken;
    if (token.empty()) {
      return;
    }
    const sdk::HttpResponse response = sdk::postForm(call, revokeUrl_, {{"token", token}});
    if (!response.ok() && response.status != 400) {
      throw sdk::Problem(sdk::restProblem(response, call.clock().nowMs(), "Google did not revoke the grant"));
    }
  }

  sdk::PushReply push(sdk::Call& call, const sdk::PushRequest& request) {
    CalendarApi api(call, apiUrl_, request.accessToken);
    // Google's word for a cancelled event is deletion: writing that status would be one in disguise.
    const bool gone = request.operation == sdk::PushRequest::Operation::remove || request.entry.status == "cancelled";
    return gone ? remove(call, api, request) : upsert(call, api, request);
  }

 private:
  sdk::Json token(sdk::Call& call, sdk::Form form) {
    form.emplace_back("client_id", clientId_);
    form.emplace_back("client_secret", clientSecret_);
    const sdk::HttpResponse response = sdk::postForm(call, tokenUrl_, form);
    if (!response.ok()) {
      throw sdk::Problem(sdk::oauthProblem(response, call.clock().nowMs()));
    }
    return response.json();
  }

  /// People can untick single permissions on Google's page.
  void requireScope(const sdk::Grant& grant) const {
    if (!scopeSuffices(grant.scope, calendars_.dedicated())) {
      throw sdk::Problem(sdk::Status::reauthRequired,
                         "the permission to change the calendar was not granted: connect again and leave it ticked",
                         "insufficient_scope");
    }
  }

  /// The id_token says whose account it is (OpenID Connect Core section 3.1.3.3). Without one, the primary calendar's
  /// id does, which is the account's address. Where neither can be had, all that is known is that it is one account.
  sdk::Account account(sdk::Call& call, const sdk::Json& token, const std::string& accessToken) {
    const auto idToken = token.find("id_token");
    if (idToken != token.end() && idToken->is_string()) {
      return accountFrom(*idToken);
    }
    const sdk::HttpResponse response = CalendarApi(call, apiUrl_, accessToken).getCalendar("primary");
    if (response.ok()) {
      const sdk::Json calendar = response.json();
      const auto id = calendar.find("id");
      if (id != calendar.end() && id->is_string() && !id->get_ref<const std::string&>().empty()) {
        return {*id, *id};
      }
    }
    return {"unnamed", "Google account"};
  }

  static sdk::Account accountFrom(const sdk::Json& idToken) {
    const sdk::Json claims = sdk::idTokenClaims(idToken.get_ref<const std::string&>());
    const auto text = [&](const char* key) {
      const auto found = claims.find(key);
      return found != claims.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    sdk::Account account{text("sub"), text("email")};
    if (account.id.empty()) {
      throw sdk::Problem(sdk::Status::transient, "Google's id_token does not say whose account it is");
    }
    if (account.label.empty()) {
      account.label = "Google account";
    }
    return account;
  }

  sdk::PushReply upsert(sdk::Call& call, CalendarApi& api, const sdk::PushRequest& request) {
    const std::string timezone = request.entry.timezone;
    std::string calendar = calendars_.ensure(call, api, request.accessToken, timezone);
    try {
      return EventSync(api, calendar, request).upsert(request.providerEventId, request.etag);
    } catch (const CalendarGone&) {
      calendars_.forget(call, api, request.accessToken, calendar);
    }
    calendar = calendars_.ensure(call, api, request.accessToken, timezone);
    try {
      return EventSync(api, calendar, request).upsert({}, {});
    } catch (const CalendarGone&) {
      throw sdk::Problem(sdk::Status::notFound, "Google Calendar does not know the calendar that it has just made");
    }
  }

  sdk::PushReply remove(sdk::Call& call, CalendarApi& api, const sdk::PushRequest& request) {
    if (const auto calendar = calendars_.existing(call, api)) {
      EventSync(api, *calendar, request).remove(request.providerEventId);
    }
    const std::string& known = request.providerEventId;
    return {known.empty() ? eventId(request.uid, request.idempotencyKey, 0) : known, {}, {}, {}};
  }

  std::string clientId_;
  std::string clientSecret_;
  std::string authorizeUrl_;
  std::string tokenUrl_;
  std::string revokeUrl_;
  std::string apiUrl_;
  CalendarChoice calendars_;
};

} // namespace calbridge::google

CALBRIDGE_PLUGIN(calbridge::google::GoogleProvider)
