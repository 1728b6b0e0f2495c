#include <calbridge/abi.h>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

/// A plugin and a host from the future, in one library around a plugin of the past. To the host it is a plugin of a
/// newer minor: a longer table, unknown capabilities, unknown fields in whatever it says. To the plugin inside it is a
/// newer host: longer tables, unknown fields in whatever it is told. The log says what was dressed up like that.
extern "C" const calbridge_plugin_v1_t inner_plugin; // the table of the plugin inside, compiled under that name

namespace {

using Json = nlohmann::json;

const calbridge_host_v1_t* theHost = nullptr; // the real one; one for the process, set before anything else is called

void dressUp(Json& json) {
  for (auto& element : json) {
    if (element.is_structured()) {
      dressUp(element);
    }
  }
  if (json.is_object()) {
    json["x_future"] = {{"list", {1, nullptr, {{"deep", true}}}}, {"text", "\u2603 \" \\"}};
    json["zz_number"] = -1.5e300;
    json["aa_null"] = nullptr;
    json["Operation"] = "neither upsert nor delete"; // not "operation"
  }
}

/// `bytes` with unknown fields in every object; as they are when they are no JSON.
std::string dressed(calbridge_bytes bytes) {
  Json json = Json::parse(bytes.data, bytes.data + bytes.size, nullptr, false);
  if (json.is_discarded()) {
    return {bytes.data, bytes.size};
  }
  dressUp(json);
  return json.dump();
}

void note(calbridge_call* call, const char* what) {
  const auto* log =
      static_cast<const calbridge_log_service_v1_t*>(theHost->get_service(theHost, CALBRIDGE_LOG_SERVICE));
  const std::string line = std::string("dressed up: ") + what;
  log->write(call, CALBRIDGE_LOG_INFO, {line.data(), line.size()});
}

void reply(calbridge_call* call, calbridge_status status, calbridge_bytes body) {
  const std::string text = dressed(body);
  note(call, "a reply");
  theHost->reply(call, status, {text.data(), text.size()});
}

void ofTheFuture() {
  std::abort(); // nobody may call what he cannot know
}

struct NewerHttp {
  calbridge_http_service_v1_t known;
  void (*unknown[4])();
};
calbridge_status send(calbridge_call* call, calbridge_bytes head, calbridge_bytes body, calbridge_bytes* responseHead,
                      calbridge_bytes* responseBody) {
  thread_local std::string answer; // lives until the next service call, as the boundary promises
  const auto* http =
      static_cast<const calbridge_http_service_v1_t*>(theHost->get_service(theHost, CALBRIDGE_HTTP_SERVICE));
  const std::string text = dressed(head);
  note(call, "an HTTP exchange");
  const calbridge_status status = http->send(call, {text.data(), text.size()}, body, responseHead, responseBody);
  answer = dressed(*responseHead);
  *responseHead = {answer.data(), answer.size()};
  return status;
}
constexpr NewerHttp kHttp = {{sizeof(NewerHttp), 0, send}, {ofTheFuture, ofTheFuture, ofTheFuture, ofTheFuture}};

struct NewerHost {
  calbridge_host_v1_t known;
  void (*unknown[4])();
};
const void* getService(const calbridge_host_v1_t*, const char* id) {
  return std::string_view(id) == CALBRIDGE_HTTP_SERVICE ? &kHttp : theHost->get_service(theHost, id);
}
constexpr NewerHost kHost = {{sizeof(NewerHost), 99, reply, getService},
                             {ofTheFuture, ofTheFuture, ofTheFuture, ofTheFuture}};

void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings) {
  theHost = host;
  const std::string text = dressed(settings);
  return inner_plugin.create(&kHost.known, call, {text.data(), text.size()});
}

template <calbridge_operation calbridge_plugin_v1_t::*Operation>
void operate(void* self, const calbridge_host_v1_t*, calbridge_call* call, calbridge_bytes request) {
  const std::string text = dressed(request);
  note(call, "a request");
  (inner_plugin.*Operation)(self, &kHost.known, call, {text.data(), text.size()});
}

void destroy(void* self) {
  inner_plugin.destroy(self);
}

constexpr char kManifest[] = R"({
  "id": "newer", "name": "Newer", "version": "9.9.9", "concurrent": true, "min_host_minor": 0,
  "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1", "calbridge.random/1", "calbridge.kv/1"],
  "optional": ["calbridge.log/1", "calbridge.kv/2", "calbridge.teleport/1"],
  "capabilities": ["oauth2", "delete", "revoke", "time-travel"],
  "egress_settings": ["api_url"], "a_field_of_the_future": {"x": [1, {"y": null}]},
  "settings_schema": {"type": "object", "properties": {"api_url": {"type": "string"}}}})";

struct NewerPlugin {
  calbridge_plugin_v1_t known;
  calbridge_operation unknown[8];
};
void unknownOperation(void*, const calbridge_host_v1_t*, calbridge_call*, calbridge_bytes) {
  std::abort();
}

constexpr NewerPlugin newerPlugin() {
  NewerPlugin plugin{};
  plugin.known.magic = CALBRIDGE_MAGIC;
  plugin.known.struct_size = sizeof(NewerPlugin);
  plugin.known.major = CALBRIDGE_MAJOR;
  plugin.known.minor = 99;
  plugin.known.manifest = {kManifest, sizeof kManifest - 1};
  plugin.known.create = create;
  plugin.known.destroy = destroy;
  plugin.known.connect = operate<&calbridge_plugin_v1_t::connect>;
  plugin.known.exchange = operate<&calbridge_plugin_v1_t::exchange>;
  plugin.known.refresh = operate<&calbridge_plugin_v1_t::refresh>;
  plugin.known.push = operate<&calbridge_plugin_v1_t::push>;
  plugin.known.revoke = operate<&calbridge_plugin_v1_t::revoke>;
  for (calbridge_operation& operation : plugin.unknown) {
    operation = unknownOperation;
  }
  return plugin;
}

} // namespace

// Under the name of the table, with a type of its own.
extern "C" CALBRIDGE_EXPORT const NewerPlugin kTheTable asm("calbridge_plugin_v1");
extern "C" CALBRIDGE_EXPORT constinit const NewerPlugin kTheTable = newerPlugin();
