#pragma once
#include <string_view>

namespace calbridge::http {

/// The OpenAPI 3.1 document of the API (openapi.json beside this file, embedded at build time).
std::string_view openApiDocument();

} // namespace calbridge::http
