#pragma once
#include "core/error.hpp"
#include "plugins/plugin_providers.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::test {

/// Answers by a function; keeps what was asked.
class ScriptedHttp final : public HttpClient {
 public:
  HttpResult send(const HttpRequest& request, const HttpOptions& options) override {
    {
      const std::lock_guard lock(mutex);
      requests.push_back(request);
      allowed = options.allowedHosts != nullptr ? *options.allowedHosts : std::vector<std::string>{};
      timeout = options.timeout;
    }
    return answer(request);
  }
  static HttpResult ok(int status, const std::string& body,
                       std::vector<std::pair<std::string, std::string>> headers = {}) {
    HttpResult result;
    result.response = HttpResponse{status, std::move(headers), body};
    return result;
  }
  static HttpResult failure(HttpFailure::Kind kind, bool sent) {
    HttpResult result;
    result.failure = HttpFailure{kind, sent, "scripted"};
    return result;
  }
  std::function<HttpResult(const HttpRequest&)> answer = [](const HttpRequest&) { return ok(200, ""); };
  std::mutex mutex;
  std::vector<HttpRequest> requests;
  std::vector<std::string> allowed;
  std::chrono::milliseconds timeout{0};
};

class FixedClock final : public Clock {
 public:
  TimeMs now() const override { return 1800000000000; }
  TimeMs monotonic() const override { return 5000; }
};

class FixedRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), std::uint8_t{9}); }
};

/// All lines as text.
class KeepingLogger final : public Logger {
 public:
  bool enabled(Level) const override { return true; }
  void write(Level, std::string_view message, std::initializer_list<Field> fields) override {
    const std::lock_guard lock(mutex);
    lines.append(message);
    for (const auto& [key, value] : fields) {
      lines.append(" ").append(key).append("=").append(value);
    }
    lines.push_back('\n');
  }
  std::mutex mutex;
  std::string lines;
};

class MapKeyValues final : public KeyValues {
 public:
  std::optional<std::string> get(const std::string& key) override {
    const auto found = values.find(key);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  void set(const std::string& key, const std::string& value) override {
    if (value.size() > 16384) {
      throw Error("quota_exceeded", "too much");
    }
    values[key] = value;
  }
  std::map<std::string, std::string> values;
};

/// With times for tests: short where something is waited for, long where a busy machine must not be taken for a fault.
inline plugins::PluginSearch testSearch() {
  plugins::PluginSearch search{{CALBRIDGE_TEST_PLUGINS}, {}, {}};
  search.runner.program = CALBRIDGE_PLUGIN_RUNNER;
  search.runner.loading = std::chrono::seconds(60);
  search.runner.firstPause = std::chrono::milliseconds(1);
  search.runner.quarantine = std::chrono::milliseconds(300);
  return search;
}

/// One provider of a test plugin, with everything around it.
struct PluginFixture {
  explicit PluginFixture(const std::string& plugin, const nlohmann::json& settings = nlohmann::json::object(),
                         plugins::Isolation isolation = plugins::Isolation::inProcess,
                         const plugins::PluginSearch& search = testSearch())
      : providers({spec(plugin, settings, isolation)}, search, host) {
    context.keyValues = &keyValues;
    context.requestId = "req-1";
    context.timeout = std::chrono::milliseconds(2500);
  }
  static plugins::ProviderSpec spec(const std::string& plugin, const nlohmann::json& settings,
                                    plugins::Isolation isolation = plugins::Isolation::inProcess) {
    plugins::ProviderSpec s;
    s.id = "probe";
    s.plugin = plugin;
    s.settings = settings;
    s.isolation = isolation;
    s.clientId = "client-1";
    s.clientSecret = "canary-client-secret";
    s.redirectUri = "http://localhost:8000/api/calendar/probe/callback/";
    return s;
  }
  static PushRequest push(const std::string& title) {
    PushRequest request;
    request.accessToken = "canary-access/token";
    request.uid = "uid-1";
    request.idempotencyKey = "0b6e6cde-0000-4000-8000-000000000001";
    request.entry.title = title;
    request.entry.time = {false,           "2026-12-01T09:00:00", "2026-12-01T11:00:00",
                          "Europe/London", 1796115600000,         1796122800000};
    request.entry.reminders = {10, 60};
    return request;
  }
  Provider& provider() {
    std::string all;
    for (const auto& problem : providers.problems()) {
      all += problem.pointer + ": " + problem.message + "\n";
    }
    if (providers.all().empty()) {
      throw std::runtime_error("the test plugin does not load: " + all);
    }
    return *providers.all().front();
  }
  std::string onlyProblem() const {
    return providers.problems().size() == 1 ? providers.problems()[0].pointer + ": " + providers.problems()[0].message
                                            : std::to_string(providers.problems().size()) + " problems";
  }

  ScriptedHttp http;
  KeepingLogger logger;
  FixedClock clock;
  FixedRandom random;
  plugins::HostServices host{http, logger, clock, random};
  MapKeyValues keyValues;
  CallContext context;
  plugins::PluginProviders providers;
};

} // namespace calbridge::test
