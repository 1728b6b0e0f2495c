#include "cli/command_line.hpp"
#include "core/error.hpp"

#include <iostream>
#include <memory>

namespace calbridge::cli {
namespace {

using nlohmann::json;

struct PersonArguments {
  std::string id, name, email, role, timezone = "UTC";
  std::vector<std::string> teams;
  bool json = false;
};

int add(Context& context, const PersonArguments& person) {
  const json answer = context.program.control(context.load(), {{"command", "people.add"},
                                                               {"id", person.id},
                                                               {"name", person.name},
                                                               {"email", person.email},
                                                               {"role", person.role},
                                                               {"timezone", person.timezone},
                                                               {"teams", person.teams}});
  context.out << (answer.at("created").get<bool>() ? "added " : "changed ") << person.id << '\n';
  return kFine;
}

int list(Context& context, bool asJson) {
  const json answer = context.program.control(context.load(), {{"command", "people.list"}});
  if (asJson) {
    context.out << answer.at("people").dump(2) << '\n';
    return kFine;
  }
  for (const auto& person : answer.at("people")) {
    context.out << person.at("id").get<std::string>() << '\t' << person.at("role").get<std::string>() << '\t'
                << person.at("name").get<std::string>() << '\t' << person.at("email").get<std::string>() << '\t'
                << person.at("timezone").get<std::string>();
    for (const auto& team : person.at("teams"))
      context.out << '\t' << team.get<std::string>();
    context.out << '\n';
  }
  return kFine;
}

int setPassword(Context& context, const std::string& id) {
  std::string password;
  std::getline(std::cin, password);
  if (!password.empty() && password.back() == '\r')
    password.pop_back();
  if (password.empty())
    throw Error("usage", "no password came on standard input");
  context.program.control(context.load(), {{"command", "people.set-password"}, {"id", id}, {"password", password}});
  context.out << "the password of " << id << " is set\n";
  return kFine;
}

} // namespace

void addPeople(CLI::App& app, Context& context, Action& chosen) {
  auto* group = app.add_subcommand("people", "The directory of people");
  group->require_subcommand(1);
  auto person = std::make_shared<PersonArguments>();

  auto* adding = group->add_subcommand("add", "Adds or changes a person");
  adding->add_option("id", person->id, "The person's id in the booking application")->required();
  adding->add_option("--name", person->name)->required();
  adding->add_option("--email", person->email)->required();
  adding->add_option("--role", person->role, "A role of roles.json")->required();
  adding->add_option("--timezone", person->timezone, "IANA time zone")->default_str("UTC");
  adding->add_option("--team", person->teams, "Team that the person belongs to (repeatable)")->allow_extra_args(false);
  adding->callback([&context, &chosen, person] { chosen = [&context, person] { return add(context, *person); }; });

  auto* listing = group->add_subcommand("list", "Everybody");
  listing->add_flag("--json", person->json, "For machines");
  listing->callback(
      [&context, &chosen, person] { chosen = [&context, person] { return list(context, person->json); }; });

  auto* setting = group->add_subcommand("set-password", "Sets a person's password, read from standard input");
  setting->add_option("id", person->id)->required();
  setting->callback(
      [&context, &chosen, person] { chosen = [&context, person] { return setPassword(context, person->id); }; });
}

} // namespace calbridge::cli
