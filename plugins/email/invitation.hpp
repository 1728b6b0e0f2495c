#pragma once
#include "calbridge/messages.hpp"

#include <string>

/// Entries as iTIP (RFC 5546): what a mailbox's calendar takes over. Pure; safe to call from any thread.
namespace calbridge::email {

/// What is the same in all of an installation's invitations.
struct Organizer {
  std::string address;       ///< ORGANIZER
  std::string name;          ///< its CN
  std::string participation; ///< PARTSTAT of the attendee: NEEDS-ACTION or ACCEPTED
};

/// The VCALENDAR of a push: METHOD:REQUEST for an upsert, METHOD:CANCEL for a removal. `timezone` is the VTIMEZONE of
/// the entry's zone; empty: its times are written in UTC. Throws sdk::Problem(invalidRequest) for times that are none.
std::string calendarOf(const sdk::PushRequest& request, const Organizer& organizer, const std::string& timezone);

/// A short hash over everything that the person would see of an upsert; its number and stamp do not count.
std::string fingerprint(const sdk::PushRequest& request, const Organizer& organizer, const std::string& timezone);

} // namespace calbridge::email
