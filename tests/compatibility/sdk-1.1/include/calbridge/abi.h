/** \file
 * The binary boundary between the calbridge host and a provider plugin. C11, also valid C++; nothing but this header
 * and JSON as bytes crosses it, so that a plugin may be built elsewhere, with another compiler, years apart.
 *
 * A plugin is a shared library that exports exactly one symbol: the const struct `calbridge_plugin_v1`.
 *
 * Ownership: borrow in, copy out. Whatever one side passes to the other stays the property of the side that passed it
 * and is valid until the called function returns, unless the function says otherwise. Nobody frees what the other
 * allocated. No exception, no C++ type and no object with a destructor crosses.
 *
 * Growth: tables only grow at their end. Whoever reads a table of the other side looks at `struct_size` first and
 * treats what lies beyond it as NULL. Unknown JSON fields are ignored by both sides. JSON documents are UTF-8, at most
 * CALBRIDGE_JSON_MAX_BYTES long and CALBRIDGE_JSON_MAX_DEPTH deep; both sides refuse more while parsing.
 *
 * Thread tags, in front of every function:
 * - [instance] is called by the host; for one instance never twice at the same time, unless the manifest says
 *   "concurrent". Different calls may come from different threads.
 * - [in-call] is called by the plugin, between the start of an operation and its return, with that operation's own
 *   `call`; for one call by one thread at a time.
 * - [any] is called from any thread at any time.
 */
#ifndef CALBRIDGE_ABI_H
#define CALBRIDGE_ABI_H

#include <stddef.h>
#include <stdint.h>

/** A check while compiling, in C and in C++. */
#ifdef __cplusplus
#define CALBRIDGE_STATIC_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#include <assert.h>
#define CALBRIDGE_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/** Put before the definition of `calbridge_plugin_v1`; everything else in a plugin is hidden. */
#define CALBRIDGE_EXPORT __attribute__((visibility("default")))

#define CALBRIDGE_MAGIC 0x47424C43u            /**< "CLBG" in memory, little endian */
#define CALBRIDGE_MAJOR 1u                     /**< another major has another symbol: calbridge_plugin_v2 */
#define CALBRIDGE_MINOR 1u                     /**< grows with every addition to this header */
#define CALBRIDGE_SYMBOL "calbridge_plugin_v1" /**< the one exported name */

#define CALBRIDGE_JSON_MAX_BYTES ((size_t)1 << 20) /**< of any document */
#define CALBRIDGE_JSON_MAX_DEPTH 32                /**< arrays and objects inside each other, of any document */

/** Bytes that belong to somebody else. Not terminated by a NUL. `data` may be NULL when `size` is 0. */
typedef struct calbridge_bytes {
  const char* data; /**< may be NULL when `size` is 0 */
  size_t size;      /**< in bytes */
} calbridge_bytes;

/** How an operation or a service call ends. Closed list; a value that the reader does not know means permanent. */
enum {
  CALBRIDGE_OK = 0,              /**< done */
  CALBRIDGE_INVALID_REQUEST = 1, /**< the request itself was wrong; never retried */
  CALBRIDGE_REAUTH_REQUIRED = 2, /**< the grant is dead: the person must connect again */
  CALBRIDGE_RATE_LIMITED = 3,    /**< try again, not before "retry_after_ms" of the reply */
  CALBRIDGE_NOT_FOUND = 4,       /**< the target (the calendar) is gone */
  CALBRIDGE_CONFLICT = 5,        /**< somebody else changed it: try again with fresh knowledge */
  CALBRIDGE_TRANSIENT = 6,       /**< try again later */
  CALBRIDGE_PERMANENT = 7,       /**< this will never work for this entry */
  CALBRIDGE_CANCELLED = 8,       /**< the host asked to stop */
  CALBRIDGE_DEADLINE = 9,        /**< the time was used up */
  CALBRIDGE_UNSUPPORTED = 10,    /**< this plugin or this host does not do that */
  CALBRIDGE_INTERNAL = 11        /**< a bug on the answering side */
};
typedef int32_t calbridge_status; /**< one of the values above */

