#include "cli/command_line.hpp"
#include "core/appointment.hpp"
#include "core/error.hpp"
#include "routing/routing_policy.hpp"

namespace calbridge::cli {
namespace {

/// An appointment with every field that the shipped templates use.
Appointment sampleAppointment() {
  return parseAppointment(
      nlohmann::json{
          {"id", "A-1001"},
          {"version", 1},
          {"status", "confirmed"},
          {"start", "2026-12-01T09:00:00"},
          {"end", "2026-12-01T11:00:00"},
          {"timezone", "Europe/London"},
          {"service", {{"name", "Deep clean"}, {"details", "3 bedrooms, oven"}}},
          {"location", {{"address", "1 High Street, London N1 1AA"}}},
          {"order", {{"id", "O-77"}, {"number", "VC-77"}, {"notes", "Key under the mat"}}},
          {"customer",
           {{"id", "john"}, {"name", "John Smith"}, {"email", "john@example.com"}, {"phone", "+44 20 7946 0001"}}},
          {"staff", {{{"id", "sarah"}, {"name", "Sarah Jones"}, {"phone", "+44 20 7946 0002"}}}}},
      "");
}

/// Every role's entry must come out with a title.
void renderSamples(const Configuration& configuration, const std::filesystem::path& directory, Problems& problems) {
  try {
    const routing::RoutingPolicy policy(configuration.policies.roles, configuration.policies.routing);
    const Appointment sample = sampleAppointment();
    for (const auto& role : configuration.policies.roles.roles)
      if (policy.role(role.name)->render(sample).entry.title.empty())
        problems.push_back({(directory / "roles.json").string() + ": /roles/" + role.name + "/title",
                            "renders as an empty title on a sample appointment"});
  } catch (const Error& error) {
    problems.push_back({(directory / "roles.json").string(), error.message()});
  }
}

int check(Context& context) {
  auto loaded = loadConfiguration(context.source);
  Problems problems = loaded.problems;
  std::string runs;
  if (loaded.configuration) {
    renderSamples(*loaded.configuration, context.source.directory, problems);
    const auto plugins =
        context.program.checkPlugins(*loaded.configuration, (context.source.directory / "calbridge.json").string());
    problems.insert(problems.end(), plugins.problems.begin(), plugins.problems.end());
    loaded.warnings.insert(loaded.warnings.end(), plugins.warnings.begin(), plugins.warnings.end());
    for (const auto& one : plugins.runs)
      runs += (runs.empty() ? " (" : ", ") + one;
    runs += runs.empty() ? "" : ")";
  }
  for (const auto& warning : loaded.warnings)
    context.err << warning.text() << " (warning)\n";
  for (const auto& problem : problems)
    context.out << problem.text() << '\n';
  if (!problems.empty())
    return kWrong;
  context.out << "The configuration in " << context.source.directory.string()
              << " is fine: " << loaded.configuration->policies.roles.roles.size() << " roles, "
              << loaded.configuration->policies.routing.routes.size() << " routes, "
              << loaded.configuration->providers.size() << " providers" << runs << ".\n";
  return kFine;
}

} // namespace

void addCheck(CLI::App& app, Context& context, Action& chosen) {
  auto* command =
      app.add_subcommand("check", "Reads all configuration, loads every enabled plugin, reports every problem");
  command->callback([&] { chosen = [&] { return check(context); }; });
}

} // namespace calbridge::cli
