#pragma once
#include "conformance/made_up_host.hpp"
#include "conformance/trial.hpp"
#include "plugins/call_services.hpp"
#include "plugins/operation.hpp"

#include <set>
#include <string>

namespace calbridge::conformance {

/// How one operation ended, as the host would see it.
struct Ended {
  int replies = 0;
  std::int32_t number = -1; ///< the status as the plugin gave it
  plugins::Reply reply;     ///< of the first answer; the host's own where there was none
  nlohmann::json document;  ///< null when the answer is no JSON object
  bool removal = false;     ///< of a push that deletes
  bool ok() const { return reply.status == Status::ok; }
  std::string text(const char* field) const;
  std::int64_t retryAfterMs() const;
  /// "transient (HTTP 503 …)".
  std::string words() const;
};

/// Whom a rehearsal gives its calls to.
enum class Way {
  direct,    ///< the plugin's functions themselves: replies are counted, and services can be hidden
  inProcess, ///< as a host calls a plugin in its own process
  isolated   ///< as a host calls a plugin in calbridge-plugin-runner, which is beside this program
};

struct RehearsalOptions {
  bool requiredServicesOnly = false; ///< the host has what the manifest requires, and nothing else
  bool configured = true;            ///< the installation has a client id and a client secret
  std::string installation{};        ///< tells the client ids of several installations apart
  Way way = Way::direct;
};

/// One instance of the plugin on a made-up host, with one person's connection. Every secret that it is given begins
/// with stem().
class Rehearsal {
 public:
  /// Makes the instance. Throws Skipped when the plugin makes none; the check instance.made tells about that. By the
  /// ways of a host, throws Error("plugin_invalid") instead.
  explicit Rehearsal(Trial& trial, RehearsalOptions options = {});
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  /// create() with these bytes; the instance, or null, is forgotten. For checks of create itself.
  static Ended create(Trial& trial, const std::string& settings, Rehearsal* into = nullptr);

  bool has(plugins::Operation operation) const;
  /// Runs an operation. Thread-safe, as far as the plugin is.
  Ended call(plugins::Operation operation, const std::string& request);
  Ended call(plugins::Operation operation, const nlohmann::json& request);

  /// What a person types into the plugin's form: the script's values, the schema's defaults, a secret for a secret.
  nlohmann::json credentials() const;
  /// A valid request of that operation. push: a new entry.
  nlohmann::json request(plugins::Operation operation);
  nlohmann::json upsert(const std::string& word = "one", const std::string& knownId = {}, const std::string& etag = {});
  nlohmann::json removal(const std::string& knownId = {});
  /// Everything that happens to a connection, once, in order. Hears about every end.
  void live(const std::function<void(plugins::Operation, const Ended&)>& heard);
  /// What has been asked and answered so far, for comparing.
  std::string transcript() const;

  const std::string& stem() const { return stem_; }
  const std::string& mark() const { return mark_; } ///< in the title of every entry of this rehearsal
  std::string uid() const { return uid_; }
  std::size_t entries() const { return network.service.liveWith(mark_).size(); }
  std::set<std::string> servicesAskedFor() const;
  std::size_t requestsInCreate = 0; ///< HTTP that it tried while the instance was made
  std::string clientId;
  std::string redirectUri = "http://localhost:8000/api/calendar/check/callback/";
  std::string state;
  std::string challenge;
  std::string verifier;
  std::string idempotencyKey;
  std::string recipient = "person@example.com"; ///< of invitations
  std::atomic<bool> cancelled{false};
  std::chrono::milliseconds timeout{30000};

  MadeUpNetwork network;
  MadeUpMail mail;
  FixedClock clock;
  SeededRandom random;
  KeptLog log;
  KeptValues values;

 private:
  struct Host;
  void make(const RehearsalOptions& options);
  Ended callDirectly(plugins::Operation operation, const std::string& request, const CallContext& context);
  void connect();
  nlohmann::json access() const;
  Trial& trial_;
  std::string stem_;
  std::string mark_;
  std::string uid_;
  std::string accessToken_;
  nlohmann::json secret_; ///< what authenticate gave; null: nothing
  plugins::HostServices services_;
  plugins::PluginIdentity identity_;
  std::unique_ptr<Host> host_;
  void* self_ = nullptr; ///< of Way::direct
  std::string transcript_;
  mutable std::mutex mutex_;
  std::unique_ptr<plugins::PluginInstance> instance_; ///< of the other ways
};

} // namespace calbridge::conformance
