#pragma once
#include "graph_rules.hpp"

namespace calbridge::sandbox {

/// One authenticated request to Graph.
struct Graph::Call {
  Request& request;
  AccessToken access;
  Account& account;
  http::Parameters query;
  bool immutableIds = false;

  std::string parameter(std::string_view name) const { return std::string(http::find(query, name).value_or("")); }
  bool canRead() const { return canWrite() || access.has("Calendars.Read"); }
  bool canWrite() const { return access.has("Calendars.ReadWrite"); }
  /// The form of an event's id that this request gets.
  std::string idFor(const std::string& key) const { return (immutableIds ? "AAkALg" : "AAMkAG") + key + "AAA="; }
  /// The key in either form of an id; empty when it is none.
  static std::string keyOf(const std::string& id);
  /// Is the id's form the one that the request's Prefer header names?
  bool wrongForm(const std::string& id) const { return immutableIds != id.starts_with("AAkALg"); }
  /// The event as this request sees it: ids, $expand, $select.
  json present(const StoredEvent& event) const;
  json presentCalendar(const Calendar& calendar) const;
};

} // namespace calbridge::sandbox
