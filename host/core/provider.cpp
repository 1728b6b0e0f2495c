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

namespace {

Failure lacking(const ProviderInfo& info, const char* operation) {
  return {Status::unsupported, info.label + " cannot " + operation, "unsupported", {}};
}

} // namespace

Outcome<Authentication> Provider::authenticate(const nlohmann::json&, const CallContext&) {
  return lacking(info(), "be connected with a password");
}

Outcome<std::vector<Calendar>> Provider::listCalendars(const Credentials&, const CallContext&) {
  return lacking(info(), "list calendars");
}

Outcome<std::vector<BusyTime>> Provider::freeBusy(const Credentials&, const std::string&, const BusyTime&,
                                                  const CallContext&) {
  return lacking(info(), "tell who is busy");
}

Outcome<ChangeList> Provider::changes(const Credentials&, const std::string&, const std::string&, const CallContext&) {
  return lacking(info(), "tell what changed");
}

} // namespace calbridge