/** One operation under way. Opaque, made by the host, valid until the operation returns. */
typedef struct calbridge_call calbridge_call;

/** See calbridge_host_v1. */
typedef struct calbridge_host_v1 calbridge_host_v1_t;

/** What the host offers. Valid as long as the process lives. */
struct calbridge_host_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t minor;       /**< CALBRIDGE_MINOR of the host */

  /** [in-call] Answers the call: exactly once. `body` is a JSON object (see the operations in sdk/README.md); for any
   * status but ok it is {"message", "code"?, "retry_after_ms"?}. The host copies `body` before it returns. A second
   * reply to the same call is ignored and logged; none at all ends the call as internal. */
  void (*reply)(calbridge_call* call, calbridge_status status, calbridge_bytes body);

  /** [any] The table of a service, by id and revision ("calbridge.http/1"), or NULL when this host does not have it.
   * The table is const and lives as long as the process. Services that the manifest "requires" are never NULL. */
  const void* (*get_service)(const calbridge_host_v1_t* host, const char* id);
};

/** "calbridge.call/1": about the call under way. Required: every host has it. */
#define CALBRIDGE_CALL_SERVICE "calbridge.call/1"
/** The table of "calbridge.call/1": about the call under way. */
typedef struct calbridge_call_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] Milliseconds until the deadline; 0 once it has passed. HTTP requests end by it by themselves. */
  int64_t (*remaining_ms)(calbridge_call* call);
  /** [in-call] Non-zero once the host wants the call to end: answer CALBRIDGE_CANCELLED soon. */
  int32_t (*cancelled)(calbridge_call* call);
  /** [in-call] The id under which the host logs this call. Valid until the operation returns. */
  calbridge_bytes (*request_id)(calbridge_call* call);
} calbridge_call_service_v1_t;

/** "calbridge.http/1": HTTP through the host, which owns TLS, pooling, deadlines and the list of hosts that this plugin
 * may talk to (manifest "egress" and "egress_settings"). Redirects are not followed but returned. */
#define CALBRIDGE_HTTP_SERVICE "calbridge.http/1"
/** The table of "calbridge.http/1": HTTP through the host. */
typedef struct calbridge_http_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] Sends one request and waits for its whole response.
   * `head`: {"method","url","headers":[["Name","value"],...]}; `body`: raw bytes, sent with a Content-Length.
   * Returns ok with `response_head` {"status","headers":[["name","value"],...]} and the raw `response_body`, whatever
   * the HTTP status was; else transient, deadline, cancelled, permanent (host not allowed) or invalid_request
   * (malformed head) with `response_head` {"message","kind","sent"}: `sent` tells whether the server may have seen the
   * request. Both results are borrowed until the next service call of the same call or the operation's return. */
  calbridge_status (*send)(calbridge_call* call, calbridge_bytes head, calbridge_bytes body,
                           calbridge_bytes* response_head, calbridge_bytes* response_body);
} calbridge_http_service_v1_t;

/** "calbridge.log/1". */
#define CALBRIDGE_LOG_SERVICE "calbridge.log/1"
/** Levels of a log line. */
enum { CALBRIDGE_LOG_DEBUG = 0, CALBRIDGE_LOG_INFO = 1, CALBRIDGE_LOG_WARNING = 2, CALBRIDGE_LOG_ERROR = 3 };
/** The table of "calbridge.log/1": the host's log. */
typedef struct calbridge_log_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] One line of the host's log, with the plugin's id and the request id added. Never pass tokens or codes
   * (the host replaces those that it knows of this call). Messages beyond 4 KiB are cut. */
  void (*write)(calbridge_call* call, int32_t level, calbridge_bytes message);
} calbridge_log_service_v1_t;

/** "calbridge.clock/1". */
#define CALBRIDGE_CLOCK_SERVICE "calbridge.clock/1"
/** The table of "calbridge.clock/1": the host's time. */
typedef struct calbridge_clock_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] Milliseconds since 1970-01-01T00:00:00Z; may step. */
  int64_t (*now_ms)(calbridge_call* call);
  /** [in-call] Milliseconds since an arbitrary moment; never steps back. */
  int64_t (*monotonic_ms)(calbridge_call* call);
} calbridge_clock_service_v1_t;

