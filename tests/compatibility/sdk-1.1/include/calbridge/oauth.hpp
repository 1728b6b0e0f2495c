#pragma once
#include "calbridge/call.hpp"
#include "calbridge/messages.hpp"

#include <array>
#include <cstdlib>

/// What every OAuth 2.0 + REST provider needs. Pure functions unless they take a Call.
namespace calbridge::sdk {

/// Names and values of a form or a query, in their order.
using Form = std::vector<std::pair<std::string, std::string>>;

/// RFC 3986 section 2.1: everything but unreserved characters becomes %XX. Fit for path segments, queries and forms.
std::string percentEncode(std::string_view text);
/// application/x-www-form-urlencoded; spaces as %20, which every server takes.
std::string formEncode(const Form& form);
/// `url` with the parameters added behind its ? (or &), before its fragment.
std::string withQuery(std::string_view url, const Form& parameters);
/// Authorization: Bearer …, and Accept: application/json.
Headers bearer(std::string_view accessToken);
/// bearer() and Content-Type: application/json.
Headers bearerJson(std::string_view accessToken);
/// Posts a form and returns the answer, whatever its status.
HttpResponse postForm(Call& call, std::string_view url, const Form& form);

/// RFC 4648 section 5, padded or not; nullopt when malformed.
std::optional<std::string> base64UrlDecode(std::string_view text);
/// The claims of an id_token that came straight from the token endpoint over TLS, where OpenID Connect Core 3.1.3.7
/// lets the client skip the signature. Throws Problem(transient) when it is no JWT.
Json idTokenClaims(std::string_view idToken);

/// RFC 3339 date-time ("…Z" or with an offset) to milliseconds since 1970; nullopt when malformed.
std::optional<std::int64_t> epochMs(std::string_view rfc3339);
/// Retry-After (RFC 9110 section 10.2.3) in seconds or as a date; nullopt when absent or malformed. A past date is 0.
std::optional<std::chrono::milliseconds> retryAfter(const HttpResponse& response, std::int64_t nowMs);

/// The fields of a token endpoint's success (RFC 6749 section 5.1), without the account. Throws Problem(transient) when
/// there is no access_token: the person's grant is not to blame for garbage.
Grant grantFrom(const Json& tokenResponse);
/// What a token endpoint's refusal means (RFC 6749 section 5.2), by HTTP status and `error`: a dead grant is
/// reauthRequired, a wrong client is permanent (the operator's matter), 429 rateLimited, 408 and 5xx transient.
Problem oauthProblem(const HttpResponse& response, std::int64_t nowMs);
/// What a REST status means where the provider says nothing better: 401 reauthRequired, 408, 425 and 5xx transient, 404
/// and 410 notFound, 409 and 412 conflict, 429 rateLimited, the rest permanent.
Problem restProblem(const HttpResponse& response, std::int64_t nowMs, const std::string& message,
                    std::string code = {});

} // namespace calbridge::sdk

#include "calbridge/oauth.ipp"
