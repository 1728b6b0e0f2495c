#include "cli/command_line.hpp"
#include "core/error.hpp"
#include "core/event.hpp"
#include "core/json_text.hpp"
#include "routing/explain.hpp"

#include <fstream>
#include <memory>
#include <sstream>

namespace calbridge::cli {
namespace {

using nlohmann::json;

/// What is known before the event: from the database, or nothing.
struct Known {
  std::vector<Person> people;
  std::map<std::string, json> states;
  bool assumed = false;
};

std::string readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw Error("not_found", "cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Without a database nobody is known; then the people whom the event names, and one of each role that routes name, are
/// assumed, so that routes and templates can be tried before anything is installed.
std::vector<Person> assumedPeople(const Event& event, const Configuration& configuration) {
  std::vector<Person> people;
  const auto assume = [&](const std::string& id, const std::string& role) {
    people.push_back({id, id, id + "@example.com", role, "UTC", {"assumed team"}});
  };
  for (const auto& appointment : event.appointments) {
    if (appointment.customerId)
      assume(*appointment.customerId, "customer");
    for (const auto& id : appointment.staffIds)
      assume(id, "staff");
  }
  for (const auto& route : configuration.policies.routing.routes)
    if (route.audience.kind == AudienceConfig::Kind::role)
      assume("any-" + route.audience.role, route.audience.role);
  return people;
}

Known known(Context& context, const Configuration& configuration, const Event& event) {
  Known result;
  if (!context.program.hasDatabase(configuration)) {
    result.people = assumedPeople(event, configuration);
    result.assumed = true;
    return result;
  }
  json ids = json::array();
  for (const auto& appointment : event.appointments)
    ids.push_back(appointment.id);
  const json snapshot = context.program.control(configuration, {{"command", "snapshot"}, {"appointments", ids}});
  for (const auto& person : snapshot.at("people"))
    result.people.push_back({person.at("id"), person.at("name"), person.at("email"), person.at("role"),
                             person.at("timezone"), person.at("teams")});
  for (const auto& state : snapshot.at("states"))
    result.states[state.at("id")] = state;
  return result;
}

routing::Explanation explainOne(const routing::RoutingPolicy& policy, const routing::Directory& directory,
                                const Event& event, const Appointment& appointment, const Known& known) {
  routing::RoutingState state;
  std::optional<Appointment> newest;
  std::vector<routing::CurrentPlacement> current;
  if (const auto it = known.states.find(appointment.id); it != known.states.end()) {
    if (!it->second.at("memory").is_null())
      state = routing::routingStateFromJson(it->second.at("memory"));
    if (!it->second.at("snapshot").is_null())
      newest = parseAppointment(it->second.at("snapshot"), "");
    for (const auto& placement : it->second.at("placements"))
      current.push_back({placement.at("person"), placement.at("present"), placement.at("hash")});
  }
  return routing::explain(policy, directory,
                          {.eventType = event.type,
                           .appointment = appointment,
                           .order = {.version = appointment.version, .time = event.time, .arrival = INT64_MAX},
                           .newest = newest ? &*newest : nullptr,
                           .state = state,
                           .current = current});
}

int explain(Context& context, const std::string& path, bool asJson) {
  const Configuration configuration = context.load();
  const json document = parseJson(readFile(path));
  std::vector<Event> events;
  try {
    if (document.is_array())
      for (std::size_t i = 0; i < document.size(); ++i)
        events.push_back(parseEvent(document[i], "/" + std::to_string(i)));
    else
      events.push_back(parseEvent(document));
  } catch (const Error& error) {
    throw Error(error.code(), path + ": " + error.pointer() + ": " + error.message());
  }

  const routing::RoutingPolicy policy(configuration.policies.roles, configuration.policies.routing);
  json all = json::array();
  for (const auto& event : events) {
    const Known before = known(context, configuration, event);
    const routing::DirectorySnapshot directory(before.people);
    if (before.assumed && !asJson)
      context.out
          << "There is no database yet: the people of the event are assumed to exist, and one of each role that "
             "routes name.\n\n";
    for (const auto& appointment : event.appointments) {
      const auto explanation = explainOne(policy, directory, event, appointment, before);
      if (asJson)
        all.push_back(routing::explainJson(explanation));
      else
        context.out << routing::explainText(explanation);
    }
  }
  if (asJson)
    context.out << (all.size() == 1 ? all.front() : all).dump(2) << '\n';
  return kFine;
}

} // namespace

void addExplain(CLI::App& app, Context& context, Action& chosen) {
  auto* command = app.add_subcommand("explain", "What an event would do, person by person; changes nothing");
  auto path = std::make_shared<std::string>();
  auto asJson = std::make_shared<bool>(false);
  command->add_option("event", *path, "File with a CloudEvent, or an array of them")->required();
  command->add_flag("--json", *asJson, "For machines");
  command->callback([&context, &chosen, path, asJson] {
    chosen = [&context, path, asJson] { return explain(context, *path, *asJson); };
  });
}

} // namespace calbridge::cli
