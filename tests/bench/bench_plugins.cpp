// What a call into a plugin costs in the host's process and in a process of its own, and what it takes to start one.
//
//   bench_plugins BUILD     prints one JSON object; BUILD has bin/calbridge-plugin-runner and plugins/
#include "plugins/in_process_instance.hpp"
#include "plugins/isolated_instance.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

namespace {

using namespace calbridge;
using std::chrono::steady_clock;

constexpr int kCalls = 20000;
constexpr int kStarts = 50;

/// Every exchange is a new token, at once.
class TokenHttp final : public HttpClient {
 public:
  HttpResult send(const HttpRequest&, const HttpOptions&) override {
    return {HttpResponse{200, {{"content-type", "application/json"}}, R"({"access_token":"a","expires_in":3600})"}, {}};
  }
};

double microseconds(steady_clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// The median of `count` runs, in microseconds.
template <typename Body>
double median(int count, Body body) {
  std::vector<steady_clock::duration> times;
  for (int i = 0; i < count; ++i) {
    const auto start = steady_clock::now();
    body();
    times.push_back(steady_clock::now() - start);
  }
  std::nth_element(times.begin(), times.begin() + count / 2, times.end());
  return microseconds(times[static_cast<std::size_t>(count) / 2]);
}

struct Bench {
  TokenHttp http;
  NullLogger logger;
  SystemClock clock;
  SystemRandom random;
  plugins::HostServices host{http, logger, clock, random};
  plugins::RunnerOptions runner;
  CallContext context;
  nlohmann::json figures;

  double perCall(plugins::PluginInstance& instance, plugins::Operation operation, const std::string& request) {
    return median(kCalls, [&] {
      if (instance.call(operation, request, context, {}).status != Status::ok) {
        throw std::runtime_error("the plugin does not do what is measured");
      }
    });
  }

  void both(const std::string& name, const std::filesystem::path& plugin, const std::string& settings,
            plugins::Operation operation, const std::string& request) {
    plugins::InProcessInstance here(plugins::PluginLibrary::loadHere(plugin), host, {"bench", {}}, settings, {});
    plugins::IsolatedInstance there(plugins::describePlugin(plugin, runner), runner, host, {"bench", {}}, settings, {});
    figures[name + "_us"] = perCall(here, operation, request);
    figures[name + "_isolated_us"] = perCall(there, operation, request);
  }
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_plugins BUILD\n";
    return 2;
  }
  try {
    const std::filesystem::path build = std::filesystem::absolute(argv[1]);
    Bench bench;
    bench.runner.program = build / "bin/calbridge-plugin-runner";
    const auto plugin = [&](const char* name) { return build / "plugins" / name; };
    const std::string none = plugins::settingsToWire("", "", nlohmann::json::object());
    bench.both("plugin_call", plugin("libics.so"), none, plugins::Operation::feed,
               plugins::toWire(FeedRequest{"x", {}}));
    bench.both("plugin_http_call", plugin("libgoogle.so"),
               plugins::settingsToWire("client", "secret", {{"token_url", "https://example.com/token"}}),
               plugins::Operation::refresh, plugins::refreshToWire("token"));
    bench.figures["plugin_start_ms"] =
        median(kStarts,
               [&] {
                 const plugins::IsolatedInstance started(plugins::describePlugin(plugin("libics.so"), bench.runner),
                                                         bench.runner, bench.host, {"bench", {}}, none, {});
               }) /
        2000; // one process describes the plugin, another one runs it
    std::cout << bench.figures << std::endl;
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_plugins: " << error.what() << "\n";
    return 3;
  }
}
