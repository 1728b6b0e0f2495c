#include "forbidden.hpp"

#include <calbridge/abi.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

/// Breaks the rules of the boundary in the way that its setting `behaviour` names, whatever it is asked. "as told": in
/// the way that the URL in its setting `server` answers.
namespace {

#if defined(CONCURRENT)
#define CALLS "true"
#else
#define CALLS "false"
#endif

constexpr char kManifest[] = R"({"id":"erratic","name":"Erratic","version":"1.0.0","requires":["calbridge.call/1"],
  "capabilities":["feed"],"concurrent":)" CALLS R"(,"egress_settings":["server"],"settings_schema":{"type":"object",
  "required":["behaviour"],"additionalProperties":false,
  "properties":{"behaviour":{"type":"string"},"server":{"type":"string"}}}})";

struct Erratic {
  std::string behaviour;
  std::string server;
};

void say(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_status status, const std::string& text) {
  host->reply(call, status, {text.data(), text.size()});
}

void identify(const calbridge_host_v1_t* host, calbridge_call* call, const std::string& id) {
  say(host, call, CALBRIDGE_OK, nlohmann::json{{"provider_event_id", id}, {"head", ""}, {"tail", ""}}.dump());
}

/// What the server answers; "nothing" when nobody does.
std::string ask(const Erratic& self, const calbridge_host_v1_t* host, calbridge_call* call, std::size_t bodySize = 0) {
  const auto* http = static_cast<const calbridge_http_service_v1_t*>(host->get_service(host, CALBRIDGE_HTTP_SERVICE));
  const std::string head = nlohmann::json{{"method", "POST"}, {"url", self.server}}.dump();
  const std::string body(bodySize, 'b');
  calbridge_bytes responseHead{};
  calbridge_bytes responseBody{};
  if (http->send(call, {head.data(), head.size()}, {body.data(), body.size()}, &responseHead, &responseBody) !=
      CALBRIDGE_OK) {
    return bodySize > 0 ? "echo " + std::string(responseHead.data, responseHead.size) : "nothing";
  }
  return {responseBody.data, responseBody.size};
}

void dieOf(int signal) {
  std::signal(signal, SIG_DFL); // a sanitizer has its own idea
  std::raise(signal);
}

