#include "core/error.hpp"
#include "plugins/plugin_library.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace calbridge::plugins {
namespace {

constexpr std::chrono::seconds kTime{10};
constexpr std::size_t kLongestWord = 8192;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error("plugin_invalid", path.string() + ": " + why);
}

/// The child's process id, and the read end of a pipe at its standard output.
struct Child {
  pid_t id = -1;
  int output = -1;
};

Child spawn(const std::filesystem::path& path, const std::filesystem::path& probe) {
  if (::access(probe.c_str(), X_OK) != 0) {
    refuse(path, "cannot be probed: " + probe.string() + ": " + std::strerror(errno) +
                     ". calbridge-plugin-probe belongs beside the program calbridge");
  }
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    refuse(path, std::string("cannot be probed: ") + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::string program = probe.string();
  std::string argument = path.string();
  std::array<char*, 3> arguments = {program.data(), argument.data(), nullptr};
  std::array<char*, 1> environment = {nullptr}; // the host's holds secrets
  Child child{-1, pipe[0]};
  const int error = posix_spawn(&child.id, program.c_str(), &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (error != 0) {
    ::close(pipe[0]);
    refuse(path, "cannot be probed: " + program + ": " + std::strerror(error));
  }
  return child;
}

/// Everything that the child writes until it closes or the time is over.
std::string listen(int output) {
  std::string said;
  const auto end = std::chrono::steady_clock::now() + kTime;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd waiting{output, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    std::array<char, 1024> buffer{};
    const ssize_t got = ready > 0 ? ::read(output, buffer.data(), buffer.size()) : 0;
    if (got <= 0) {
      return said;
    }
    if (said.size() < kLongestWord) {
      said.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
}

} // namespace

void probeLibrary(const std::filesystem::path& path, const std::filesystem::path& probe) {
  const Child child = spawn(path, probe);
  const std::string said = listen(child.output);
  ::close(child.output);
  // A child that has said all is at its end; one that hangs, or closed its output to live on, is ended.
  int status = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  pid_t gone = 0;
  while ((gone = ::waitpid(child.id, &status, WNOHANG)) == 0 && std::chrono::steady_clock::now() < end) {
    ::usleep(500);
  }
  if (gone == 0) {
    ::kill(child.id, SIGKILL);
    while (::waitpid(child.id, &status, 0) < 0 && errno == EINTR) {
    }
    refuse(path, "loading it takes forever: its constructors must not block");
  }
  if (gone > 0 && WIFSIGNALED(status)) {
    refuse(path, std::string("loading it crashes (") + strsignal(WTERMSIG(status)) +
                     "): it is corrupt or made for another machine");
  }
  if (gone > 0 && WEXITSTATUS(status) != 0) {
    throw Error("plugin_invalid", said.empty() ? path.string() + ": loading it ended the process" : said);
  }
}

} // namespace calbridge::plugins
