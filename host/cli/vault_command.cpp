#include "cli/command_line.hpp"

namespace calbridge::cli {

void addVault(CLI::App& app, Context& context, Action& chosen) {
  auto* group = app.add_subcommand("vault", "The stored tokens");
  group->require_subcommand(1);
  auto* rotating = group->add_subcommand("rotate", "Encrypts every stored token anew under a new master key");
  rotating->callback([&context, &chosen] {
    chosen = [&context] {
      context.program.rotateVault(context.load(), context.out, context.err);
      return kFine;
    };
  });
}

} // namespace calbridge::cli
