#include "cli/command_line.hpp"

namespace calbridge::cli {

void addServe(CLI::App& app, Context& context, Action& chosen) {
  auto* command =
      app.add_subcommand("serve", "Runs the host until SIGTERM or SIGINT; SIGHUP re-reads roles and routing");
  command->callback([&] { chosen = [&] { return context.program.serve(context.source); }; });
}

} // namespace calbridge::cli
