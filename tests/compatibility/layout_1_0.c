/* What SDK 1.0 put into binaries, as numbers, against today's header: whatever stands here is in plugins that are out
 * there. Nothing is ever changed here; a new minor gets a file of its own with what it added. */
#include <calbridge/abi.h>

#define AT(type, member, offset)                                                                                       \
  _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved since SDK 1.0")
#define NO_SMALLER(type, size) _Static_assert(sizeof(type) >= (size), #type " is smaller than in SDK 1.0")
#define IS(name, value) _Static_assert((name) == (value), #name " has another value than in SDK 1.0")

IS(CALBRIDGE_MAGIC, 0x47424C43);
IS(CALBRIDGE_MAJOR, 1);
IS(CALBRIDGE_JSON_MAX_BYTES, 1048576);
IS(CALBRIDGE_JSON_MAX_DEPTH, 32);
IS(CALBRIDGE_PLUGIN_MIN_SIZE, 80);
_Static_assert(sizeof CALBRIDGE_SYMBOL == sizeof "calbridge_plugin_v1", "the symbol's name");

IS(CALBRIDGE_OK, 0);
IS(CALBRIDGE_INVALID_REQUEST, 1);
IS(CALBRIDGE_REAUTH_REQUIRED, 2);
IS(CALBRIDGE_RATE_LIMITED, 3);
IS(CALBRIDGE_NOT_FOUND, 4);
IS(CALBRIDGE_CONFLICT, 5);
IS(CALBRIDGE_TRANSIENT, 6);
IS(CALBRIDGE_PERMANENT, 7);
IS(CALBRIDGE_CANCELLED, 8);
IS(CALBRIDGE_DEADLINE, 9);
IS(CALBRIDGE_UNSUPPORTED, 10);
IS(CALBRIDGE_INTERNAL, 11);
IS(CALBRIDGE_LOG_DEBUG, 0);
IS(CALBRIDGE_LOG_INFO, 1);
IS(CALBRIDGE_LOG_WARNING, 2);
IS(CALBRIDGE_LOG_ERROR, 3);

_Static_assert(sizeof(calbridge_bytes) == 16, "calbridge_bytes is passed by value: it can never grow");
AT(calbridge_bytes, data, 0);
AT(calbridge_bytes, size, 8);
_Static_assert(sizeof(calbridge_status) == 4, "calbridge_status");
NO_SMALLER(calbridge_host_v1_t, 24);
AT(calbridge_host_v1_t, struct_size, 0);
AT(calbridge_host_v1_t, minor, 4);
AT(calbridge_host_v1_t, reply, 8);
AT(calbridge_host_v1_t, get_service, 16);
NO_SMALLER(calbridge_call_service_v1_t, 32);
AT(calbridge_call_service_v1_t, struct_size, 0);
AT(calbridge_call_service_v1_t, remaining_ms, 8);
AT(calbridge_call_service_v1_t, cancelled, 16);
AT(calbridge_call_service_v1_t, request_id, 24);
NO_SMALLER(calbridge_http_service_v1_t, 16);
AT(calbridge_http_service_v1_t, struct_size, 0);
AT(calbridge_http_service_v1_t, send, 8);
NO_SMALLER(calbridge_log_service_v1_t, 16);
AT(calbridge_log_service_v1_t, struct_size, 0);
AT(calbridge_log_service_v1_t, write, 8);
NO_SMALLER(calbridge_clock_service_v1_t, 24);
AT(calbridge_clock_service_v1_t, struct_size, 0);
AT(calbridge_clock_service_v1_t, now_ms, 8);
AT(calbridge_clock_service_v1_t, monotonic_ms, 16);
NO_SMALLER(calbridge_random_service_v1_t, 16);
AT(calbridge_random_service_v1_t, struct_size, 0);
AT(calbridge_random_service_v1_t, fill, 8);
NO_SMALLER(calbridge_kv_service_v1_t, 24);
AT(calbridge_kv_service_v1_t, struct_size, 0);
AT(calbridge_kv_service_v1_t, get, 8);
AT(calbridge_kv_service_v1_t, set, 16);
NO_SMALLER(calbridge_plugin_v1_t, 96);
AT(calbridge_plugin_v1_t, magic, 0);
AT(calbridge_plugin_v1_t, struct_size, 4);
AT(calbridge_plugin_v1_t, major, 8);
AT(calbridge_plugin_v1_t, minor, 12);
AT(calbridge_plugin_v1_t, manifest, 16);
AT(calbridge_plugin_v1_t, create, 32);
AT(calbridge_plugin_v1_t, destroy, 40);
AT(calbridge_plugin_v1_t, connect, 48);
AT(calbridge_plugin_v1_t, exchange, 56);
AT(calbridge_plugin_v1_t, refresh, 64);
AT(calbridge_plugin_v1_t, push, 72);
AT(calbridge_plugin_v1_t, revoke, 80);
AT(calbridge_plugin_v1_t, feed, 88);
