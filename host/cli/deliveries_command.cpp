#include "cli/command_line.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

using nlohmann::json;

struct Arguments {
  std::string state, person;
  int limit = 100;
  bool json = false;
};

std::string text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "-" : value.dump();
}

int list(Context& context, const Arguments& arguments) {
  const json deliveries =
      context.program
          .control(context.load(),
                   {{"command", "deliveries.list"}, {"state", arguments.state}, {"limit", arguments.limit}})
          .at("deliveries");
  if (arguments.json) {
    context.out << deliveries.dump(2) << '\n';
    return kFine;
  }
  for (const auto& delivery : deliveries) {
    context.out << text(delivery.at("state")) << '\t' << text(delivery.at("person")) << '\t'
                << text(delivery.at("provider")) << '\t' << text(delivery.at("appointment")) << "\tattempts "
                << delivery.at("attempts") << "\tnext " << text(delivery.at("next_attempt_at"));
    if (!delivery.at("last_error").is_null())
      context.out << '\t' << text(delivery["last_error"].at("code")) << ": "
                  << text(delivery["last_error"].at("message"));
    context.out << '\n';
  }
  return kFine;
}

int retry(Context& context, const Arguments& arguments) {
  const json answer =
      context.program.control(context.load(), {{"command", "deliveries.retry"}, {"person", arguments.person}});
  context.out << answer.at("retried").get<std::int64_t>() << " deliveries are tried again now\n";
  return kFine;
}

} // namespace

void addDeliveries(CLI::App& app, Context& context, Action& chosen) {
  auto* group = app.add_subcommand("deliveries", "The state of deliveries");
  group->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();

  auto* listing = group->add_subcommand("list", "Deliveries, the oldest due first");
  listing->add_option("--state", arguments->state, "Only those in this state")
      ->check(CLI::IsMember({"pending", "delivered", "removed", "blocked", "failed"}));
  listing->add_option("--limit", arguments->limit, "At most so many")->check(CLI::Range(1, 100000))->default_str("100");
  listing->add_flag("--json", arguments->json, "For machines");
  listing->callback(
      [&context, &chosen, arguments] { chosen = [&context, arguments] { return list(context, *arguments); }; });

  auto* retrying = group->add_subcommand("retry", "Tries failed and waiting deliveries again now");
  retrying->add_option("--person", arguments->person, "Only this person's");
  retrying->callback(
      [&context, &chosen, arguments] { chosen = [&context, arguments] { return retry(context, *arguments); }; });
}

} // namespace calbridge::cli
