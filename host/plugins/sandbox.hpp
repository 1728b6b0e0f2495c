#pragma once
#include <filesystem>
#include <string>
#include <vector>

/// What calbridge-plugin-runner may do, and from when on. All of it is for good, for the calling process and all of its
/// threads: rlimits, no new privileges, Landlock and a seccomp filter. The filter is a list of what is allowed;
/// everything else ends with EPERM, and what no list can look into (another architecture's numbers) with the process's
/// death. Refused calls return, so that a library that merely looks for a file at its start goes on without it.
namespace calbridge::plugins {

/// Memory of a plugin's process, threads' stacks included. What asks for more ends the process.
inline constexpr std::size_t kMostMemory = std::size_t{512} << 20;
/// Stack of each of its threads.
inline constexpr std::size_t kThreadStack = std::size_t{1} << 20;
/// Exit code of a process that had no memory left.
inline constexpr int kOutOfMemory = 76;

/// First: ends with the host's thread that started it, keeps no core, lets no other process look into it, has limits
/// of memory and descriptors, takes no signals that are meant for the host.
void settleIn();

/// Before the plugin is loaded, because its constructors run then: libraries of the system and those beside the
/// plugin can be read, nothing else. No network, no processes, no writing. Returns what this kernel lacks, a sentence
/// each. Throws Error("plugin_invalid") where there is no seccomp: then nothing confines a plugin.
std::vector<std::string> confineForLoading(const std::filesystem::path& plugin);

/// Before the plugin's first function is called: of the files, only the time zone database can be read, and no memory
/// becomes code. `gaps` is what confineForLoading returned.
void confineForCalls(const std::vector<std::string>& gaps);

} // namespace calbridge::plugins
