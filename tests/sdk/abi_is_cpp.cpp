#include <calbridge/abi.h>
#include <type_traits>

static_assert(std::is_standard_layout_v<calbridge_plugin_v1_t> && std::is_trivially_copyable_v<calbridge_plugin_v1_t>);
static_assert(std::is_standard_layout_v<calbridge_host_v1_t>);
