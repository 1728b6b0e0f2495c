#include "cli/command_line.hpp"
#include "core/error.hpp"
#include "core/time.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kPage = 1000;

struct Arguments {
  std::string person, since;
  std::size_t limit = 1000;
  bool json = false;
};

std::string textOf(const json& value, const char* otherwise) {
  return value.is_null() ? otherwise : value.get<std::string>();
}

int list(Context& context, const Arguments& arguments) {
  TimeMs since = 0;
  if (!arguments.since.empty()) {
    const auto instant =
        parseRfc3339(arguments.since.find('T') == std::string::npos ? arguments.since + "T00:00:00Z" : arguments.since);
    if (!instant)
      throw Error("usage", "--since takes a day or an instant, such as 2026-01-31 or 2026-01-31T08:00:00Z");
    since = *instant;
  }
  const Configuration configuration = context.load();
  json all = json::array();
  for (std::int64_t before = 0; all.size() < arguments.limit;) {
    const std::size_t wanted = std::min(kPage, arguments.limit - all.size());
    const json page = context.program
                          .control(configuration, {{"command", "audit.list"},
                                                   {"person", arguments.person},
                                                   {"since", since},
                                                   {"before", before},
                                                   {"limit", wanted}})
                          .at("lines");
    for (const auto& line : page) {
      if (!arguments.json)
        context.out << line.at("at").get<std::string>() << '\t' << line.at("action").get<std::string>() << "\tby "
                    << textOf(line.at("actor"), "somebody unknown") << '\t'
                    << (line.at("person").is_null() ? "" : "about " + line.at("person").get<std::string>()) << '\t'
                    << (line.at("detail").empty() ? "" : line.at("detail").dump()) << '\n';
      all.push_back(line);
    }
    if (page.size() < wanted)
      break;
    before = page.back().at("seq");
  }
  if (arguments.json)
    context.out << all.dump(2) << '\n';
  return kFine;
}

} // namespace

void addAudit(CLI::App& app, Context& context, Action& chosen) {
  auto* group = app.add_subcommand("audit", "Who did what about whom");
  group->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  auto* listing = group->add_subcommand("list", "The audit log, the newest first");
  listing->add_option("--person", arguments->person, "Only what this person did, or what was done about them");
  listing->add_option("--since", arguments->since, "Only from this day or instant on");
  listing->add_option("--limit", arguments->limit, "At most so many lines")->default_str("1000");
  listing->add_flag("--json", arguments->json, "For machines");
  listing->callback(
      [&context, &chosen, arguments] { chosen = [&context, arguments] { return list(context, *arguments); }; });
}

} // namespace calbridge::cli
