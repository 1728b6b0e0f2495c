#include "conformance/loading.hpp"

#include "conformance/trial.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

/// The text at an address of another process.
std::string textAt(pid_t process, std::uint64_t address) {
  std::string text;
  std::array<char, 256> piece{};
  while (text.size() < 4096) {
    iovec here{piece.data(), piece.size() - address % piece.size()}; // never over the end of a page
    iovec there{reinterpret_cast<void*>(address), here.iov_len};     // NOLINT: an address of the other process
    const ssize_t got = ::process_vm_readv(process, &here, 1, &there, 1, 0);
    if (got <= 0) {
      return text;
    }
    const std::string_view read(piece.data(), static_cast<std::size_t>(got));
    const std::size_t end = read.find('\0');
    text += read.substr(0, end);
    if (end != std::string_view::npos) {
      return text;
    }
    address += static_cast<std::uint64_t>(got);
  }
  return text;
}

/// The path that a system call opens, or empty when it opens none.
std::string opened(pid_t process, const __ptrace_syscall_info& call) {
  switch (call.entry.nr) {
#if defined(SYS_open)
  case SYS_open:
  case SYS_creat:
    return textAt(process, call.entry.args[0]);
#endif
  case SYS_openat:
  case SYS_openat2:
    return textAt(process, call.entry.args[1]);
  case SYS_socket:
    return "(a socket)";
  default:
    return {};
  }
}

bool startsWithOneOf(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view one) { return text.starts_with(one); });
}

/// Symbols that may be absent: a sanitizer's own, and what compilers refer to in case it is there.
bool mayBeAbsent(const ElfFile::Symbol& symbol, bool sanitized) {
  const bool sanitizers =
      startsWithOneOf(symbol.name, {"__asan_", "__tsan_", "__ubsan_", "__lsan_", "__sanitizer_", "__interceptor"});
  return (sanitized && sanitizers) ||
         (symbol.weak && startsWithOneOf(symbol.name, {"_ITM_", "__gmon_start__", "__cxa_"}));
}

[[noreturn]] void beTraced(const std::function<void()>& body) {
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
    ::_exit(99);
  }
  ::raise(SIGSTOP);
  body();
  ::_exit(0);
}

} // namespace

std::vector<std::string> filesOpenedBy(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    beTraced(body);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (child < 0 || !WIFSTOPPED(status)) {
    throw Skipped{"this machine does not allow a process to be traced (ptrace)"};
  }
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  std::vector<std::string> files;
  std::string pending;
  int signal = 0;
  for (;;) {
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, signal) != 0 || ::waitpid(child, &status, 0) != child) {
      break;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      return files;
    }
    const bool call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal = call ? 0 : WSTOPSIG(status);
    __ptrace_syscall_info info{};
    if (!call || ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) {
      continue;
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      pending = opened(child, info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && !pending.empty() && info.exit.rval >= 0) {
      files.push_back(pending);
    }
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  throw Skipped{"this machine does not let a traced process go on (ptrace)"};
}

std::vector<ElfFile::Symbol> symbolsFromElsewhere(const ElfFile& loaded) {
  std::vector<void*> handles;
  for (const std::string& name : loaded.needed) {
    if (void* handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD); handle != nullptr) {
      handles.push_back(handle);
    }
  }
  std::vector<ElfFile::Symbol> symbols;
  for (const ElfFile::Symbol& symbol : loaded.undefined) {
    const bool found = std::any_of(handles.begin(), handles.end(),
                                   [&](void* handle) { return ::dlsym(handle, symbol.name.c_str()) != nullptr; });
    if (!found && !mayBeAbsent(symbol, !loaded.sanitizer.empty())) {
      symbols.push_back(symbol);
    }
  }
  return symbols;
}

std::size_t threadCount() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

bool threadsFallTo(std::size_t count) {
  // A thread that was joined is still listed for a moment.
  for (int tries = 0; tries < 100 && threadCount() > count; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return threadCount() <= count;
}

std::vector<std::string> openDescriptors() {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(entry.path(), error);
    if (!error && target.string().find("/fd") == std::string::npos) { // not the one that lists them
      all.push_back(entry.path().filename().string() + " -> " + target.string());
    }
  }
  return all;
}

} // namespace calbridge::conformance
