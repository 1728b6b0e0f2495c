/* A whole plugin in plain C: shows that nothing of C++ is needed, and uses every service by its table. */
#include <calbridge/abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kManifest[] =
    "{\"id\":\"plain-c\",\"name\":\"Plain C\",\"version\":\"0.1.0\",\"capabilities\":[\"oauth2\"],"
    "\"requires\":[\"calbridge.call/1\",\"calbridge.http/1\"],\"optional\":[\"calbridge.kv/1\"],"
    "\"egress\":[\"api.example.com\"],\"concurrent\":true}";

static calbridge_bytes text(const char* literal) {
  const calbridge_bytes bytes = {literal, strlen(literal)};
  return bytes;
}

static void connect_(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  (void)self;
  (void)request;
  host->reply(call, CALBRIDGE_OK, text("{\"authorization_url\":\"https://api.example.com/authorize\"}"));
}

static void tokens(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  (void)self;
  (void)request;
  host->reply(call, CALBRIDGE_OK,
              text("{\"access_token\":\"a\",\"expires_in\":60,\"account\":{\"id\":\"7\",\"label\":\"seven\"}}"));
}

static void push(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  const calbridge_http_service_v1_t* http = host->get_service(host, CALBRIDGE_HTTP_SERVICE);
  const calbridge_kv_service_v1_t* kv = host->get_service(host, CALBRIDGE_KV_SERVICE);
  const calbridge_log_service_v1_t* log = host->get_service(host, CALBRIDGE_LOG_SERVICE);
  const calbridge_clock_service_v1_t* clock = host->get_service(host, CALBRIDGE_CLOCK_SERVICE);
  const calbridge_random_service_v1_t* random = host->get_service(host, CALBRIDGE_RANDOM_SERVICE);
  const calbridge_call_service_v1_t* about = host->get_service(host, CALBRIDGE_CALL_SERVICE);
  calbridge_bytes head;
  calbridge_bytes body;
  calbridge_bytes value;
  uint8_t dice[2] = {0, 0};
  char reply[256];
  (void)self;
  if (host->get_service(host, "calbridge.carrier-pigeon/7") != NULL || about->cancelled(call)) {
    host->reply(call, CALBRIDGE_INTERNAL, text("{\"message\":\"impossible\"}"));
    return;
  }
  random->fill(call, dice, sizeof dice);
  if (kv->get(call, text("calendar"), &value) == CALBRIDGE_NOT_FOUND) {
    kv->set(call, text("calendar"), text("main"));
  }
  if (http->send(
          call, text("{\"method\":\"POST\",\"url\":\"https://api.example.com/entries\",\"headers\":[[\"X-A\",\"1\"]]}"),
          request, &head, &body) != CALBRIDGE_OK) {
    host->reply(call, CALBRIDGE_TRANSIENT, head);
    return;
  }
  snprintf(reply, sizeof reply, "{\"provider_event_id\":\"%.*s\",\"etag\":\"%d-%d-%lld-%d\"}", (int)body.size,
           body.data, dice[0], dice[1], (long long)clock->now_ms(call), (int)about->remaining_ms(call));
  log->write(call, CALBRIDGE_LOG_INFO, text("pushed"));
  host->reply(call, CALBRIDGE_OK, text(reply));
}

static void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings) {
  (void)host;
  (void)call;
  (void)settings;
  return malloc(1);
}

CALBRIDGE_EXPORT const calbridge_plugin_v1_t calbridge_plugin_v1 = {
    .magic = CALBRIDGE_MAGIC,
    .struct_size = sizeof(calbridge_plugin_v1_t),
    .major = CALBRIDGE_MAJOR,
    .minor = CALBRIDGE_MINOR,
    .manifest = {kManifest, sizeof kManifest - 1},
    .create = create,
    .destroy = free,
    .connect = connect_,
    .exchange = tokens,
    .refresh = tokens,
    .push = push,
};
