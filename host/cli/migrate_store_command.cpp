#include "cli/command_line.hpp"

#include <memory>

namespace calbridge::cli {

void addMigrateStore(CLI::App& app, Context& context, Action& chosen) {
  auto* command =
      app.add_subcommand("migrate-store", "Moves an installation from SQLite to PostgreSQL; no host may run");
  auto from = std::make_shared<std::string>();
  auto to = std::make_shared<std::string>();
  command->add_option("from", *from, "Database to read, sqlite:PATH; it stays as it is")->required();
  command->add_option("to", *to, "Empty database to fill, postgresql://user@host/db")->required();
  command->callback([&context, &chosen, from, to] {
    chosen = [&context, from, to] {
      context.program.moveStore(context.load(), *from, *to, context.out, context.err);
      return kFine;
    };
  });
}

} // namespace calbridge::cli
