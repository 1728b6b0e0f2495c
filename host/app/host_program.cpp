#include "app/host_program.hpp"
#include "app/application.hpp"
#include "app/control_socket.hpp"
#include "app/memory.hpp"
#include "app/provider_specs.hpp"
#include "app/store_access.hpp"
#include "cli/command_line.hpp"
#include "core/error.hpp"
#include "core/provider_condition.hpp"
#include "plugins/catalog.hpp"

#include <csignal>
#include <iostream>
#include <thread>

namespace calbridge::app {
namespace {

using nlohmann::json;

/// The signals that the host answers, blocked in every thread so that one place waits for them.
sigset_t hostSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&signals, signal);
  return signals;
}

std::string addressesOf(const Application& application) {
  std::string text;
  const auto ports = application.ports();
  const auto& server = application.configuration().server;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const bool main = i < server.listen.size();
    const auto& host = main ? server.listen[i].host : server.tls.plainListen[i - server.listen.size()].host;
    text += (text.empty() ? "" : " ");
    text += (main && !server.tls.certificateFile.empty() ? "https://" : "http://") +
            (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(ports[i]);
  }
  return text;
}

/// Answers nothing: for commands that load plugins without letting them talk to anybody.
class NoHttp final : public HttpClient {
 public:
  HttpResult send(const HttpRequest&, const HttpOptions&) override {
    return {.response = {},
            .failure = HttpFailure{HttpFailure::Kind::refusedByEgress, false, "no network in this command"}};
  }
};

/// Sends nothing: tells plugins that there is a mail server, and no more.
class NoMail final : public Mailer {
 public:
  std::optional<MailFailure> send(const Mail&, const MailOptions&) override {
    MailFailure failure;
    failure.message = "no mail in this command";
    return failure;
  }
};

/// How the configuration has the plugin run.
void applyIsolation(plugins::InstalledPlugin& plugin, const Configuration& configuration,
                    const plugins::PluginSearch& search) {
  plugin.isolated = configuration.plugins.isolated.value_or(plugin.isolated);
  for (const auto& provider : configuration.providers) {
    try {
      if (plugins::findPlugin(provider.plugin, search) == plugin.path)
        plugin.isolatedAs[provider.id] = provider.isolated.value_or(plugin.isolated);
    } catch (const Error&) { // a provider without a plugin: `check` says so
      continue;
    }
  }
}

} // namespace

int HostProgram::serve(const ConfigurationSource& source) {
  shareMemoryAmongThreads();
  keepMemoryPrivate();
  auto loaded = loadConfiguration(source);
  if (!loaded.configuration) {
    for (const auto& problem : loaded.problems)
      std::cerr << problem.text() << '\n';
    throw Error("invalid_configuration", "the configuration has problems; `calbridge check` lists them");
  }
  const sigset_t signals = hostSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  const auto& logging = loaded.configuration->logging;
  StructuredLog log(logLevel(logging.level),
                    logging.format == "json" ? StructuredLog::Format::json : StructuredLog::Format::text);
  for (const auto& warning : loaded.warnings)
    log.warning(warning.message, {{"where", warning.where}});

  Application application(std::move(*loaded.configuration), source.directory, log);
  application.start();
  giveMemoryBack();
  const std::string addresses = addressesOf(application);
  log.info("calbridge is ready", {{"listening", addresses}});
  std::cout << "calbridge is ready: " << addresses << std::endl;

  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGHUP) {
      application.reloadCertificate();
      application.reloadPolicies();
      continue;
    }
    log.info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
    application.stop();
    log.info("stopped");
    return cli::kFine;
  }
}

cli::PluginCheck HostProgram::checkPlugins(const Configuration& configuration, const std::string& file) {
  NoHttp http;
  NullLogger log;
  SystemClock clock;
  SystemRandom random;
  NoMail mail;
  const plugins::HostServices services{http, log, clock, random, configuration.secrets.smtp ? &mail : nullptr};
  const plugins::PluginProviders providers(providerSpecs(configuration), pluginSearch(configuration), services);
  cli::PluginCheck check;
  for (const auto& problem : providers.problems())
    check.problems.push_back({file + ": " + problem.pointer, problem.message});
  for (const auto& gap : providers.gaps())
    check.warnings.push_back({file + ": " + gap.pointer, gap.message});
  for (const Provider* provider : providers.all())
    check.runs.push_back(provider->info().id + (conditionOf(*provider).isolated ? " isolated" : " in-process"));
  return check;
}

cli::PluginReport HostProgram::listPlugins(const Configuration& configuration) {
  cli::PluginReport report{json::array(), "", true};
  const plugins::PluginSearch search = pluginSearch(configuration);
  for (auto& plugin : plugins::listPlugins(search)) {
    applyIsolation(plugin, configuration, search);
    report.document.push_back(plugins::toJson(plugin));
    report.text += plugins::listLine(plugin);
    if (!report.text.ends_with('\n'))
      report.text += '\n';
    report.usable &= plugin.problems.empty();
  }
  return report;
}

cli::PluginReport HostProgram::inspectPlugin(const Configuration& configuration, const std::string& nameOrPath) {
  const plugins::PluginSearch search = pluginSearch(configuration);
  auto plugin = plugins::inspectPlugin(nameOrPath, search);
  applyIsolation(plugin, configuration, search);
  return {plugins::toJson(plugin), plugins::describe(plugin), plugin.problems.empty()};
}

json HostProgram::control(const Configuration& configuration, const json& request) {
  for (int tries = 0;; ++tries) {
    if (auto answer = ControlSocket::ask(controlSocketPath(configuration), request))
      return std::move(*answer);
    try {
      const auto store = store::openStore(configuration.storage.url);
      SystemClock clock;
      SystemRandom random;
      StructuredLog log(Logger::Level::warning, StructuredLog::Format::text);
      const auto policy =
          std::make_shared<const routing::RoutingPolicy>(configuration.policies.roles, configuration.policies.routing);
      HostControl control({.store = *store,
                           .clock = clock,
                           .random = random,
                           .logger = log,
                           .hashPassword = [&](const std::string& p) { return http::PasswordHasher(random).hash(p); },
                           .policy = [&] { return policy; },
                           .directoryChanged = [] {}, // the host notices at its next start
                           .confirmRemovals = []() -> delivery::Reevaluation::Held {
                             throw Error("not_running", "no host is running here: removals are held back, and "
                                                        "confirmed, while it runs");
                           }});
      return control.run(request);
    } catch (const Error& error) {
      // A host that is just starting holds the lock before it listens; another command holds it for a moment.
      if (error.code() != "store_locked" || tries >= 100)
        throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

bool HostProgram::hasDatabase(const Configuration& configuration) {
  return store::hasStore(configuration.storage.url);
}

int runProgram(int argc, const char* const* argv) {
  HostProgram program;
  return cli::runCommandLine(argc, argv, program, std::cout, std::cerr);
}

} // namespace calbridge::app
