#pragma once
#include "auth_fixture.hpp"
#include "connections/connections.hpp"
#include "connections/vault.hpp"
#include "delivery/delivery_engine.hpp"
#include "delivery/directory_cache.hpp"
#include "delivery/intake.hpp"
#include "http/auth/app_keys.hpp"
#include "http/auth/jwt_verifier.hpp"
#include "http/web/pages.hpp"
#include "routing/routing_policy.hpp"

#include "fixed_providers.hpp"
#include "temporary_folder.hpp"

namespace calbridge::http::test {

using testing::FixedProviders;
using testing::TemporaryFolder;

/// A provider that agrees to everything at once.
class AgreeableProvider final : public Provider {
 public:
  AgreeableProvider(const std::string& id, const std::string& label, std::set<std::string> capabilities) {
    info_.id = id;
    info_.label = label;
    info_.capabilities = std::move(capabilities);
    info_.configured = true;
  }
  const ProviderInfo& info() const override { return info_; }
  Outcome<std::string> connect(const ConnectRequest& request, const CallContext&) override {
    state = request.state;
    return "https://provider.example/authorize";
  }
  Outcome<Grant> exchange(const ExchangeRequest&, const CallContext&) override {
    return Grant{{"access", "refresh", 0, "calendar"}, account};
  }
  Outcome<Grant> refresh(const std::string&, const CallContext&) override {
    return Failure{Status::reauthRequired, "the permission was withdrawn", "invalid_grant", std::nullopt};
  }
  std::optional<Failure> revoke(const Credentials&, const CallContext&) override { return std::nullopt; }
  Outcome<PushReply> push(const PushRequest&, const CallContext&) override { return PushReply{}; }
  Outcome<FeedFrame> feed(const FeedRequest&, const CallContext&) override { return FeedFrame{}; }

  ProviderInfo info_;
  Account account{"account-1", "john@gmail.example"};
  std::string state; ///< of the last flow that began
};

/// The pages over a real store, with john the customer (password "correct horse") in the directory.
struct Site {
  TemporaryFolder folder;
  ManualClock clock;
  SystemRandom random;
  RecordingLogger logger;
  std::unique_ptr<store::Store> store = store::openStore("sqlite:" + (folder.path / "calbridge.db").string());
  AgreeableProvider google{"google", "Google Calendar", {"oauth2", "revoke", "delete"}};
  AgreeableProvider outlook{"outlook", "Outlook", {"oauth2", "delete"}};
  AgreeableProvider ics{"ics", "Apple Calendar (.ics)", {"feed", "delete"}};
  FixedProviders providers{{&google, &outlook, &ics}};
  connections::KeyRing ring{{connections::MasterKey(std::string(32, 'k'))}};
  connections::Vault vault{ring, random};
  connections::Connections connections{*store, providers, vault, clock, random, logger, "http://localhost:8000"};
  delivery::DirectoryCache directory{*store};
  std::shared_ptr<const routing::RoutingPolicy> policy =
      std::make_shared<const routing::RoutingPolicy>(RolesConfig{{{.name = "customer",
                                                                   .title = "x",
                                                                   .description = "",
                                                                   .location = "",
                                                                   .fields = {},
                                                                   .reminders = {},
                                                                   .providers = {}},
                                                                  {.name = "admin",
                                                                   .title = "x",
                                                                   .description = "",
                                                                   .location = "",
                                                                   .fields = {},
                                                                   .reminders = {},
                                                                   .providers = {}}}},
                                                     RoutingConfig{});
  delivery::Intake intake{*store, directory, policy, clock, logger};
  delivery::DeliveryEngine engine{*store, providers, connections, clock, random, logger, {}};
  Services services{.site = options(),
                    .store = *store,
                    .providers = providers,
                    .connections = connections,
                    .intake = intake,
                    .engine = engine,
                    .directory = directory,
                    .policy = [this] { return policy; },
                    .clock = clock,
                    .random = random,
                    .logger = logger};
  AppKeys appKeys{*store, clock};
  JwtVerifier jwt{{}, clock, logger};
  Sessions sessions{*store, clock, random};
  Authenticator authenticator{*store, appKeys, jwt, sessions};
  OriginPolicy origins{{.publicUrl = services.site.publicUrl,
                        .frontendUrl = services.site.frontendUrl,
                        .allowedOrigins = {},
                        .listenOrigins = services.site.listenOrigins}};
  PasswordHasher passwords{random};
  LoginThrottle throttle{clock};
  Pages pages{services, authenticator, sessions, origins, passwords, throttle};
  Person john{"john", "John Smith", "john@example.com", "customer", "Europe/London", {}};

