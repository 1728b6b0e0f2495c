/* What SDK 1.1 added to binaries, as numbers, against today's header; see layout_1_0.c. */
#include <calbridge/abi.h>

#define AT(type, member, offset)                                                                                       \
  _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved since SDK 1.1")
#define NO_SMALLER(type, size) _Static_assert(sizeof(type) >= (size), #type " is smaller than in SDK 1.1")

_Static_assert(CALBRIDGE_MINOR >= 1, "minors only grow");
_Static_assert(sizeof CALBRIDGE_SMTP_SERVICE == sizeof "calbridge.smtp/1", "the service's name");
NO_SMALLER(calbridge_smtp_service_v1_t, 16);
AT(calbridge_smtp_service_v1_t, struct_size, 0);
AT(calbridge_smtp_service_v1_t, send, 8);
NO_SMALLER(calbridge_plugin_v1_t, 128);
AT(calbridge_plugin_v1_t, authenticate, 96);
AT(calbridge_plugin_v1_t, list_calendars, 104);
AT(calbridge_plugin_v1_t, free_busy, 112);
AT(calbridge_plugin_v1_t, changes, 120);