/** "calbridge.random/1". */
#define CALBRIDGE_RANDOM_SERVICE "calbridge.random/1"
/** The table of "calbridge.random/1": the host's randomness. */
typedef struct calbridge_random_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] Fills `out` with cryptographic randomness. */
  void (*fill)(calbridge_call* call, uint8_t* out, size_t size);
} calbridge_random_service_v1_t;

/** "calbridge.kv/1": small values kept for one connection, at most 64 keys and 16 KiB in all. They survive the process
 * but may be lost: keep only what can be found again. */
#define CALBRIDGE_KV_SERVICE "calbridge.kv/1"
/** The table of "calbridge.kv/1": small values of one connection. */
typedef struct calbridge_kv_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] ok and the value (borrowed until the next service call of this call), not_found, or unsupported where
   * the call belongs to no connection yet. */
  calbridge_status (*get)(calbridge_call* call, calbridge_bytes key, calbridge_bytes* value);
  /** [in-call] ok; invalid_request beyond the quota; unsupported as above. An empty value erases. */
  calbridge_status (*set)(calbridge_call* call, calbridge_bytes key, calbridge_bytes value);
} calbridge_kv_service_v1_t;

/** "calbridge.smtp/1": mail through the host, which owns the server, TLS, log-in and deadlines. NULL where the
 * installation has no mail server: a plugin that "requires" it is then refused with a word about SMTP_URL. Since minor
 * 1; a host that does not know it answers NULL, too. */
#define CALBRIDGE_SMTP_SERVICE "calbridge.smtp/1"
/** The table of "calbridge.smtp/1": mail through the installation's server. */
typedef struct calbridge_smtp_service_v1 {
  uint32_t struct_size; /**< sizeof this table on the side that made it */
  uint32_t reserved;    /**< 0 */
  /** [in-call] Hands one message over and waits for the server's word. `envelope`: {"from","to":["address"]}; the one
   * recipient is "recipient.email" of the push under way, and nobody else. `message`: RFC 5322 with CRLF, 7 bits, at
   * most 1 MiB. Returns ok: the server has taken it. Else transient, deadline, cancelled, permanent (refused for good,
   * or a recipient who is not the call's) or invalid_request (malformed envelope or message), with `response`
   * {"message","kind","scope","code"?,"enhanced"?,"sent"}. "kind": connect, tls, timeout, cancelled, broken, refused,
   * invalid_request, not_allowed. "scope" of a refusal: everything (every message would be), recipient, message.
   * "code", "enhanced": as the server says them (550, "5.1.1"). "sent": the whole message went out and no answer came,
   * so that it may have been delivered. `response` is borrowed until the next service call of the same call or the
   * operation's return. */
  calbridge_status (*send)(calbridge_call* call, calbridge_bytes envelope, calbridge_bytes message,
                           calbridge_bytes* response);
} calbridge_smtp_service_v1_t;

/** [instance] One operation: reads `request` (JSON, borrowed until return), answers once through host->reply, returns.
 * It may block until the call's deadline. Threads that it starts must have ended when it returns. */
typedef void (*calbridge_operation)(void* self, const calbridge_host_v1_t* host, calbridge_call* call,
                                    calbridge_bytes request);

