#pragma once
#include "app/host_control.hpp"
#include "app/structured_log.hpp"
#include "config/configuration.hpp"
#include "connections/connections.hpp"
#include "connections/key_rotation.hpp"
#include "connections/vault.hpp"
#include "delivery/bulk_sync.hpp"
#include "delivery/delivery_engine.hpp"
#include "delivery/directory_cache.hpp"
#include "delivery/intake.hpp"
#include "delivery/invitation_keeper.hpp"
#include "http/api/api.hpp"
#include "http/edge/server.hpp"
#include "http/edge/tls.hpp"
#include "net/poco_http_client.hpp"
#include "net/smtp_client.hpp"
#include "plugins/plugin_providers.hpp"
#include "store/store.hpp"

#include <memory>

namespace calbridge::app {

class ControlSocket;
class RotationThread;
class Upkeep;

/// The host, put together: the only place that constructs its parts. Members are in the order in which they are built,
/// and go in reverse.
class Application {
 public:
  /// Opens the database and loads the plugins; nothing listens yet. Throws Error that says what is missing.
  Application(Configuration configuration, std::filesystem::path configDirectory, Logger& logger);
  ~Application();

  /// Starts everything; throws Error("listen_failed") when a port is taken.
  void start();
  /// Stops in reverse order: no new requests, running ones end, deliveries under way end, the rest waits for next time.
  void stop();
  /// Takes the roles and routes as they are in the files now; keeps the old ones, with the reason in the log, when the
  /// new ones have an error.
  void reloadPolicies();
  /// Reads the TLS certificate and its key again; keeps the former ones, with the reason in the log, when something is
  /// wrong with the new ones. Nothing without server.tls.
  void reloadCertificate();
  /// The ports really listened on: those of server.listen, then those of server.tls.plain_listen.
  std::vector<std::uint16_t> ports() const { return server_->ports(); }
  const Configuration& configuration() const { return configuration_; }

 private:
  http::Services services();

  const Configuration configuration_;
  const std::filesystem::path configDirectory_;
  Logger& logger_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<store::Store> store_;
  connections::OpenedKeyRing keys_;
  connections::Vault vault_;
  net::PocoHttpClient client_;
  std::unique_ptr<net::SmtpClient> mailer_; ///< null: no mail server is configured
  plugins::HostServices hostServices_;
  plugins::PluginProviders providers_;
  connections::Connections connections_;
  delivery::DirectoryCache directory_;
  delivery::Intake intake_;
  delivery::DeliveryEngine engine_;
  delivery::InvitationKeeper invitations_;
  delivery::BulkSync bulk_;
  http::Services services_;
  http::PasswordHasher passwords_;
  std::unique_ptr<http::Api> api_;
  std::shared_ptr<http::TlsIdentity> tls_; ///< null: plain HTTP
  std::unique_ptr<http::Server> server_;
  connections::KeyRotation rotation_;
  std::unique_ptr<RotationThread> rotationThread_;
  HostControl control_;
  std::unique_ptr<ControlSocket> controlSocket_;
  std::unique_ptr<Upkeep> upkeep_;
};

} // namespace calbridge::app
