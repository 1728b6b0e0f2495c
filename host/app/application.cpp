#include "app/application.hpp"
#include "app/control_socket.hpp"
#include "app/provider_specs.hpp"
#include "app/rotation_thread.hpp"
#include "app/store_access.hpp"
#include "app/upkeep.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/mail_address.hpp"

#include <unistd.h>

namespace calbridge::app {
namespace {

std::shared_ptr<const routing::RoutingPolicy> compile(const Policies& policies) {
  return std::make_shared<const routing::RoutingPolicy>(policies.roles, policies.routing);
}

delivery::DeliveryOptions deliveryOptions(const Configuration& configuration,
                                          const plugins::PluginProviders& providers) {
  const DeliveryConfig& config = configuration.delivery;
  delivery::DeliveryOptions options;
  for (const auto& provider : configuration.providers) {
    const auto quota = providers.quotas().find(provider.id);
    if (quota != providers.quotas().end())
      options.limits[provider.id] = {provider.perMinute.value_or(quota->second.perMinute),
                                     provider.perAccountPerMinute.value_or(quota->second.perAccountPerMinute)};
  }
  options.maxInFlight = static_cast<std::size_t>(config.maxInFlight);
  options.leaseMs = config.lease.count();
  options.pushTimeout = config.timeout;
  options.retry.initialMs = config.backoffInitial.count();
  options.retry.maximumMs = config.backoffMax.count();
  options.retry.jitter = config.backoffJitter;
  options.retry.persistMs = config.giveUpAfter.count();
  return options;
}

std::vector<std::string> textsOf(const std::vector<ListenAddress>& addresses) {
  std::vector<std::string> texts;
  for (const auto& address : addresses) {
    const bool v6 = address.host.find(':') != std::string::npos;
    texts.push_back((v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port));
  }
  return texts;
}

std::shared_ptr<http::TlsIdentity> tlsIdentity(const ServerTlsConfig& config, Logger& logger, const Clock& clock) {
  if (config.certificateFile.empty())
    return nullptr;
  return std::make_shared<http::TlsIdentity>(config.certificateFile, config.keyFile, logger, clock);
}

http::ServerOptions serverOptions(const ServerConfig& config, std::shared_ptr<http::TlsIdentity> tls) {
  http::ServerOptions options;
  options.listen = textsOf(config.listen);
  options.tls = std::move(tls);
  options.listenPlain = textsOf(config.tls.plainListen);
  options.trustedProxies = config.trustedProxies;
  options.maxConnections = static_cast<std::size_t>(config.maxConnections);
  options.maxConnectionsPerAddress = static_cast<std::size_t>(config.maxConnectionsPerAddress);
  options.headerTimeout = config.headerDeadline;
  options.bodyTimeout = config.bodyDeadline;
  return options;
}

http::SiteOptions siteOptions(const Configuration& configuration) {
  http::SiteOptions site;
  site.publicUrl = configuration.server.publicUrl;
  site.frontendUrl = configuration.server.frontendUrl;
  site.allowedOrigins = configuration.server.allowedOrigins;
  site.cancelledFeedDays = configuration.retention.cancelledDays;
  site.jwtSecret = configuration.secrets.jwtSecret;
  site.jwksFile = configuration.jwtKeysFile;
  return site;
}

/// This machine's name, as a mail server wants it said; localhost when it has none that can be said.
std::string mailName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && isMailAddress(std::string("a@") + name) ? name : "localhost";
}

std::unique_ptr<net::SmtpClient> mailer(const Configuration& configuration) {
  const auto& smtp = configuration.secrets.smtp;
  if (!smtp)
    return nullptr;
  using Security = net::SmtpServer::Security;
  net::SmtpClientOptions options;
  options.server.host = smtp->host;
  options.server.port = smtp->port;
  options.server.security = smtp->security == SmtpConfig::Security::tls        ? Security::tls
                            : smtp->security == SmtpConfig::Security::startTls ? Security::startTls
                                                                               : Security::plain;
  options.server.username = smtp->username;
  options.server.password = smtp->password;
  options.server.clientName = mailName();
  options.extraCaFile = configuration.tlsCaFile;
  return std::make_unique<net::SmtpClient>(std::move(options));
}

/// Refuses to run with a plugin that does not: a provider that is missing in silence would be found out by its people.
void requirePlugins(const plugins::PluginProviders& providers) {
  std::string all;
  for (const auto& problem : providers.problems())
    all += (all.empty() ? "" : "\ncalbridge: ") + problem.pointer + ": " + problem.message;
  if (!all.empty())
    throw Error("plugins_failed", all + "\ncalbridge: repair this, or set providers.<name>.enabled to false");
}

} // namespace

