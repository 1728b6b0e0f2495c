#include "http/api/error_response.hpp"
#include "http/auth/authenticator.hpp"

#include <algorithm>
#include <array>

namespace calbridge::http {
namespace {

struct Mapping {
  std::string_view code;
  int status;
};

constexpr std::array kMappings{
    Mapping{"invalid_json", 400},
    Mapping{"invalid_event", 400},
    Mapping{"invalid_field", 400},
    Mapping{"invalid_password", 400},
    Mapping{"unknown_role", 400},
    Mapping{"invalid_timezone", 400},
    Mapping{"unsupported_media_type", 415},
    Mapping{"authentication_required", 401},
    Mapping{"invalid_credentials", 401},
    Mapping{"login_failed", 401},
    Mapping{"forbidden", 403},
    Mapping{"cross_site_request", 403},
    Mapping{"provider_not_allowed", 403},
    Mapping{"not_found", 404},
    Mapping{"method_not_allowed", 405},
    Mapping{"event_conflict", 409},
    Mapping{"not_editable", 409},
    Mapping{"needs_reconnection", 409},
    Mapping{"unknown_calendar", 422},
    Mapping{"calendar_read_only", 422},
    Mapping{"too_many_attempts", 429},
    Mapping{"provider_error", 502},
    Mapping{"provider_not_configured", 503},
    Mapping{"login_busy", 503},
    Mapping{"store_unavailable", 503},
};

} // namespace

int statusOf(const std::string& code) {
  const auto it = std::find_if(kMappings.begin(), kMappings.end(), [&](const Mapping& m) { return m.code == code; });
  return it == kMappings.end() ? 500 : it->status;
}

Response errorResponse(const Error& error) {
  const int status = statusOf(error.code());
  if (status == 500)
    return problem(500, "internal_error", "something went wrong inside calbridge; the log has the details");
  if (error.code() == "store_unavailable") {
    auto answer =
        problem(503, "store_unavailable", "the database cannot be used at the moment; nothing was stored, try again");
    return answer.header("Retry-After", "1");
  }
  auto answer = problem(status, error.code(), error.message(), error.pointer());
  if (status == 401)
    answer.header("WWW-Authenticate", challenge(error.code()));
  return answer;
}

} // namespace calbridge::http
