#include "conformance/child_process.hpp"

#include "core/error.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

constexpr std::size_t kMostOutput = 64 << 10;
constexpr std::size_t kMostResult = 16 << 20;

[[noreturn]] void failed(const std::string& what) {
  throw Error("plugin_check_failed", what + ": " + std::strerror(errno));
}

/// An anonymous file: neither side of a check ever waits for the other to read.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : descriptor_(::memfd_create(name, MFD_CLOEXEC)) {
    if (descriptor_ < 0) {
      failed("no memory for a check");
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t put = ::write(descriptor_, text.data(), text.size());
      if (put < 0 && errno != EINTR) {
        failed("no memory for a check");
      }
      text.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
    ::lseek(descriptor_, 0, SEEK_SET);
  }
  std::string read(std::size_t most) const {
    std::string all;
    std::array<char, 16384> buffer{};
    for (off_t at = 0; all.size() < most;) {
      const ssize_t got = ::pread(descriptor_, buffer.data(), buffer.size(), at);
      if (got <= 0) {
        break;
      }
      all.append(buffer.data(), static_cast<std::size_t>(got));
      at += got;
    }
    return all;
  }

 private:
  int descriptor_;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) {
    out.push_back(const_cast<char*>(text.c_str())); // posix_spawn does not change them
  }
  out.push_back(nullptr);
  return out;
}

/// Waits until the process ends; false when the time is over first.
bool ended(pid_t child, std::chrono::milliseconds timeout) {
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, child, 0U));
  if (descriptor < 0) {
    failed("cannot watch a check");
  }
  const auto end = std::chrono::steady_clock::now() + timeout;
  int ready = 0;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd waiting{descriptor, POLLIN, 0};
    ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
  } while (ready < 0 && errno == EINTR);
  ::close(descriptor);
  return ready > 0;
}

} // namespace

ChildEnd runChild(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment, const std::string& input,
                  std::chrono::milliseconds timeout) {
  const MemoryFile job("check-job");
  const MemoryFile result("check-result");
  const MemoryFile output("check-output");
  job.write(input);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, job.descriptor(), 0);
  posix_spawn_file_actions_adddup2(&actions, output.descriptor(), 1);
  posix_spawn_file_actions_adddup2(&actions, output.descriptor(), 2);
  // A descriptor that is 3 already would keep its close-on-exec mark, so it takes a way round.
  posix_spawn_file_actions_adddup2(&actions, result.descriptor(), 200);
  posix_spawn_file_actions_adddup2(&actions, 200, 3);
  posix_spawn_file_actions_addclose(&actions, 200);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  pid_t child = -1;
  const int error =
      posix_spawn(&child, program.c_str(), &actions, &attributes, pointers(words).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    errno = error;
    failed("cannot start " + program.string());
  }
  ChildEnd end;
  end.timedOut = !ended(child, timeout);
  ::kill(-child, SIGKILL); // also what it has left behind
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.signal = WIFSIGNALED(status) && !end.timedOut ? WTERMSIG(status) : 0;
  end.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  end.result = result.read(kMostResult);
  end.output = output.read(kMostOutput);
  return end;
}

} // namespace calbridge::conformance