/** The one thing that a plugin exports, under the name calbridge_plugin_v1. Constant data: no code runs to make it. */
typedef struct calbridge_plugin_v1_s {
  uint32_t magic;           /**< CALBRIDGE_MAGIC */
  uint32_t struct_size;     /**< sizeof(calbridge_plugin_v1_t) when the plugin was compiled */
  uint32_t major;           /**< CALBRIDGE_MAJOR */
  uint32_t minor;           /**< CALBRIDGE_MINOR when the plugin was compiled */
  calbridge_bytes manifest; /**< JSON, see sdk/README.md */

  /** [any] Makes an instance from {"client_id"?,"client_secret"?,"settings":{...}}. Returns it; or NULL after having
   * replied to `call` with the reason. Of the services call, log, clock and random work here. */
  void* (*create)(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings);
  /** [any] Destroys it. No operation is under way and none follows. */
  void (*destroy)(void* self);

  calbridge_operation connect;  /**< where a person gives consent; makes no HTTP */
  calbridge_operation exchange; /**< code -> tokens and account */
  calbridge_operation refresh;  /**< refresh token -> tokens */
  calbridge_operation push;     /**< one entry, upsert or delete */

  /** Optional from here on: NULL, or beyond struct_size, means that the plugin does not do it. */
  calbridge_operation revoke; /**< gives tokens back */
  calbridge_operation feed;   /**< head and tail around the renderings of a subscription feed */

  /** Since minor 1. */
  calbridge_operation authenticate;   /**< what a person typed -> secret and account */
  calbridge_operation list_calendars; /**< the calendars of one account */
  calbridge_operation free_busy;      /**< when somebody is busy */
  calbridge_operation changes;        /**< what changed in a calendar since last time */
} calbridge_plugin_v1_t;

/** Defined by the plugin: `CALBRIDGE_EXPORT const calbridge_plugin_v1_t calbridge_plugin_v1 = { ... };` */
extern const calbridge_plugin_v1_t calbridge_plugin_v1;

/** What every plugin of this major has at least: everything before the optional operations. */
#define CALBRIDGE_PLUGIN_MIN_SIZE (offsetof(calbridge_plugin_v1_t, revoke))

CALBRIDGE_STATIC_ASSERT(sizeof(void*) == 8 && sizeof(size_t) == 8, "calbridge plugins are 64-bit");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_bytes) == 16 && offsetof(calbridge_bytes, size) == 8, "calbridge_bytes");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_host_v1_t) == 24, "calbridge_host_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_host_v1_t, minor) == 4, "calbridge_host_v1_t.minor");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_host_v1_t, reply) == 8, "calbridge_host_v1_t.reply");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_host_v1_t, get_service) == 16, "calbridge_host_v1_t.get_service");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_call_service_v1_t) == 32, "calbridge_call_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_call_service_v1_t, remaining_ms) == 8, "call.remaining_ms");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_call_service_v1_t, cancelled) == 16, "call.cancelled");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_call_service_v1_t, request_id) == 24, "call.request_id");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_http_service_v1_t) == 16, "calbridge_http_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_http_service_v1_t, send) == 8, "http.send");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_log_service_v1_t) == 16, "calbridge_log_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_log_service_v1_t, write) == 8, "log.write");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_clock_service_v1_t) == 24, "calbridge_clock_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_clock_service_v1_t, now_ms) == 8, "clock.now_ms");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_clock_service_v1_t, monotonic_ms) == 16, "clock.monotonic_ms");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_random_service_v1_t) == 16, "calbridge_random_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_random_service_v1_t, fill) == 8, "random.fill");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_kv_service_v1_t) == 24, "calbridge_kv_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_kv_service_v1_t, get) == 8, "kv.get");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_kv_service_v1_t, set) == 16, "kv.set");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_smtp_service_v1_t) == 16, "calbridge_smtp_service_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_smtp_service_v1_t, send) == 8, "smtp.send");
CALBRIDGE_STATIC_ASSERT(sizeof(calbridge_plugin_v1_t) == 128, "calbridge_plugin_v1_t");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, struct_size) == 4, "plugin.struct_size");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, major) == 8, "plugin.major");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, minor) == 12, "plugin.minor");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, manifest) == 16, "plugin.manifest");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, create) == 32, "plugin.create");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, destroy) == 40, "plugin.destroy");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, connect) == 48, "plugin.connect");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, exchange) == 56, "plugin.exchange");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, refresh) == 64, "plugin.refresh");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, push) == 72, "plugin.push");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, revoke) == 80, "plugin.revoke");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, feed) == 88, "plugin.feed");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, authenticate) == 96, "plugin.authenticate");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, list_calendars) == 104, "plugin.list_calendars");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, free_busy) == 112, "plugin.free_busy");
CALBRIDGE_STATIC_ASSERT(offsetof(calbridge_plugin_v1_t, changes) == 120, "plugin.changes");

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif
