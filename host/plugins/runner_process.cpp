#include "plugins/runner_process.hpp"

#include "core/error.hpp"
#include "plugins/sandbox.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace calbridge::plugins {
namespace {

constexpr int kSocketThere = 3; ///< the socket's number in the runner
constexpr suseconds_t kReadMicros = 100'000;

[[noreturn]] void refuse(const std::filesystem::path& plugin, const std::string& why) {
  throw Error("plugin_invalid", plugin.string() + ": cannot be given a process of its own: " + why);
}

struct Ends {
  OwnedFd host;
  OwnedFd runner;
};

Ends makePipe(const std::filesystem::path& plugin) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    refuse(plugin, std::strerror(errno));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

Ends makeSocket(const std::filesystem::path& plugin) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    refuse(plugin, std::strerror(errno));
  }
  const timeval slice{0, kReadMicros};
  ::setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice);
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

/// What posix_spawn is told, and gives back its memory.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::string wordsFor(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return (signal == SIGKILL ? std::string("it was killed") : std::string("it crashed")) + " (" + strsignal(signal) +
           ")";
  }
  const int code = WEXITSTATUS(status);
  return code == kOutOfMemory ? "it used up its " + std::to_string(kMostMemory >> 20) + " MiB of memory"
                              : "it ended by itself with exit code " + std::to_string(code);
}

} // namespace

void OwnedFd::close() {
  if (fd_ >= 0) {
    ::close(release());
  }
}

RunnerProcess::RunnerProcess(const std::filesystem::path& runner, const std::filesystem::path& plugin) {
  if (::access(runner.c_str(), X_OK) != 0) {
    refuse(plugin, runner.string() + ": " + std::strerror(errno) +
                       ". calbridge-plugin-runner belongs beside the program calbridge");
  }
  Ends socket = makeSocket(plugin);
  Ends output = makePipe(plugin);
  Ends errors = makePipe(plugin);
  SpawnPlan plan;
  ::posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&plan.actions, output.runner.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&plan.actions, errors.runner.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_adddup2(&plan.actions, socket.runner.get(), kSocketThere);
  ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, kSocketThere + 1);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
  std::string program = runner.string();
  std::string path = plugin.string();
  std::string option = "--fd";
  std::string number = std::to_string(kSocketThere);
  std::array<char*, 5> arguments = {program.data(), path.data(), option.data(), number.data(), nullptr};
  std::array<char*, 1> environment = {nullptr}; // the host's holds secrets
  const int error =
      ::posix_spawn(&id_, program.c_str(), &plan.actions, &plan.attributes, arguments.data(), environment.data());
  if (error != 0) {
    refuse(plugin, program + ": " + std::strerror(error));
  }
  socket_ = std::make_shared<const OwnedFd>(std::move(socket.host));
  output_ = std::move(output.host);
  errors_ = std::move(errors.host);
}

RunnerProcess::~RunnerProcess() {
  finish(std::chrono::milliseconds(0));
}

const std::string& RunnerProcess::finish(std::chrono::milliseconds patience) {
  if (!end_.empty()) {
    return end_;
  }
  const auto until = std::chrono::steady_clock::now() + patience;
  int status = 0;
  pid_t gone = 0;
  while ((gone = ::waitpid(id_, &status, WNOHANG)) == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  if (gone == 0) {
    ::kill(id_, SIGKILL);
    while ((gone = ::waitpid(id_, &status, 0)) < 0 && errno == EINTR) {
    }
  }
  return end_ = gone > 0 ? wordsFor(status) : std::string("it is gone");
}

} // namespace calbridge::plugins
