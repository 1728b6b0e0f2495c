#include "routing/explain.hpp"
#include "routing/audience.hpp"

#include <algorithm>
#include <sstream>

namespace calbridge::routing {
namespace {

std::string reasonFor(const Person& person, const RoutingPolicy& policy, const Explanation& explanation,
                      bool cancelled) {
  if (explanation.result.routes.empty())
    return "no route names the event type " + explanation.eventType;
  if (cancelled)
    return "the appointment is cancelled";
  std::string reasons;
  for (const auto& matched : explanation.result.routes) {
    const auto& routes = policy.routes();
    const auto route =
        std::find_if(routes.begin(), routes.end(), [&](const auto& r) { return r.name == matched.name; });
    if (route == routes.end())
      continue;
    std::string why = whyNot(route->audience, person);
    if (route->action == RouteConfig::Action::remove)
      why = "adds nobody";
    reasons += (reasons.empty() ? "" : "; ") + ("route " + route->name + ": ") + why;
  }
  return reasons;
}

std::string indented(const std::string& text, const std::string& by) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    out += by + line + "\n";
  return out;
}

std::string listed(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items)
    out += (out.empty() ? "" : ", ") + item;
  return out.empty() ? "nobody" : out;
}

void writeEntry(std::ostream& out, const Entry& entry) {
  out << "    title        " << entry.title << "\n"
      << "    when         " << entry.time.start << " – " << entry.time.end << " " << entry.time.timezone
      << (entry.time.allDay ? " (all day)" : "") << "\n";
  if (!entry.location.empty())
    out << "    where        " << entry.location << "\n";
  out << "    shown as     " << entry.showAs << ", visibility " << entry.visibility << ", " << entry.status << "\n";
  std::string reminders;
  for (const int minutes : entry.reminders)
    reminders += (reminders.empty() ? "" : ", ") + std::to_string(minutes);
  out << "    reminders    " << (reminders.empty() ? "none" : reminders + " minutes before") << "\n";
  if (!entry.url.empty())
    out << "    link         " << entry.url << "\n";
  if (!entry.description.empty())
    out << "    description\n" << indented(entry.description, "      | ");
}

} // namespace

Explanation explain(const RoutingPolicy& policy, const Directory& directory, const RoutingInput& input,
                    std::size_t limit) {
  Explanation explanation{std::string(input.eventType), input.appointment.id, route(policy, directory, input), {}, 0};
  const auto& decisions = explanation.result.decisions; // sorted by person id, as everyone() is
  const bool stale = explanation.result.stale;
  const bool cancelled = stale ? input.newest->cancelled : input.appointment.cancelled;
  for (const auto& person : directory.everyone()) {
    const auto decided = std::lower_bound(decisions.begin(), decisions.end(), person.id,
                                          [](const Decision& d, const std::string& id) { return d.personId < id; });
    if (decided != decisions.end() && decided->personId == person.id)
      continue;
    if (explanation.bystanders.size() == limit)
      ++explanation.omitted;
    else
      explanation.bystanders.push_back({person.id, person.role, reasonFor(person, policy, explanation, cancelled)});
  }
  return explanation;
}

nlohmann::json explainJson(const Explanation& explanation) {
  const auto& result = explanation.result;
  nlohmann::json json{{"event_type", explanation.eventType},
                      {"appointment", explanation.appointmentId},
                      {"stale", result.stale},
                      {"routes", nlohmann::json::array()},
                      {"people", nlohmann::json::array()},
                      {"unknown", nlohmann::json::array()},
                      {"omitted", explanation.omitted}};
  for (const auto& route : result.routes)
    json["routes"].push_back(
        {{"name", route.name}, {"action", route.action}, {"audience", route.audience}, {"people", route.people}});
  for (const auto& decision : result.decisions)
    json["people"].push_back({{"person", decision.personId},
                              {"role", decision.role},
                              {"action", toString(decision.action)},
                              {"route", decision.route.empty() ? nlohmann::json() : nlohmann::json(decision.route)},
                              {"reason", decision.reason},
                              {"entry", decision.entry ? calbridge::toJson(decision.entry->entry) : nlohmann::json()}});
  for (const auto& bystander : explanation.bystanders)
    json["people"].push_back({{"person", bystander.personId},
                              {"role", bystander.role},
                              {"action", "none"},
                              {"route", nullptr},
                              {"reason", bystander.reason},
                              {"entry", nullptr}});
  for (const auto& person : result.unknown)
    json["unknown"].push_back({{"person", person.personId}, {"path", person.path}});
  return json;
}

std::string explainText(const Explanation& explanation) {
  const auto& result = explanation.result;
  std::ostringstream out;
  out << explanation.eventType << " for appointment " << explanation.appointmentId << "\n";
  if (result.stale)
    out << "The event is older than the newest snapshot: no entry changes its content.\n";
  if (result.routes.empty())
    out << "No route names this event type: nothing changes.\n";
  for (const auto& route : result.routes)
    out << "route " << route.name << ": " << route.action << " " << route.audience << " → " << listed(route.people)
        << "\n";
  for (const auto& person : result.unknown)
    out << person.personId << " (" << person.path << ") is not in the directory: no entry\n";
  for (const auto& decision : result.decisions) {
    out << "\n"
        << decision.personId << (decision.role.empty() ? "" : " (" + decision.role + ")") << ": "
        << (decision.action == Action::none && decision.entry ? "unchanged" : toString(decision.action)) << "\n    "
        << decision.reason << "\n";
    if (decision.entry)
      writeEntry(out, decision.entry->entry);
  }
  if (!explanation.bystanders.empty())
    out << "\nNo entry:\n";
  for (const auto& bystander : explanation.bystanders)
    out << "  " << bystander.personId << " (" << bystander.role << "): " << bystander.reason << "\n";
  if (explanation.omitted > 0)
    out << "  … and " << explanation.omitted << " more\n";
  return out.str();
}

} // namespace calbridge::routing
