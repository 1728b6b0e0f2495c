/// What a plugin's bytes do to the host: the first line is "OPERATION STATUS", the rest the reply. OPERATION may also
/// be `manifest` (the bytes of a manifest) and `http` (the head of a request that the plugin wants sent).
///
/// Invariants: nothing is thrown but a manifest's refusal; a failure has a reason in UTF-8 that shows no secret; what
/// is taken over is UTF-8 and not empty where it must not be; the short cut of reading a push means what the whole
/// reading means.
#include "calbridge/messages.hpp"
#include "core/error.hpp"
#include "core/url.hpp"
#include "fuzz/target.hpp"
#include "plugins/call_services.hpp"
#include "plugins/manifest.hpp"
#include "plugins/plugin_provider.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::fuzz {
namespace {

using plugins::Operation;
using plugins::Reply;

constexpr TimeMs kNow = 1796000000000;
constexpr std::string_view kClientSecret = "canary-client-secret";
constexpr std::string_view kToken = "canary-token";

struct FixedClock final : Clock {
  TimeMs now() const override { return kNow; }
  TimeMs monotonic() const override { return 0; }
};

struct FixedRandom final : Random {
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), std::uint8_t{7}); }
};

/// A plugin that always says the same.
class FixedPlugin final : public plugins::PluginInstance {
 public:
  explicit FixedPlugin(Reply reply) : reply_(std::move(reply)) {}
  bool has(Operation) const override { return true; }
  Reply call(Operation, std::string_view request, const CallContext&, std::span<const std::string_view>) override {
    require(nlohmann::json::accept(request), "a request is JSON", request);
    return reply_;
  }

 private:
  Reply reply_;
};

void checkText(const std::string& text, const char* what) {
  require(isUtf8(text), what, text);
}

void check(const Failure& failure) {
  require(failure.status > Status::ok && failure.status <= Status::internal, "a failure has a status of the list");
  require(!failure.message.empty() && failure.message.size() <= 1000, "a failure has a reason", failure.message);
  for (const std::string* text : {&failure.message, &failure.code}) {
    checkText(*text, "a failure is told in UTF-8");
    require(!hasControls(*text), "a failure is told without controls", *text);
    require(text->find(kClientSecret) == std::string::npos && text->find(kToken) == std::string::npos,
            "a failure shows no secret", *text);
  }
  require(!failure.retryAfter || (failure.retryAfter->count() >= 0 && failure.retryAfter->count() <= 2592000000),
          "a wait is between nothing and thirty days");
}

template <typename T, typename Check>
void check(const Outcome<T>& outcome, const Reply& reply, Check checkValue) {
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    require(reply.status == Status::ok || failure->status == reply.status, "the plugin's status counts");
    check(*failure);
  } else {
    require(reply.status == Status::ok, "only ok is success");
    checkValue(std::get<0>(outcome));
  }
}

void checkGrant(const Grant& grant, bool account) {
  const Credentials& credentials = grant.credentials;
  require(!credentials.accessToken.empty(), "a grant has an access token");
  for (const std::string* text : {&credentials.accessToken, &credentials.refreshToken, &credentials.scope})
    checkText(*text, "a grant is UTF-8");
  require(credentials.expiresAt == 0 || credentials.expiresAt >= kNow, "a grant ends in the future");
  require(!account || (!grant.account.id.empty() && !grant.account.label.empty()), "an account has id and label");
  checkText(grant.account.id + grant.account.label, "an account is UTF-8");
}

void checkPush(const PushReply& pushed, const std::string& body) {
  for (const std::string* text : {&pushed.providerEventId, &pushed.etag, &pushed.link, &pushed.rendering})
    checkText(*text, "what a push reports is UTF-8");
  const auto json = nlohmann::json::parse(body, nullptr, false);
  require(json.is_object(), "what is taken is a JSON object", body);
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found == json.end() || found->is_null() ? std::string() : found->get<std::string>();
  };
  require(pushed.providerEventId == text("provider_event_id") && pushed.etag == text("etag") &&
              pushed.link == text("link") && pushed.rendering == text("rendering"),
          "the short cut reads what the parser reads", body);
}

ProviderInfo info() {
  ProviderInfo about;
  about.id = "fixed";
  about.label = "Fixed";
  return about;
}

