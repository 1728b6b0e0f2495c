#pragma once
#include "calbridge/messages.hpp"

#include <string>

/// What people read. Pure; safe to call from any thread.
namespace calbridge::email {

/// Why a message is written.
enum class Occasion {
  invited,   ///< the first about this entry
  changed,   ///< another one about the same entry
  cancelled, ///< the entry has to go
  withdrawn, ///< the entry has to go, but the appointment stands: the person gets it in another way, or wants none
};

/// "Deep clean – Tue 1 Dec 2026, 09:00".
std::string subjectOf(const sdk::PushRequest& request, Occasion occasion);
/// The text part; `sender` is who writes.
std::string textOf(const sdk::PushRequest& request, Occasion occasion, const std::string& sender);
/// "Tuesday, 1 December 2026, 09:00–11:00 (Europe/London)"; empty for times that are none.
std::string whenOf(const sdk::Entry& entry);

} // namespace calbridge::email
