// A provider in C++20 that uses every service of SDK 1.0. Kept as it was when its binary was made.
#include <calbridge/answers.hpp>
#include <calbridge/oauth.hpp>
#include <calbridge/plugin.hpp>

using namespace calbridge::sdk;

class Golden {
 public:
  static constexpr std::string_view kManifest = R"({
    "id": "golden-cpp", "name": "Golden C++", "version": "1.0.0", "concurrent": true,
    "capabilities": ["oauth2", "delete", "revoke"],
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1", "calbridge.random/1", "calbridge.kv/1"],
    "optional": ["calbridge.log/1", "calbridge.carrier-pigeon/7"],
    "egress": ["api.acme.example"], "egress_settings": ["api_url"],
    "settings_schema": {"type": "object", "additionalProperties": false,
                        "properties": {"api_url": {"type": "string"}}}})";

  explicit Golden(const Settings& settings)
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
    call.checkpoint();
    std::array<std::uint8_t, 4> dice{};
    call.random().fill(dice);
    if (call.has("calbridge.carrier-pigeon/7") || call.clock().nowMs() <= 0 || call.clock().monotonicMs() < 0) {
      throw Problem(Status::internal, "a service of the host does not answer as it should");
    }
    call.log().info("push of " + r.uid + ", last " + call.kv().get("last").value_or("none"));
    call.kv().set("last", r.uid);
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
    return answer.ok() ? answer : throw restProblem(answer, call.clock().nowMs(), "Golden refused");
  }
  std::string id_, secret_, api_;
};

CALBRIDGE_PLUGIN(Golden)
