// The smallest provider: plain OAuth 2.0 and one REST resource per entry. Copy this folder and change the words "acme".
#include <calbridge/oauth.hpp>
#include <calbridge/plugin.hpp>

using namespace calbridge::sdk;

class Acme {
 public:
  static constexpr std::string_view kManifest = R"({
    "id": "acme", "name": "Acme Calendar", "version": "1.0.0", "capabilities": ["oauth2", "delete"], "concurrent": true,
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1"], "egress": ["api.acme.example"]})";

  explicit Acme(const Settings& settings) : id_(settings.clientId), secret_(settings.clientSecret) {}

  ConnectReply connect(Call&, const ConnectRequest& r) {
    return {withQuery(kApi + "/authorize", {{"response_type", "code"},
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
    const Json me = checked(call, call.http().get(kApi + "/me", bearer(grant.accessToken))).json();
    grant.account = {me.value("id", ""), me.value("email", "")};
    return grant;
  }
  Grant refresh(Call& call, const RefreshRequest& r) {
    return token(call, {{"grant_type", "refresh_token"}, {"refresh_token", r.refreshToken}});
  }
  PushReply push(Call& call, const PushRequest& r) { // the uid names the resource: twice is once
    const std::string url = kApi + "/entries/" + r.uid;
    if (r.operation == PushRequest::Operation::remove) {
      const HttpResponse gone = call.http().del(url, bearer(r.accessToken));
      return {gone.status == 404 ? r.uid : (checked(call, gone), r.uid), "", "", ""};
    }
    const Json entry = {{"title", r.entry.title}, {"start", r.entry.startUtc}, {"end", r.entry.endUtc}};
    checked(call, call.http().put(url, entry.dump(), bearerJson(r.accessToken)));
    return {r.uid, "", "", ""};
  }

 private:
  Grant token(Call& call, Form form) {
    form.insert(form.end(), {{"client_id", id_}, {"client_secret", secret_}});
    const HttpResponse answer = postForm(call, kApi + "/token", form);
    return answer.ok() ? grantFrom(answer.json()) : throw oauthProblem(answer, call.clock().nowMs());
  }
  const HttpResponse& checked(Call& call, const HttpResponse& answer) {
    return answer.ok() ? answer : throw restProblem(answer, call.clock().nowMs(), "Acme refused");
  }
  const std::string kApi = "https://api.acme.example/v1";
  std::string id_, secret_;
};

CALBRIDGE_PLUGIN(Acme)
