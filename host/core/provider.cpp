#include "core/provider.hpp"

namespace calbridge {

const char* toString(Status status) {
  switch (status) {
  case Status::ok:
    return "ok";
  case Status::invalidRequest:
    return "invalid_request";
  case Status::reauthRequired:
    return "reauth_required";
  case Status::rateLimited:
    return "rate_limited";
  case Status::notFound:
    return "not_found";
  case Status::conflict:
    return "conflict";
  case Status::transient:
    return "transient";
  case Status::permanent:
    return "permanent";
  case Status::cancelled:
    return "cancelled";
  case Status::deadline:
    return "deadline";
  case Status::unsupported:
    return "unsupported";
  case Status::internal:
    return "internal";
  }
  return "permanent";
}

} // namespace calbridge