  static inline const std::string kBrowser = std::string(43, 'b');
  static SiteOptions options() {
    SiteOptions options;
    options.publicUrl = "http://localhost:8000";
    options.frontendUrl = "http://localhost:3000";
    options.allowedOrigins = {"http://localhost:3000"};
    options.listenOrigins = listenOrigins({"127.0.0.1:8000", "127.0.0.1:3000"}, {8000, 3000});
    return options;
  }

  /// ada the admin's session.
  std::string logInAdmin() {
    store->putPerson({"ada", "Ada Admin", "ada@example.com", "admin", "Europe/London", {}}, std::nullopt);
    return logIn("ada");
  }

  Site() { store->putPerson(john, passwords.hash("correct horse")); }

  Response send(const std::string& method, const std::string& target, const std::string& session = {},
                const std::string& body = {}, std::vector<std::pair<std::string, std::string>> headers = {}) {
    Request request;
    request.method = method;
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    if (const auto query = target.find('?'); query != std::string::npos)
      request.query = target.substr(query + 1);
    request.peerAddress = request.clientAddress = "192.0.2.1";
    request.requestId = "request-1";
    request.body = body;
    if (std::none_of(headers.begin(), headers.end(), [](const auto& h) { return h.first == "Host"; }))
      request.headers.add("Host", "localhost:3000");
    if (!body.empty())
      request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    if (!session.empty())
      request.headers.add("Cookie", "calbridge_session=" + session);
    for (const auto& [name, value] : headers)
      request.headers.add(name, value);
    request.host = request.headers.get("Host");
    return pages.handle(request);
  }
  Response get(const std::string& target, const std::string& session = {}) { return send("GET", target, session); }
  std::string logIn(const std::string& person = "john") { return sessions.open(person).token; }

  /// john's connection, finished; its id.
  std::int64_t connect(AgreeableProvider& provider) {
    connections.oauth().begin(john, std::nullopt, provider.info().id, kBrowser);
    const auto result =
        connections.oauth().callback(provider.info().id, {{"state", provider.state}, {"code", "c"}}, kBrowser, {});
    REQUIRE(result.error == "");
    return result.connectionId;
  }
  /// As when the provider answers invalid_grant.
  void killGrant(std::int64_t connectionId, const std::string& reason = "the permission was withdrawn") {
    const auto record = store->connection(connectionId);
    REQUIRE(record);
    REQUIRE(store->needReconnection(connectionId, record->credentialsVersion, reason, clock.now()));
  }
  store::PlacementRecord addEntry(const std::string& title, TimeMs start, const std::string& location = {}) {
    store::PlacementRecord placement;
    placement.kind = "custom";
    placement.appointmentId = random.uuid();
    placement.personId = john.id;
    placement.decidedAt = clock.now();
    placement.entry.title = title;
    placement.entry.location = location;
    placement.entry.time = {false, utcToLocal(start, "UTC"), utcToLocal(start + 3600000, "UTC"), "UTC",
                            start, start + 3600000};
    placement.revision = 1;
    placement.contentHash = contentHash(placement.entry);
    return store->putCustomEntry(placement, clock.now());
  }
};

inline std::string headerOf(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (equalIgnoringCase(key, name))
      return value;
  return {};
}

} // namespace calbridge::http::test
