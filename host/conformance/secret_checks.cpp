#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

using Heard = std::function<void(Rehearsal&, Operation, const Ended&, const std::string& when)>;

/// Everything that can happen to a connection, the service's errors echoing what was sent.
void everything(Trial& trial, const Heard& heard) {
  {
    Rehearsal rehearsal(trial);
    rehearsal.live(
        [&](Operation operation, const Ended& ended) { heard(rehearsal, operation, ended, "in good times"); });
  }
  for (const int status : {0, 200, 302, 400, 401, 403, 404, 409, 429, 500}) {
    Rehearsal rehearsal(trial);
    rehearsal.network.instead = [&](const HttpRequest& request, std::size_t) -> std::optional<HttpResult> {
      if (status == 0) {
        return noAnswer(HttpFailure::Kind::truncated, true);
      }
      std::string echo = request.url + " " + request.body;
      for (const auto& [name, value] : request.headers) {
        echo += " " + name + ": " + value;
      }
      return HttpResult{rehearsal.network.service.error(status, echo), std::nullopt};
    };
    for (const Operation operation : plugins::kOperations) {
      if (rehearsal.has(operation)) {
        const std::string when =
            status == 0 ? "when no answer comes" : "when the service answers " + std::to_string(status);
        trial.step(plugins::toString(operation) + (" " + when));
        heard(rehearsal, operation, rehearsal.call(operation, rehearsal.request(operation)), when);
      }
    }
  }
}

/// "access token" for what is in `text` behind the stem of all secrets; empty when there is none.
std::string secretIn(const std::string& text, const std::string& stem) {
  const std::size_t at = text.find(stem);
  if (at == std::string::npos) {
    return {};
  }
  const std::string_view rest = std::string_view(text).substr(at + stem.size());
  return rest.starts_with("-access")        ? "an access token"
         : rest.starts_with("-refresh")     ? "a refresh token"
         : rest.starts_with("-code")        ? "an authorization code"
         : rest.starts_with("-verifier")    ? "a PKCE verifier"
         : rest.starts_with("-password")    ? "a password"
         : rest.starts_with("-unsubscribe") ? "an unsubscribe link"
                                            : "the client secret";
}

void logs(Trial& trial) {
  everything(trial, [&](Rehearsal& rehearsal, Operation operation, const Ended&, const std::string& when) {
    for (const std::string& line : rehearsal.log.lines()) {
      const std::string secret = secretIn(line, rehearsal.stem());
      trial.expect(secret.empty(), plugins::toString(operation) + (" logs " + secret + " " + when));
    }
  });
}

void errors(Trial& trial) {
  everything(trial, [&](Rehearsal& rehearsal, Operation operation, const Ended& ended, const std::string& when) {
    if (!ended.ok()) {
      const std::string secret = secretIn(ended.reply.body, rehearsal.stem());
      trial.expect(secret.empty(), plugins::toString(operation) + (" answers with " + secret + " " + when));
    }
  });
}

void urls(Trial& trial) {
  everything(trial, [&](Rehearsal& rehearsal, Operation operation, const Ended& ended, const std::string&) {
    const std::string shown = secretIn(ended.text("authorization_url"), rehearsal.stem());
    trial.expect(shown.empty(), "connect puts " + shown + " into the authorization URL");
    for (const Exchange& exchange : rehearsal.network.exchanges()) {
      const std::string secret = secretIn(exchange.request.url, rehearsal.stem());
      trial.expect(secret.empty(), plugins::toString(operation) + (" puts " + secret + " into the URL of a request"));
    }
  });
}

constexpr Check kChecks[] = {
    {"secrets.logs", "no token, code or secret is logged",
     "log what was done and how it ended, never a request, a response or a header", logs},
    {"secrets.errors", "no token, code or secret is in an error's message or code",
     "quote from a service's error only what cannot hold a secret (sdk said() and fitCode() cut them out)", errors},
    {"secrets.urls", "no token, code or secret is in a URL",
     "send tokens in the Authorization header and the rest in a form: URLs end up in logs", urls},
};

} // namespace

std::span<const Check> secretChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
