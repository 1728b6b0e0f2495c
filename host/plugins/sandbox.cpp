#include "plugins/sandbox.hpp"

#include "core/error.hpp"
#include "plugins/seccomp_filter.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/landlock.h>
#include <new>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace calbridge::plugins {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true; // its shadow of all addresses counts as memory
#else
constexpr bool kSanitized = false;
#endif

constexpr rlim_t kMainStack = rlim_t{8} << 20;

constexpr const char* kTimeZones = "/usr/share/zoneinfo";

void limit(__rlimit_resource_t resource, rlim_t most) {
  const rlimit value{most, most};
  ::setrlimit(resource, &value);
}

/// Where a plugin's malloc would return NULL, its operator new ends the process, in words.
[[noreturn]] void endWithoutMemory() {
  static constexpr char kWords[] = "out of memory\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kWords, sizeof kWords - 1);
  ::_exit(kOutOfMemory);
}

// Landlock as the kernel's interface grew, newest last: the header of the build machine may be older than the kernel.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scopes = 0;
};

/// 0: this kernel has no Landlock, or it is switched off.
long landlockVersion() {
  return std::max(0L, ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

std::vector<std::filesystem::path> readableForLoading(const std::filesystem::path& plugin) {
  std::vector<std::filesystem::path> readable = {"/lib",           "/lib64",           "/usr/lib", "/usr/lib64",
                                                 "/usr/local/lib", "/etc/ld.so.cache", kTimeZones, plugin};
  if (kSanitized) {
    readable.emplace_back("/proc/self"); // where a sanitizer looks for the stacks of threads
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(plugin.parent_path(), error)) {
    if (entry.path().filename().string().find(".so") != std::string::npos) {
      readable.push_back(entry.path()); // libraries that it brings along
    }
  }
  return readable;
}

/// From here on, of all files only those beneath `readable` can be read.
void landlock(long version, const std::vector<std::filesystem::path>& readable) {
  Ruleset rules;
  rules.files = (std::uint64_t{1} << 13) - 1;               // execute … make_sym
  rules.files |= version >= 2 ? std::uint64_t{1} << 13 : 0; // refer
  rules.files |= version >= 3 ? std::uint64_t{1} << 14 : 0; // truncate
  rules.files |= version >= 5 ? std::uint64_t{1} << 15 : 0; // ioctl on devices
  rules.network = version >= 4 ? 3 : 0;                     // TCP: bind, connect
  rules.scopes = version >= 6 ? 3 : 0;                      // abstract sockets of others, signals to others
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, size, 0));
  bool done = ruleset >= 0;
  for (const auto& path : readable) {
    landlock_path_beneath_attr beneath{};
    beneath.parent_fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0) {
      continue; // not on this system
    }
    std::error_code error;
    beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
    beneath.allowed_access |= std::filesystem::is_directory(path, error) ? LANDLOCK_ACCESS_FS_READ_DIR : 0;
    done = done && ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
    ::close(beneath.parent_fd);
  }
  done = done && ::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  if (!done) {
    throw Error("plugin_invalid",
                std::string("the kernel's Landlock refuses to confine the plugin: ") + std::strerror(errno));
  }
  ::close(ruleset);
}

} // namespace

void settleIn() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    std::signal(signal, SIG_IGN);
  }
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 64);
  limit(RLIMIT_MEMLOCK, 0);
  limit(RLIMIT_STACK, kMainStack);
  if (!kSanitized) {
    limit(RLIMIT_DATA, kMostMemory);
  }
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kThreadStack);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
  std::set_new_handler(endWithoutMemory);
}

std::vector<std::string> confineForLoading(const std::filesystem::path& plugin) {
  std::vector<std::string> gaps;
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (const long version = landlockVersion(); version > 0) {
    landlock(version, readableForLoading(plugin));
  } else {
    gaps.emplace_back(
        "this kernel has no Landlock: the plugin can read no file at all, not even time zones, once it is "
        "loaded, and while it is loaded it can read any");
  }
  if (!installFilter(Stage::loading)) {
    throw Error("plugin_invalid", std::string("this kernel does not let a process confine itself with seccomp (") +
                                      std::strerror(errno) +
                                      "), and a plugin of its own process is not run without; say \"in-process\" in "
                                      "plugins.isolation if you trust it");
  }
  return gaps;
}

void confineForCalls(const std::vector<std::string>& gaps) {
  if (gaps.empty()) {
    landlock(landlockVersion(), {kTimeZones});
  }
  if (!installFilter(gaps.empty() ? Stage::calls : Stage::callsWithoutFiles)) {
    throw Error("plugin_invalid", std::string("seccomp: ") + std::strerror(errno));
  }
}

} // namespace calbridge::plugins
