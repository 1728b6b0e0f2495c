/* One mistake for each definition; everything else is right. */
#include <calbridge/abi.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT(literal)                                                                                                  \
  { literal, sizeof(literal) - 1 }
#define FIELDS(requires)                                                                                               \
  "{\"id\":\"broken\",\"name\":\"Broken\",\"version\":\"1.0.0\",\"capabilities\":[],\"requires\":" requires

#if defined(BAD_MANIFEST)
#define MANIFEST "{\"id\":\"Not An Id\",\"name\":\"Broken\",\"requires\":[],\"capabilities\":\"none\"}"
#elif defined(DEEP_MANIFEST)
#define EIGHT "[[[[[[[["
#define MANIFEST EIGHT EIGHT EIGHT EIGHT EIGHT
#elif defined(BAD_SCHEMA)
#define MANIFEST FIELDS("[]") ",\"settings_schema\":{\"type\":\"no such type\"}}"
#elif defined(UNKNOWN_SERVICE)
#define MANIFEST FIELDS("[\"calbridge.call/1\",\"calbridge.carrier-pigeon/7\"]") "}"
#elif defined(CLAIMS_TOO_MUCH)
#define MANIFEST                                                                                                       \
  "{\"id\":\"broken\",\"name\":\"Broken\",\"version\":\"1.0.0\",\"requires\":[],"                                      \
  "\"capabilities\":[\"delete\",\"list-calendars\",\"free-busy\",\"changes\"]}"
#elif defined(NEEDS_NEWER_HOST)
#define MANIFEST FIELDS("[]") ",\"min_host_minor\":99}"
#else
#define MANIFEST FIELDS("[]") ",\"a_field_of_the_future\":{\"x\":[1]}}"
#endif

#if defined(CRASHES_ON_LOAD)
__attribute__((constructor)) static void crash(void) {
  signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own idea */
  raise(SIGSEGV);
}
#elif defined(SNOOPS_ON_LOAD)
#include <fcntl.h>
#include <sys/socket.h>
/* Whether it got at something is seen by whether it lives. */
__attribute__((constructor)) static void snoop(void) {
  if (open("/etc/passwd", O_RDONLY) >= 0 || open("/tmp", O_RDONLY) >= 0 || socket(AF_INET, SOCK_STREAM, 0) >= 0 ||
      fork() >= 0) {
    _exit(3);
  }
}
#elif defined(LINGERS_ON_LOAD)
__attribute__((constructor)) static void linger(void) {
  close(1);
  for (;;) {
    pause();
  }
}
#endif

static void answer(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  static const calbridge_bytes kReply = TEXT("{\"provider_event_id\":\"e1\"}");
  (void)self;
  (void)request;
  host->reply(call, CALBRIDGE_OK, kReply);
}

static void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings) {
  static char instance;
  (void)settings;
#if defined(REFUSES)
  static const calbridge_bytes kReason = TEXT("{\"message\":\"the moon is in the wrong phase\"}");
  host->reply(call, CALBRIDGE_INVALID_REQUEST, kReason);
  return instance == 0 ? NULL : &instance;
#else
  (void)host;
  (void)call;
  return &instance;
#endif
}

static void destroy(void* self) {
  (void)self;
}

#if defined(NO_TABLE)
#define TABLE calbridge_table_of_another_name
#else
#define TABLE calbridge_plugin_v1
#endif
CALBRIDGE_EXPORT const calbridge_plugin_v1_t TABLE = {
#if defined(WRONG_MAGIC)
    .magic = 0x12345678u,
#else
    .magic = CALBRIDGE_MAGIC,
#endif
#if defined(TOO_SMALL)
    .struct_size = 40,
#elif defined(HALF_A_MEMBER)
    .struct_size = CALBRIDGE_PLUGIN_MIN_SIZE + 4,
#elif defined(OLDER)
    .struct_size = CALBRIDGE_PLUGIN_MIN_SIZE, /* made before revoke and feed: what lies there is somebody else's */
#elif defined(NEWER)
    .struct_size = sizeof(calbridge_plugin_v1_t) + 64,
#else
    .struct_size = sizeof(calbridge_plugin_v1_t),
#endif
#if defined(WRONG_MAJOR)
    .major = 2,
#else
    .major = CALBRIDGE_MAJOR,
#endif
#if defined(NEWER)
    .minor = 99,
#else
    .minor = CALBRIDGE_MINOR,
#endif
    .manifest = TEXT(MANIFEST),
    .create = create,
    .destroy = destroy,
    .connect = answer,
    .exchange = answer,
    .refresh = answer,
#if !defined(NO_PUSH)
    .push = answer,
#endif
#if defined(OLDER)
    .revoke = (calbridge_operation)1,
    .feed = (calbridge_operation)1,
    .authenticate = (calbridge_operation)1,
    .list_calendars = (calbridge_operation)1,
    .free_busy = (calbridge_operation)1,
    .changes = (calbridge_operation)1,
#endif
};
