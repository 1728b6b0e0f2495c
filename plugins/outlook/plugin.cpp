#include "calbridge/plugin.hpp"

#include "calbridge/oauth.hpp"
#include "event_sync.hpp"

namespace calbridge::outlook {

/// Outlook through Microsoft Graph: rotating refresh tokens, one event per entry. See README.md.
class OutlookProvider {
 public:
  static constexpr std::string_view kManifest = R"json({
    "id": "outlook",
    "name": "Outlook Calendar",
    "version": "1.0.0",
    "description": "Keeps entries in a person's Outlook, Hotmail or Microsoft 365 calendar",
    "min_host_minor": 0,
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1"],
    "optional": [],
    "capabilities": ["oauth2", "delete"],
    "concurrent": true,
    "mailbox_concurrency": 4,
    "quota": {"per_account_per_minute": 1000},
    "disconnect_url": "https://account.live.com/consent/Manage",
    "egress": ["login.microsoftonline.com", "graph.microsoft.com"],
    "egress_settings": ["authority_url", "api_url"],
    "settings_schema": {
      "type": "object",
      "properties": {
        "authority_url": {"type": "string", "format": "uri", "default": "https://login.microsoftonline.com/common"},
        "api_url": {"type": "string", "format": "uri", "default": "https://graph.microsoft.com/v1.0"}
      },
      "additionalProperties": false
    }
  })json";

  explicit OutlookProvider(const sdk::Settings& settings)
      : clientId_(settings.clientId), clientSecret_(settings.clientSecret),
        authorityUrl_(settings.text("authority_url", "https://login.microsoftonline.com/common")),
        apiUrl_(settings.text("api_url", "https://graph.microsoft.com/v1.0")) {
    while (authorityUrl_.ends_with('/')) {
      authorityUrl_.pop_back();
    }
    while (apiUrl_.ends_with('/')) {
      apiUrl_.pop_back();
    }
  }

  sdk::ConnectReply connect(sdk::Call&, const sdk::ConnectRequest& request) {
    sdk::Form query = {{"client_id", clientId_},
                       {"redirect_uri", request.redirectUri},
                       {"response_type", "code"},
                       {"response_mode", "query"},
                       {"scope", kScope},
                       {"state", request.state},
                       {"code_challenge", request.codeChallenge},
                       {"code_challenge_method", request.codeChallengeMethod}};
    if (request.loginHint.empty()) {
      query.emplace_back("prompt", "select_account"); // the browser may be signed in to somebody else's
    } else {
      query.emplace_back("login_hint", request.loginHint);
    }
    return {sdk::withQuery(authorityUrl_ + "/oauth2/v2.0/authorize", query)};
  }

  sdk::Grant exchange(sdk::Call& call, const sdk::ExchangeRequest& request) {
    sdk::Grant grant = token(call, {{"grant_type", "authorization_code"},
                                    {"code", request.code},
                                    {"redirect_uri", request.redirectUri},
                                    {"code_verifier", request.codeVerifier}});
    grant.account = account(call, grant.accessToken);
    return grant;
  }

  /// The reply carries the new refresh token: Microsoft changes it on every use.
  sdk::Grant refresh(sdk::Call& call, const sdk::RefreshRequest& request) {
    return token(call, {{"grant_type", "refresh_token"}, {"refresh_token", request.refreshToken}});
  }

  sdk::PushReply push(sdk::Call& call, const sdk::PushRequest& request) {
    EventSync sync(call, apiUrl_, request);
    // Graph lets nobody cancel an event without attendees: a cancelled entry is one that is not there.
    if (request.operation == sdk::PushRequest::Operation::remove || request.entry.status == "cancelled") {
      sync.remove();
      // An upsert has to name an event: where there never was one, a name that Graph does not know leads to a look-up.
      return {request.providerEventId.empty() ? request.uid : request.providerEventId, {}, {}, {}};
    }
    return sync.upsert();
  }

 private:
  static constexpr const char* kScope = "offline_access User.Read Calendars.ReadWrite";

  sdk::Grant token(sdk::Call& call, sdk::Form form) {
    form.emplace_back("client_id", clientId_);
    if (!clientSecret_.empty()) {
      form.emplace_back("client_secret", clientSecret_);
    }
    form.emplace_back("scope", kScope);
    const sdk::HttpResponse response = sdk::postForm(call, authorityUrl_ + "/oauth2/v2.0/token", form);
    if (!response.ok()) {
      throw sdk::Problem(sdk::oauthProblem(response, call.clock().nowMs()));
    }
    sdk::Grant grant = sdk::grantFrom(response.json());
    if (!scopeSuffices(grant.scope)) {
      throw sdk::Problem(sdk::Status::reauthRequired,
                         "the permission to change the calendar was not granted: connect again and accept it",
                         "insufficient_scope");
    }
    return grant;
  }

  sdk::Account account(sdk::Call& call, const std::string& accessToken) {
    const sdk::HttpResponse response =
        call.http().get(apiUrl_ + "/me?$select=id,mail,userPrincipalName", sdk::bearer(accessToken));
    if (!response.ok()) {
      throw sdk::Problem(problemFrom(response, call.clock().nowMs(), accessToken));
    }
    const sdk::Json me = response.json();
    const auto text = [&](const char* key) {
      const auto found = me.find(key);
      return found != me.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    sdk::Account account{text("id"), text("mail")};
    if (account.label.empty()) {
      account.label = text("userPrincipalName");
    }
    if (account.id.empty()) {
      throw sdk::Problem(sdk::Status::transient, "Outlook's answer does not say whose account it is");
    }
    if (account.label.empty()) {
      account.label = "Microsoft account";
    }
    return account;
  }

  std::string clientId_;
  std::string clientSecret_;
  std::string authorityUrl_;
  std::string apiUrl_;
};

} // namespace calbridge::outlook

CALBRIDGE_PLUGIN(calbridge::outlook::OutlookProvider)
