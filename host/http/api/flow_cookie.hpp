#pragma once
#include "core/random.hpp"
#include "http/edge/request.hpp"

#include <optional>
#include <string>

namespace calbridge::http {

/// The short-lived cookie that ties a connect flow to the browser that started it (RFC 9700 section 4.7.1): a callback
/// without it is refused, so that nobody's consent lands in somebody else's account. One per browser, shared by flows
/// to several providers.

/// The browser's secret, or a new one (256 bits) when it has none that is well-formed.
std::string flowSecret(const Request& request, Random& random);
/// The cookie's value, if there is a well-formed one.
std::optional<std::string> readFlowCookie(const Request& request);
/// For Set-Cookie: HttpOnly, SameSite=Lax (the provider's redirect is a top-level navigation), ten minutes.
std::string flowCookie(const std::string& secret, const std::string& publicUrl);

} // namespace calbridge::http
