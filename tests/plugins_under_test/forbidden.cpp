#include "forbidden.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

/// A child that came about in spite of all ends at once.
bool born(pid_t child) {
  if (child == 0) {
    ::_exit(0);
  }
  return child > 0;
}

bool opens(const char* path, int flags) {
  return ::open(path, flags, 0600) >= 0;
}

bool connects() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  return fd >= 0 || ::connect(3, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool executes() {
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  char* environment[] = {nullptr};
  pid_t child = -1;
  if (::posix_spawn(&child, program, nullptr, nullptr, arguments, environment) == 0) {
    return true;
  }
  ::execve(program, arguments, environment); // does not return when it works: the process's end is seen
  return false;
}

bool raisesItsLimits() {
  const rlimit more{RLIM_INFINITY, RLIM_INFINITY};
  return ::setrlimit(RLIMIT_DATA, &more) == 0 || ::setrlimit(RLIMIT_NOFILE, &more) == 0;
}

bool makesCode() {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page != MAP_FAILED && ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

/// Memory that RLIMIT_DATA does not count.
bool maps(int flags) {
  return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0) != MAP_FAILED;
}

/// Is anything open but the standard descriptors and the socket to the host?
bool hasOtherDescriptors() {
  for (int fd = 4; fd < 4096; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) {
      return true;
    }
  }
  return false;
}

bool readsTheHostsMemory() {
  long word = 0;
  iovec here{&word, sizeof word};
  iovec there{&word, sizeof word};
  return ::process_vm_readv(::getppid(), &here, 1, &there, 1, 0) >= 0 || errno != EPERM;
}

/// A system call that is not on the list at all: EPERM, whatever its arguments.
bool isKnown(long number) {
  errno = 0;
  return ::syscall(number, 0, 0, 0, 0, 0, 0) >= 0 || errno != EPERM;
}

bool runsThreads() {
  int ran = 0;
  std::thread([&ran] { ran = 1; }).join();
  return ran == 1;
}

} // namespace

std::string whatIsPossible() {
  const struct {
    const char* name;
    bool worked;
  } tries[] = {
      {"read-a-file", opens("/etc/passwd", O_RDONLY)},
      {"read-a-library", opens("/usr/lib/os-release", O_RDONLY)},
      {"read-its-process", opens("/proc/self/environ", O_RDONLY)},
      {"read-a-folder", opens("/tmp", O_RDONLY | O_DIRECTORY)},
      {"write-a-file", opens("/tmp/calbridge-forbidden", O_WRONLY | O_CREAT)},
      {"make-a-nameless-file", opens("/tmp", O_RDWR | O_TMPFILE)},
      {"make-a-folder", ::mkdir("/tmp/calbridge-forbidden-folder", 0700) == 0},
      {"remove-a-file", ::unlink("/tmp/calbridge-forbidden") == 0},
      {"make-memory-a-file", ::syscall(SYS_memfd_create, "x", 0) >= 0},
      {"use-the-network", connects()},
      {"make-a-local-socket", ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0},
      {"fork", born(::fork())},
      {"clone", born(static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)))},
      {"execute", executes()},
      {"trace", ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) == 0},
      {"be-traced", ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0},
      {"signal-the-host", ::kill(::getppid(), 0) == 0},
      {"signal-all", ::kill(-1, 0) == 0},
      {"outlive-the-host", ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) == 0},
      {"be-looked-into", ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0},
      {"raise-its-limits", raisesItsLimits()},
      {"make-code", makesCode()},
      {"leave-its-namespace", ::unshare(CLONE_NEWUSER) == 0},
      {"change-its-user", ::setuid(12345) == 0},
      {"make-a-thread-of-another-namespace",
       ::syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET, nullptr, nullptr, nullptr, 0) >=
               0 ||
           errno != EPERM},
      {"share-memory", maps(MAP_SHARED)},
      {"map-memory-that-grows", maps(MAP_PRIVATE | MAP_GROWSDOWN)},
      {"read-the-host's-memory", readsTheHostsMemory()},
      {"use-io_uring", isKnown(SYS_io_uring_setup)},
      {"take-descriptors-of-others", isKnown(SYS_pidfd_open) || isKnown(SYS_pidfd_getfd)},
      {"load-into-the-kernel", isKnown(SYS_bpf) || isKnown(SYS_init_module)},
      {"handle-page-faults", isKnown(SYS_userfaultfd)},
      {"use-keyrings", isKnown(SYS_keyctl) || isKnown(SYS_add_key)},
      {"mount", isKnown(SYS_mount) || isKnown(SYS_chroot)},
      {"open-by-handle", isKnown(SYS_open_by_handle_at)},
      {"control-devices", isKnown(SYS_ioctl)},
      {"filter-its-own-calls", isKnown(SYS_seccomp)},
      {"have-other-descriptors", hasOtherDescriptors()},
      {"see-an-environment", environ != nullptr && environ[0] != nullptr},
      // From here on, what it may:
      {"read-a-time-zone", opens("/usr/share/zoneinfo/UTC", O_RDONLY)},
      {"run-threads", runsThreads()},
  };
  std::string worked;
  for (const auto& one : tries) {
    if (one.worked) {
      worked += (worked.empty() ? "" : " ") + std::string(one.name);
    }
  }
  return worked;
}