Application::Application(Configuration configuration, std::filesystem::path configDirectory, Logger& logger)
    : configuration_(std::move(configuration)), configDirectory_(std::move(configDirectory)), logger_(logger),
      store_(openPatiently(configuration_)),
      keys_(connections::openKeyRing(keySource(configuration_), *store_, random_)), vault_(keys_.ring, random_),
      client_({.extraCaFile = configuration_.tlsCaFile}),
      mailer_(mailer(configuration_)), hostServices_{client_, logger_, clock_, random_, mailer_.get()},
      providers_(providerSpecs(configuration_), pluginSearch(configuration_), hostServices_),
      connections_(*store_, providers_, vault_, clock_, random_, logger_, configuration_.server.publicUrl),
      directory_(*store_),
      intake_(*store_, directory_, compile(configuration_.policies), clock_, logger_,
              {.share = configuration_.delivery.brakeShare, .atLeast = configuration_.delivery.brakeAtLeast}),
      engine_(*store_, providers_, connections_, clock_, random_, logger_, deliveryOptions(configuration_, providers_)),
      invitations_(
          connections_.invitations(), *store_, directory_, [this] { return intake_.policy(); }, logger_),
      bulk_(*store_, clock_, random_, logger_), services_(services()), passwords_(random_),
      rotation_(*store_, keys_.ring, vault_, keySource(configuration_), clock_, random_, logger_),
      rotationThread_(std::make_unique<RotationThread>(rotation_, logger_)),
      control_({.store = *store_,
                .clock = clock_,
                .random = random_,
                .logger = logger_,
                .hashPassword = [this](const std::string& password) { return passwords_.hash(password); },
                .policy = [this] { return intake_.policy(); },
                .directoryChanged =
                    [this] {
                      intake_.reevaluateAll();
                      invitations_.sweep();
                    },
                .confirmRemovals = [this] { return intake_.confirmRemovals(); },
                .rotation = rotationThread_.get()}) {
  requirePlugins(providers_);
  for (const auto& gap : providers_.gaps())
    logger_.warning("an isolated plugin is not confined as it should be",
                    {{"provider", gap.provider}, {"reason", gap.message}});
  connections_.onChange([this](const std::string& personId) { invitations_.look(personId); });
  intake_.storeThrough([this](const std::function<void()>& store) { engine_.lookAfter(store); });
  if (keys_.created)
    logger_.warning(
        "a master key was made; without it no stored token can be read, so back it up apart from the database",
        {{"file", masterKeyPath(configuration_).string()}});
  if (keys_.rename)
    logger_.warning("the tokens have the key of CALBRIDGE_NEW_MASTER_KEY; put it into CALBRIDGE_MASTER_KEY and remove "
                    "CALBRIDGE_NEW_MASTER_KEY",
                    {});
  for (const Provider* provider : providers_.all())
    if (!provider->info().configured) {
      std::string missing;
      for (const auto& name : provider->info().missing)
        missing += (missing.empty() ? "" : ", ") + name;
      logger_.warning("a provider is not configured; everything else works",
                      {{"provider", provider->info().id}, {"missing", missing}});
    }
  tls_ = tlsIdentity(configuration_.server.tls, logger_, clock_);
  server_ = std::make_unique<http::Server>(
      serverOptions(configuration_.server, tls_), [this](http::Request& request) { return api_->handle(request); },
      logger_, clock_);
}

Application::~Application() {
  stop();
}

http::Services Application::services() {
  return {.site = siteOptions(configuration_),
          .store = *store_,
          .providers = providers_,
          .connections = connections_,
          .intake = intake_,
          .engine = engine_,
          .directory = directory_,
          .policy = [this] { return intake_.policy(); },
          .clock = clock_,
          .random = random_,
          .logger = logger_};
}

void Application::start() {
  server_->listen(); // first: a port that is taken must leave nothing behind
  services_.site.listenOrigins =
      http::listenOrigins(textsOf(configuration_.server.listen), server_->ports(), tls_ != nullptr);
  api_ = std::make_unique<http::Api>(services_, bulk_, [this] { return server_->connections(); });
  server_->start();
  intake_.start();
  engine_.start();
  invitations_.start();
  bulk_.start();
  controlSocket_ = std::make_unique<ControlSocket>(
      controlSocketPath(configuration_), [this](const nlohmann::json& request) { return control_.run(request); },
      logger_);
  if (keys_.rotating)
    rotationThread_->begin(std::nullopt); // go on with it
  upkeep_ = std::make_unique<Upkeep>(*store_, clock_, logger_, configuration_.retention);
}

void Application::stop() {
  upkeep_.reset();
  controlSocket_.reset();
  rotationThread_->stop();
  if (server_ && !server_->stop())
    logger_.warning("some requests did not end in time and were cut off");
  bulk_.stop();
  invitations_.stop();
  intake_.stop();
  engine_.stop();
}

void Application::reloadCertificate() {
  if (tls_)
    tls_->reload();
}

void Application::reloadPolicies() {
  std::vector<std::string> ids;
  for (const auto& provider : configuration_.providers)
    ids.push_back(provider.id);
  const auto loaded = loadPolicies(configDirectory_, ids);
  if (!loaded.policies) {
    for (const auto& problem : loaded.problems)
      logger_.error("the new roles or routes have an error; the old ones stay",
                    {{"where", problem.where}, {"problem", problem.message}});
    return;
  }
  intake_.setPolicy(compile(*loaded.policies));
  invitations_.sweep();
  logger_.info("roles and routing were read again",
               {{"routes", std::to_string(loaded.policies->routing.routes.size())}});
}

} // namespace calbridge::app
