/* Carries the types of SDK 1.0 into the debug information of a library, where abidiff finds them: one exported object
 * of each table. Compiled with the headers of several versions, and compared. */
#include <calbridge/abi.h>

CALBRIDGE_EXPORT const calbridge_plugin_v1_t calbridge_plugin_v1;
CALBRIDGE_EXPORT const calbridge_host_v1_t carried_host;
CALBRIDGE_EXPORT const calbridge_call_service_v1_t carried_call;
CALBRIDGE_EXPORT const calbridge_http_service_v1_t carried_http;
CALBRIDGE_EXPORT const calbridge_log_service_v1_t carried_log;
CALBRIDGE_EXPORT const calbridge_clock_service_v1_t carried_clock;
CALBRIDGE_EXPORT const calbridge_random_service_v1_t carried_random;
CALBRIDGE_EXPORT const calbridge_kv_service_v1_t carried_kv;