/// What only a process of its own can bear. True when it was one of these.
bool endanger(const std::string& behaviour) {
  if (behaviour == "crash") {
    dieOf(SIGSEGV);
  } else if (behaviour == "abort") {
    dieOf(SIGABRT);
  } else if (behaviour == "exit") {
    ::_exit(7);
  } else if (behaviour == "hang") {
    for (;;) {
      ::pause();
    }
  } else if (behaviour == "leak") {
    for (std::vector<char*> kept;;) {
      kept.push_back(new char[std::size_t{16} << 20]);
    }
  } else if (behaviour == "write to the socket") {
    const std::string noise(2 << 20, '\xee');
    [[maybe_unused]] const ssize_t written = ::write(3, noise.data(), noise.size());
    for (;;) {
      ::pause();
    }
  } else if (behaviour == "drip a frame") {
    for (const char byte : std::string("\xff\xff\x0f\0\x05\x01\0\0\0", 9) + std::string(1 << 20, '.')) {
      [[maybe_unused]] const ssize_t written = ::write(3, &byte, 1); // a reply that takes hours
      ::usleep(20'000);
    }
  } else if (behaviour == "write half a frame") {
    [[maybe_unused]] const ssize_t written = ::write(3, "\xff\xff\x0f\0\x05", 5);
    for (;;) {
      ::pause();
    }
  } else if (behaviour == "announce 2 GiB") {
    [[maybe_unused]] const ssize_t written = ::write(3, "\0\0\0\x80\x05\x02\0\0\0", 9);
    for (;;) {
      ::pause();
    }
  } else if (behaviour == "flood the output") {
    const std::string lines(1 << 16, '\n');
    for (;;) {
      [[maybe_unused]] const ssize_t written = ::write(1, lines.data(), lines.size());
    }
  } else if (behaviour == "close the socket") {
    ::close(3);
    for (;;) {
      ::pause();
    }
  } else {
    return false;
  }
  return true;
}

void chatter(const std::string& token) {
  std::printf("printed to stdout\n");
  std::fprintf(stderr, "printed to stderr with %s\n", token.c_str());
  std::fprintf(stderr, "%s%s\n", std::string(4090, 'x').c_str(), token.c_str()); // where a line is cut
  for (int i = 0; i < 1000; ++i) {
    std::fprintf(stderr, "line %d\n", i);
  }
  std::printf("without an end");
  std::fflush(stdout);
}

void misbehave(void* instance, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  const Erratic& self = *static_cast<Erratic*>(instance);
  const std::string behaviour = self.behaviour == "as told" ? ask(self, host, call) : self.behaviour;
  const std::string fine = R"({"provider_event_id":"first"})";
  if (endanger(behaviour)) {
    return;
  }
  if (behaviour == "well") {
    identify(host, call, "well");
  } else if (behaviour.starts_with("echo ")) {
    identify(host, call, behaviour.substr(5));
  } else if (behaviour == "try what is forbidden") {
    identify(host, call, whatIsPossible());
  } else if (behaviour == "ask too much") {
    identify(host, call, ask(self, host, call, std::size_t{17} << 20).substr(5));
  } else if (behaviour == "ask for ever") {
    const auto* clock =
        static_cast<const calbridge_clock_service_v1_t*>(host->get_service(host, CALBRIDGE_CLOCK_SERVICE));
    for (;;) {
      clock->now_ms(call);
    }
  } else if (behaviour == "logs and logs") {
    const auto* log = static_cast<const calbridge_log_service_v1_t*>(host->get_service(host, CALBRIDGE_LOG_SERVICE));
    for (int i = 0; i < 1500; ++i) {
      const std::string line = "line " + std::to_string(i) + ".";
      log->write(call, CALBRIDGE_LOG_INFO, {line.data(), line.size()});
    }
    identify(host, call, "logged");
  } else if (behaviour == "a thousand times") {
    for (int i = 0; i < 1000; ++i) {
      say(host, call, CALBRIDGE_OK, fine);
    }
  } else if (behaviour == "chatter") {
    chatter(nlohmann::json::parse(request.data, request.data + request.size).value("access_token", "none"));
    identify(host, call, "chattered");
  } else if (behaviour == "twice") {
    say(host, call, CALBRIDGE_OK, fine);
    say(host, call, CALBRIDGE_TRANSIENT, R"({"message":"second"})");
  } else if (behaviour == "throws") {
    throw std::runtime_error("thrown across");
  } else if (behaviour == "throws after the answer") {
    say(host, call, CALBRIDGE_OK, fine);
    throw 42;
  } else if (behaviour == "garbage") {
    say(host, call, CALBRIDGE_OK, "{\"provider_event_id\":");
  } else if (behaviour == "null bytes") {
    host->reply(call, CALBRIDGE_OK, {nullptr, 0});
  } else if (behaviour == "not UTF-8") {
    say(host, call, CALBRIDGE_OK, "{\"provider_event_id\":\"\xff\xfe\"}");
  } else if (behaviour == "array") {
    say(host, call, CALBRIDGE_OK, "[1]");
  } else if (behaviour == "mistyped") {
    say(host, call, CALBRIDGE_OK, R"({"provider_event_id":7})");
  } else if (behaviour == "missing") {
    say(host, call, CALBRIDGE_OK, "{}");
  } else if (behaviour == "deep") {
    say(host, call, CALBRIDGE_OK, std::string(500000, '[') + std::string(500000, ']'));
  } else if (behaviour == "oversized") {
    say(host, call, CALBRIDGE_OK, R"({"provider_event_id":")" + std::string(2 << 20, 'x') + "\"}");
  } else if (behaviour == "unknown status") {
    say(host, call, 4711, R"({"message":"from the future"})");
  } else if (behaviour == "failure without reason") {
    say(host, call, CALBRIDGE_TRANSIENT, "not json");
  } else if (behaviour == "odd wait") {
    say(host, call, CALBRIDGE_RATE_LIMITED, R"({"message":"slow","code":"tooMany","retry_after_ms":1e300})");
  } else if (behaviour == "leaks") {
    const auto token = nlohmann::json::parse(request.data, request.data + request.size).value("access_token", "none");
    const auto* log = static_cast<const calbridge_log_service_v1_t*>(host->get_service(host, CALBRIDGE_LOG_SERVICE));
    const std::string line = "used\n" + token + std::string(10000, '.');
    log->write(call, 99, {line.data(), line.size()});
    say(host, call, CALBRIDGE_PERMANENT, R"({"message":"no: )" + token + R"(","code":")" + token + "\"}");
  } // "silent" answers nothing at all
}

void* create(const calbridge_host_v1_t*, calbridge_call*, calbridge_bytes settings) {
  const auto given = nlohmann::json::parse(settings.data, settings.data + settings.size)["settings"];
  return new Erratic{given["behaviour"], given.value("server", "https://mood.example.com/")};
}
void destroy(void* self) {
  delete static_cast<Erratic*>(self);
}

} // namespace

extern "C" CALBRIDGE_EXPORT constinit const calbridge_plugin_v1_t calbridge_plugin_v1 = {
    CALBRIDGE_MAGIC,
    sizeof(calbridge_plugin_v1_t),
    CALBRIDGE_MAJOR,
    CALBRIDGE_MINOR,
    {kManifest, sizeof kManifest - 1},
    create,
    destroy,
    misbehave,
    misbehave,
    misbehave,
    misbehave,
    nullptr,
    misbehave,
    misbehave,
    misbehave,
    misbehave,
    misbehave};
