#include "cli/command_line.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

using nlohmann::json;

int create(Context& context, const std::string& name) {
  const json answer = context.program.control(context.load(), {{"command", "app-keys.create"}, {"name", name}});
  context.out << answer.at("key").get<std::string>() << '\n'; // alone and once: only its hash is kept
  return kFine;
}

int list(Context& context, bool asJson) {
  const json keys = context.program.control(context.load(), {{"command", "app-keys.list"}}).at("app_keys");
  if (asJson) {
    context.out << keys.dump(2) << '\n';
    return kFine;
  }
  for (const auto& key : keys)
    context.out << key.at("name").get<std::string>() << "\tcreated " << key.at("created_at").get<std::string>()
                << (key.at("revoked_at").is_null() ? "\tlive" : "\trevoked " + key.at("revoked_at").get<std::string>())
                << '\n';
  return kFine;
}

int revoke(Context& context, const std::string& name) {
  context.program.control(context.load(), {{"command", "app-keys.revoke"}, {"name", name}});
  context.out << "revoked " << name << '\n';
  return kFine;
}

} // namespace

void addAppKeys(CLI::App& app, Context& context, Action& chosen) {
  auto* group = app.add_subcommand("app-keys", "API keys of the booking application");
  group->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  auto asJson = std::make_shared<bool>(false);

  auto* creating = group->add_subcommand("create", "Makes a key and prints it, once");
  creating->add_option("name", *name, "What the key is for")->required();
  creating->callback([&context, &chosen, name] { chosen = [&context, name] { return create(context, *name); }; });

  auto* listing = group->add_subcommand("list", "All keys, without the secrets");
  listing->add_flag("--json", *asJson, "For machines");
  listing->callback([&context, &chosen, asJson] { chosen = [&context, asJson] { return list(context, *asJson); }; });

  auto* revoking = group->add_subcommand("revoke", "Makes a key useless");
  revoking->add_option("name", *name)->required();
  revoking->callback([&context, &chosen, name] { chosen = [&context, name] { return revoke(context, *name); }; });
}

} // namespace calbridge::cli
