#pragma once
#include "http/edge/request.hpp"

namespace calbridge::http {

/// Is a page wanted rather than JSON (RFC 9110 section 12.5.1)? True only for clients that name text/html, as browsers
/// do, and put it before application/problem+json and application/json. Wildcards and a missing Accept mean programs.
bool prefersPage(const Request& request);

} // namespace calbridge::http
