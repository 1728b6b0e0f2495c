#pragma once
#include "core/person.hpp"
#include "http/services.hpp"
#include "http/web/assets.hpp"

#include <optional>
#include <string>

namespace calbridge::http {

/// Where the page was come from: the query that the callback's redirect carries.
struct Arrival {
  std::optional<std::string> connected; ///< provider id
  std::optional<std::string> error;     ///< code of connections::callbackProblems()
  std::optional<std::string> provider;  ///< the one that `error` is about
};

/// The calendar settings of one person, as the content of layout.html. Nothing of the arrival is shown as it came: ids
/// and codes select our own words. Throws Error("store_unavailable").
std::string settingsPage(const Services& services, const Assets& assets, const Person& person, const Arrival& arrival);

} // namespace calbridge::http
