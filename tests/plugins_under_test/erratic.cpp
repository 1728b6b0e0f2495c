#include <calbridge/abi.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

/// Breaks the rules of the boundary in the way that its setting `behaviour` names, whatever it is asked.
namespace {

constexpr char kManifest[] = R"({"id":"erratic","name":"Erratic","version":"1.0.0","requires":["calbridge.call/1"],
  "capabilities":["feed"],"settings_schema":{"type":"object","required":["behaviour"],"additionalProperties":false,
  "properties":{"behaviour":{"type":"string"}}}})";

void say(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_status status, const std::string& text) {
  host->reply(call, status, {text.data(), text.size()});
}

void misbehave(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  const std::string& behaviour = *static_cast<std::string*>(self);
  const std::string fine = R"({"provider_event_id":"first"})";
  if (behaviour == "twice") {
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
  return new std::string(nlohmann::json::parse(settings.data, settings.data + settings.size)["settings"]["behaviour"]);
}
void destroy(void* self) {
  delete static_cast<std::string*>(self);
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