void tryOperation(std::string_view operation, const Reply& reply) {
  static const FixedClock clock;
  plugins::PluginProvider provider(info(), std::string(kClientSecret), std::make_unique<FixedPlugin>(reply), clock);
  const CallContext context;
  if (operation == "connect") {
    check(provider.connect({"https://x/cb", std::string(kToken), "challenge", ""}, context), reply,
          [](const std::string& url) {
            const auto parsed = parseUrl(url);
            require(parsed && (parsed->secure() || parsed->isLoopback()), "people are sent to https only", url);
          });
  } else if (operation == "exchange") {
    check(provider.exchange({"https://x/cb", std::string(kToken), "verifier"}, context), reply,
          [](const Grant& grant) { checkGrant(grant, true); });
  } else if (operation == "refresh") {
    check(provider.refresh(std::string(kToken), context), reply, [](const Grant& grant) { checkGrant(grant, false); });
  } else if (operation == "revoke") {
    if (const auto failure = provider.revoke({std::string(kToken), "", 0, ""}, context))
      check(*failure);
  } else if (operation == "push" || operation == "delete") {
    PushRequest request;
    request.accessToken = kToken;
    const bool upsert = operation == "push";
    request.operation = upsert ? PushRequest::Operation::upsert : PushRequest::Operation::remove;
    check(provider.push(request, context), reply, [&](const PushReply& pushed) {
      require(!upsert || !pushed.providerEventId.empty(), "what was written has an id");
      checkPush(pushed, reply.body);
    });
  } else if (operation == "feed") {
    check(provider.feed({"Appointments", {"Europe/London"}}, context), reply, [](const FeedFrame& frame) {
      require(!frame.head.empty() && !frame.tail.empty() && isUtf8(frame.head + frame.tail), "a feed has its frame");
    });
  }
}

void tryManifest(std::string_view text) {
  try {
    const plugins::Manifest manifest = plugins::parseManifest(text);
    require(!manifest.id.empty() && manifest.id.size() <= 32 && !manifest.name.empty() && !manifest.version.empty(),
            "a manifest has id, name and version");
    require(manifest.mailboxConcurrency >= 1 && manifest.mailboxConcurrency <= 64, "the concurrency keeps its limits");
    require(manifest.quota.perMinute >= 0 && manifest.quota.perAccountPerMinute >= 0, "a quota is no debt");
    for (const std::string& need : plugins::unmetNeeds(manifest))
      checkText(need, "what is missing is told in UTF-8");
    require(nlohmann::json::accept(manifest.document.dump()), "a manifest can be shown");
  } catch (const Error& error) {
    require(error.code() == "plugin_invalid" && !error.message().empty(), "a refused manifest has a reason",
            error.code());
    checkText(error.message(), "a refused manifest has its reason in UTF-8");
  }
}

/// Answers every request with an echo of what it was asked.
struct EchoClient final : HttpClient {
  HttpResult send(const HttpRequest& request, const HttpOptions&) override {
    require(!request.method.empty() && !request.url.empty() && isUtf8(request.url), "a request has method and URL");
    return {HttpResponse{200, request.headers, request.body}, std::nullopt};
  }
};

void tryHttp(std::string_view head) {
  static EchoClient http;
  static NullLogger logger;
  static FixedClock clock;
  static FixedRandom random;
  const plugins::HostServices host{http, logger, clock, random};
  const plugins::PluginIdentity identity{"fixed", {}};
  const CallContext context;
  plugins::CallServices services(host, identity, context, {}, true);
  std::string_view responseHead;
  std::string_view responseBody;
  const calbridge_status status = services.send(head, "body", responseHead, responseBody);
  const auto said = nlohmann::json::parse(head, nullptr, false);
  const auto answer = nlohmann::json::parse(responseHead, nullptr, false);
  require(answer.is_object(), "the host's answer is JSON", responseHead);
  if (status == CALBRIDGE_OK) {
    require(said.is_object(), "what is sent was JSON", head);
    if (said.contains("headers") && said["headers"].is_array())
      require(answer.at("headers") == said["headers"], "headers arrive as they were said", head);
  } else {
    require(answer.contains("message") && answer.contains("kind") && answer.value("sent", true) == false,
            "a request that cannot be read was not sent", responseHead);
  }
}

} // namespace

void run(std::string_view input) {
  const std::string_view line = input.substr(0, input.find('\n'));
  const std::string_view body = input.substr(std::min(line.size() + 1, input.size()));
  const std::string_view operation = line.substr(0, line.find(' '));
  if (operation == "manifest") {
    tryManifest(body);
  } else if (operation == "http") {
    tryHttp(body);
  } else {
    int status = 0;
    const std::string_view number = line.substr(std::min(operation.size() + 1, line.size()));
    std::from_chars(number.data(), number.data() + number.size(), status);
    tryOperation(operation, {plugins::statusFrom(status), std::string(body)});
  }
}

} // namespace calbridge::fuzz
