#pragma once
#include <filesystem>

/// The inside of calbridge-plugin-runner: one plugin in a process of its own.
namespace calbridge::plugins {

/// As many calls run at a time in one such process.
inline constexpr int kCallsAtATime = 128;

/// Confines the process, loads the plugin and serves the host at the other end of `socket` (frames.hpp) until that
/// end closes. Ends the process, with 0 after an orderly end and 1 when the plugin cannot be used.
[[noreturn]] void runPlugin(const std::filesystem::path& plugin, int socket);

/// Confines the process, loads the plugin and says on standard output what is wrong with it. Ends the process: with 0
/// when it can be used, 1 when not.
[[noreturn]] void tryPlugin(const std::filesystem::path& plugin);

} // namespace calbridge::plugins
