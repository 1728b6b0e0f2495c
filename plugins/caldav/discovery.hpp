#pragma once
#include "calbridge/messages.hpp"
#include "dav_client.hpp"

namespace calbridge::caldav {

struct Discovered {
  std::string principal;                ///< URL of the person (RFC 5397)
  std::vector<sdk::Calendar> calendars; ///< those that hold events, ids are URLs; exactly one writable one is primary
};

/// From what a person typed to that person's calendars: RFC 6764 (/.well-known/caldav; not the SRV records, since a
/// plugin sees HTTP alone), RFC 5397, RFC 4791 sections 6.2.1 and 5.2. What was typed is asked first when it has a
/// path, and then what is well-known within that path. Throws as DavClient::send, and sdk::Problem(notFound) with the
/// codes `not_caldav` (with a trace of everything asked) and `no_writable_calendar`.
Discovered discover(DavClient& client);

/// The calendar that entries go to when nobody chose one: the one kept for this connection, or what discover() marks.
std::string defaultCalendar(DavClient& client);
/// The kept default is not there any more.
void forgetDefaultCalendar(sdk::Call& call);

} // namespace calbridge::caldav
