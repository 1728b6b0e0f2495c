#include "core/error.hpp"
#include "sandbox.hpp"

#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <iostream>
#include <pthread.h>

namespace {

class StderrLogger final : public calbridge::Logger {
 public:
  bool enabled(Level level) const override { return level >= Level::warning; }
  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    if (!enabled(level))
      return;
    std::string line(message);
    for (const auto& [name, value] : fields)
      line += " " + std::string(name) + "=" + value;
    std::cerr << line + "\n";
  }
};

/// {"accounts": ["…"], "google": {"client_id", "client_secret", "redirect_uris"}, "outlook": {…}, "settings": {…}}
nlohmann::json readConfig(const std::string& path) {
  std::ifstream in(path);
  if (!in)
    throw calbridge::Error("no_config", "cannot read " + path);
  return nlohmann::json::parse(in, nullptr, true, true);
}

void takeClient(const nlohmann::json& config, const char* name, calbridge::sandbox::Client& client) {
  if (!config.contains(name))
    return;
  const auto& given = config[name];
  client.id = given.value("client_id", client.id);
  client.secret = given.value("client_secret", client.secret);
  if (given.contains("redirect_uris"))
    client.redirectUris = given["redirect_uris"].get<std::set<std::string>>();
}

} // namespace

int main(int argc, char** argv) {
  using namespace calbridge;
  sandbox::SandboxOptions options;
  options.listen = "127.0.0.1:8090";
  std::string config;
  std::vector<std::string> accounts, googleRedirects, outlookRedirects;
  bool noValidation = false, noLimits = false, noLog = false;
  int latency = 0;
  CLI::App app("Stand-ins for Google and Microsoft: OAuth, Calendar v3 and Graph, on one loopback port");
  app.add_option("--listen", options.listen, "host:port, port 0 for any")->capture_default_str();
  app.add_option("--config", config, "JSON file with accounts, clients and settings");
  app.add_option("--account", accounts, "account offered on the consent page; repeatable");
  app.add_option("--google-client-id", options.google.id)->capture_default_str();
  app.add_option("--google-client-secret", options.google.secret)->capture_default_str();
  app.add_option("--google-redirect-uri", googleRedirects, "repeatable");
  app.add_option("--outlook-client-id", options.outlook.id)->capture_default_str();
  app.add_option("--outlook-client-secret", options.outlook.secret)->capture_default_str();
  app.add_option("--outlook-redirect-uri", outlookRedirects, "repeatable");
  app.add_flag("--no-validation", noValidation, "take bodies as they come (benchmarks)");
  app.add_flag("--no-limits", noLimits, "no quotas and no throttling");
  app.add_flag("--no-log", noLog, "keep no log of requests");
  app.add_option("--latency-ms", latency, "every call takes that long");
  CLI11_PARSE(app, argc, argv);

  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  try {
    nlohmann::json file = config.empty() ? nlohmann::json::object() : readConfig(config);
    takeClient(file, "google", options.google);
    takeClient(file, "outlook", options.outlook);
    if (file.contains("accounts"))
      options.demoAccounts = file["accounts"].get<std::vector<std::string>>();
    if (!accounts.empty())
      options.demoAccounts = accounts;
    if (!googleRedirects.empty())
      options.google.redirectUris = {googleRedirects.begin(), googleRedirects.end()};
    if (!outlookRedirects.empty())
      options.outlook.redirectUris = {outlookRedirects.begin(), outlookRedirects.end()};
    StderrLogger logger;
    sandbox::Sandbox server(options, logger);
    server.settings().validate = !noValidation;
    server.settings().limits = !noLimits;
    server.settings().recordRequests = !noLog;
    server.settings().latencyMs = latency;
    if (file.contains("settings"))
      server.settings().apply(file["settings"]);
    server.start();
    std::cout << server.url() << std::endl;
    int signal = 0;
    sigwait(&ends, &signal);
    server.stop();
  } catch (const std::exception& e) {
    std::cerr << "calbridge-sandbox: " << e.what() << "\n";
    return 3;
  }
  return 0;
}
