#include "plugins/seccomp_filter.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <initializer_list>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace calbridge::plugins {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kForeignNumbers = 0x40000000; // x32 shares the architecture, not the numbers
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kForeignNumbers = 0x80000000;
#else
#error "isolated plugins need this architecture's name for seccomp here"
#endif

/// Computing, memory, time, threads, signals within the process, and the descriptors that it has.
constexpr long kAlways[] = {
    SYS_read,
    SYS_readv,
    SYS_write,
    SYS_writev,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_close,
    SYS_lseek,
    SYS_pread64,
    SYS_fstat,
    SYS_newfstatat,
    SYS_ppoll,
    SYS_pselect6,
    SYS_eventfd2,
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_futex,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrandom,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_membarrier,
    SYS_rseq,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_exit,
    SYS_exit_group,
    SYS_uname,
    SYS_getrusage,
    SYS_times,
#if defined(__x86_64__)
    SYS_poll,
    SYS_select,
    SYS_pause,
    SYS_time,
#endif
};

/// What the dynamic loader asks besides, and what closes the next stage.
constexpr long kLoading[] = {
    SYS_faccessat,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_getdents64,
    SYS_statx,
    SYS_fadvise64,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
    SYS_seccomp,
#if defined(__x86_64__)
    SYS_access,
    SYS_readlink,
    SYS_stat,
    SYS_lstat,
    SYS_arch_prctl,
#endif
};

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;

/// A thread of this process, and nothing else that clone() makes: no process, no namespace, no traced one.
constexpr std::uint32_t kCloneFlags = CLONE_THREAD | CLONE_PARENT | CLONE_PTRACE | CLONE_VFORK | CLONE_NEWNS |
                                      CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                      CLONE_NEWNET;

/// Shared memory and memory that grows by itself do not count for RLIMIT_DATA.
constexpr std::uint32_t kUncountedMemory = MAP_SHARED | MAP_GROWSDOWN;

/// Opening for anything but reading. O_TMPFILE is one of them, with bits of others.
constexpr std::uint32_t kOtherThanReading = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);

class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    unless(BPF_JEQ, kArchitecture, SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
    put(BPF_JMP | BPF_JGE | BPF_K, kForeignNumbers, 0, 1);
    end(SECCOMP_RET_KILL_PROCESS);
  }

  void call(long number, std::uint32_t verdict) {
    put(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1);
    end(verdict);
  }
  /// What the bits of `mask` in an argument must be. Arguments are ints here: their upper halves are ignored by the
  /// kernel, and so they are here.
  struct Bits {
    unsigned argument;
    std::uint32_t mask;
    std::uint32_t value = 0;
  };
  /// Allowed where all of `conditions` hold.
  void callWhere(long number, std::initializer_list<Bits> conditions) {
    const auto behind = static_cast<std::uint8_t>(conditions.size() * 4 + 1);
    put(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, behind);
    for (const Bits& bits : conditions) {
      load(offsetof(seccomp_data, args) + bits.argument * 8);
      put(BPF_ALU | BPF_AND | BPF_K, bits.mask);
      put(BPF_JMP | BPF_JEQ | BPF_K, bits.value, 1, 0);
      end(kRefuse);
    }
    end(kAllow);
  }
  /// Allowed where the argument, a pointer, is null.
  void callWithNull(long number, unsigned argument) {
    put(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 6);
    load(offsetof(seccomp_data, args) + argument * 8);
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
    load(offsetof(seccomp_data, args) + argument * 8 + 4);
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
    end(kAllow);
    end(kRefuse);
  }

  bool install() {
    end(kRefuse);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    // For all threads: one that a constructor left behind, too.
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
  }

 private:
  void put(int code, std::uint32_t value, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), yes, no, value});
  }
  void load(std::size_t offset) { put(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void end(std::uint32_t verdict) { put(BPF_RET | BPF_K, verdict); }
  void unless(int comparison, std::uint32_t value, std::uint32_t verdict) {
    put(BPF_JMP | comparison | BPF_K, value, 1, 0);
    end(verdict);
  }

  std::vector<sock_filter> code_;
};

} // namespace

bool installFilter(Stage stage) {
  Filter filter;
  for (const long number : kAlways) {
    filter.call(number, kAllow);
  }
  if (stage == Stage::loading) {
    for (const long number : kLoading) {
      filter.call(number, kAllow);
    }
    filter.callWhere(SYS_mmap, {{3, kUncountedMemory}});
    filter.call(SYS_mprotect, kAllow);
  } else { // nothing becomes code after loading
    filter.callWhere(SYS_mmap, {{2, PROT_EXEC}, {3, kUncountedMemory}});
    filter.callWhere(SYS_mprotect, {{2, PROT_EXEC}});
  }
  if (stage != Stage::callsWithoutFiles) {
    filter.callWhere(SYS_openat, {{2, kOtherThanReading, O_RDONLY}});
#if defined(__x86_64__)
    filter.callWhere(SYS_open, {{1, kOtherThanReading, O_RDONLY}});
#endif
  }
  filter.callWhere(SYS_clone, {{0, kCloneFlags, CLONE_THREAD}});
  filter.call(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS); // its flags are out of sight: the C library uses clone then
  filter.callWhere(SYS_prctl, {{0, ~0U, PR_SET_NAME}});
  filter.callWhere(SYS_tgkill, {{0, ~0U, static_cast<std::uint32_t>(::getpid())}}); // abort()
  filter.callWhere(SYS_fcntl, {{1, ~3U}}); // F_DUPFD, F_GETFD, F_SETFD, F_GETFL
  filter.callWithNull(SYS_prlimit64, 2);   // to look, not to set
  return filter.install();
}

} // namespace calbridge::plugins
