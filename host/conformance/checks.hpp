#pragma once
#include "conformance/trial.hpp"

#include <span>

/// The checks by subject; each list lives as long as the program.
namespace calbridge::conformance {

std::span<const Check> libraryChecks();  ///< the file, and what loading it does
std::span<const Check> manifestChecks(); ///< what the plugin says about itself, and making an instance
std::span<const Check> inputChecks();    ///< requests that are not as they should be
std::span<const Check> replyChecks();    ///< answers, and services
std::span<const Check> oauthChecks();
std::span<const Check> secretChecks();
std::span<const Check> httpChecks();     ///< a service that fails
std::span<const Check> entryChecks();    ///< what is in the calendar in the end
std::span<const Check> calendarChecks(); ///< list_calendars, free_busy, changes
std::span<const Check> mailChecks();
std::span<const Check> timeChecks();
std::span<const Check> sameChecks(); ///< the same again: bytes, processes, threads

} // namespace calbridge::conformance
