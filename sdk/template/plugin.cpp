// The smallest provider: OAuth 2.0 and one REST resource per entry. Change the words "acme".
#include <calbridge/answers.hpp>
#include <calbridge/oauth.hpp>
#include <calbridge/plugin.hpp>

using namespace calbridge::sdk;

class AcmeProvider {
 public:
  static constexpr std::string_view kManifest = R"({
    "id": "acme", "name": "Acme Calendar", "version": "1.0.0", "concurrent": true,
    "capabilities": ["oauth2", "delete", "revoke"],
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1"],
    "egress": ["api.acme.example"], "egress_settings": ["api_url"],
    "settings_schema": {"type": "object", "additionalProperties": false,
                        "properties": {"api_url": {"type": "string"}}}})";

  explicit AcmeProvider(const Settings& settings)
      : id_(settings.clientId), secret_(settings.clientSecret),
        api_(settings.text("api_url", "https://api.acme.example/v1")) {}

  ConnectReply connect(Call&, const ConnectRequest& r) {
    return {withQuery(api_ + "/authorize", {{"response_type", "code"},
                                            {"client_id", id_},
                                            {"redirect_uri", r.redirectUri},
                                            {"scope", "calendar"},
                                            {"state", r.state},
                                            {"code_challenge", r.codeChallenge},
                                            {"code_challenge_method", r.codeChallengeMethod}})};
  }
  Grant exchange(Call& call, const ExchangeRequest& r) {
    Grant grant = token(call, {{"grant_type", "authorization_code"},
                               {"code", r.code},
                               {"redirect_uri", r.redirectUri},
                               {"code_verifier", r.codeVerifier}});
    const Json me = checked(call, call.http().get(api_ + "/me", bearer(grant.accessToken))).json();
    grant.account = {textOf(me, "id"), textOf(me, "email")};
    return grant;
  }
  Grant refresh(Call& call, const RefreshRequest& r) {
    return token(call, {{"grant_type", "refresh_token"}, {"refresh_token", r.refreshToken}});
  }
  PushReply push(Call& call, const PushRequest& r) { // the uid names the resource: twice is once
    const std::string url = api_ + "/entries/" + r.uid;
    if (r.operation == PushRequest::Operation::remove) {
      const HttpResponse gone = call.http().del(url, bearer(r.accessToken));
      if (gone.status != 404 && gone.status != 410) { // gone already is fine
        checked(call, gone);
      }
      return {r.uid, "", "", ""};
    }
    const Json entry = {
        {"title", r.entry.title}, {"location", r.entry.location}, {"start", r.entry.startUtc}, {"end", r.entry.endUtc}};
    checked(call, call.http().put(url, entry.dump(), bearerJson(r.accessToken)));
    return {r.uid, "", "", ""};
  }
  void revoke(Call& call, const RevokeRequest& r) {
    checked(call, postForm(call, api_ + "/revoke", {{"token", r.refreshToken}}));
  }

 private:
  Grant token(Call& call, Form form) {
    form.insert(form.end(), {{"client_id", id_}, {"client_secret", secret_}});
    const HttpResponse answer = postForm(call, api_ + "/token", form);
    return answer.ok() ? grantFrom(answer.json()) : throw oauthProblem(answer, call.clock().nowMs());
  }
  const HttpResponse& checked(Call& call, const HttpResponse& answer) {
    return answer.ok() ? answer : throw restProblem(answer, call.clock().nowMs(), "Acme refused");
  }
  std::string id_, secret_, api_;
};

CALBRIDGE_PLUGIN(AcmeProvider)
