/* A plugin from the future that is honest about it: it needs a host of minor 99. */
#include <calbridge/abi.h>

#define TEXT(literal)                                                                                                  \
  { literal, sizeof(literal) - 1 }

static void answer(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  static const calbridge_bytes kReply = TEXT("{\"message\": \"nobody should have called this\"}");
  (void)self;
  (void)request;
  host->reply(call, CALBRIDGE_INTERNAL, kReply);
}

static void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings) {
  static char instance;
  (void)host;
  (void)call;
  (void)settings;
  return &instance;
}

static void destroy(void* self) {
  (void)self;
}

CALBRIDGE_EXPORT const calbridge_plugin_v1_t calbridge_plugin_v1 = {
    .magic = CALBRIDGE_MAGIC,
    .struct_size = sizeof(calbridge_plugin_v1_t),
    .major = CALBRIDGE_MAJOR,
    .minor = 99,
    .manifest = TEXT("{\"id\":\"demanding\",\"name\":\"Demanding\",\"version\":\"1.0.0\",\"min_host_minor\":99,"
                     "\"capabilities\":[\"oauth2\"],\"requires\":[\"calbridge.call/1\",\"calbridge.teleport/1\"]}"),
    .create = create,
    .destroy = destroy,
    .connect = answer,
    .exchange = answer,
    .refresh = answer,
    .push = answer,
};
