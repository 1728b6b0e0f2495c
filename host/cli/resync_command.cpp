#include "cli/command_line.hpp"
#include "core/error.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

using nlohmann::json;

struct Arguments {
  std::string person, role;
  bool confirmRemovals = false, restored = false;
};

int confirmRemovals(Context& context) {
  const json held = context.program.control(context.load(), {{"command", "resync.confirm-removals"}});
  if (held.at("removals") == 0) {
    context.out << "no removals are held back\n";
    return kFine;
  }
  context.out << held.at("removals") << " of " << held.at("entries") << " open entries are removed now\n";
  return kFine;
}

int resync(Context& context, const Arguments& arguments) {
  if (arguments.confirmRemovals)
    return confirmRemovals(context);
  const Configuration configuration = context.load();
  if (arguments.restored) {
    context.program.control(configuration, {{"command", "resync.restored"}});
    context.out << "from now on every entry is looked for in its calendar before it is made\n";
  }
  std::vector<std::string> people;
  const json directory = context.program.control(configuration, {{"command", "people.list"}});
  for (const auto& person : directory.at("people"))
    if ((arguments.person.empty() || person.at("id") == arguments.person) &&
        (arguments.role.empty() || person.at("role") == arguments.role))
      people.push_back(person.at("id"));
  if (people.empty())
    throw Error("not_found", "nobody matches; `calbridge people list` shows who is there");
  std::int64_t queued = 0;
  for (std::size_t i = 0; i < people.size(); ++i) {
    queued += context.program.control(configuration, {{"command", "resync.person"}, {"person", people[i]}})
                  .at("queued")
                  .get<std::int64_t>();
    if ((i + 1) % 100 == 0 || i + 1 == people.size())
      context.err << i + 1 << " of " << people.size() << " people, " << queued << " entries to check\n";
  }
  context.out << queued << " entries of " << people.size() << " people are checked again\n";
  return kFine;
}

} // namespace

void addResync(CLI::App& app, Context& context, Action& chosen) {
  auto* command = app.add_subcommand("resync", "Checks every entry of everybody's calendars again");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--person", arguments->person, "Only this person's");
  command->add_option("--role", arguments->role, "Only people of this role");
  command
      ->add_flag(
          "--restored", arguments->restored,
          "The database was restored from a backup: calendars may hold entries that it does not know. Before the "
          "host is started")
      ->excludes("--person", "--role");
  command
      ->add_flag("--confirm-removals", arguments->confirmRemovals,
                 "Carry out the removals that the deletion brake of the running host holds back, and nothing else")
      ->excludes("--person", "--role", "--restored");
  command->callback(
      [&context, &chosen, arguments] { chosen = [&context, arguments] { return resync(context, *arguments); }; });
}

} // namespace calbridge::cli
