// A disk that fails on command, below one program: preloaded into the host, it stands between SQLite and the kernel.
//
// CALBRIDGE_FAULTY_DISK names a file of 64-bit numbers (enum Control) that the test shares with it, CALBRIDGE_FAULTY_FILES
// the beginning of the paths that lie on that disk. Everything else passes through.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum Control {
  kWritesUntilKill, // killed on entering that write; 0: never
  kSyncsUntilKill,
  kTorn,       // a write that is killed has written its first half
  kWriteError, // errno of every write; 0: none
  kSyncError,
  kOpenError, // errno of every opening for writing
  kKeepSynced, // after each sync the file is copied: what would survive a power failure
  kWrites,     // counted
  kSyncs,
  kFields
};

static volatile int64_t* control;
static const char *files, *shared;

__attribute__((constructor)) static void begin(void) {
  shared = getenv("CALBRIDGE_FAULTY_DISK");
  files = getenv("CALBRIDGE_FAULTY_FILES");
  if (!shared || !files)
    return;
  int fd = open(shared, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return;
  void* at = mmap(NULL, kFields * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED)
    control = at;
}

static int pathOnDisk(const char* path) {
  return control && strncmp(path, files, strlen(files)) == 0 && !strstr(path, "-shm");
}

static int onDisk(int fd, char path[PATH_MAX]) {
  if (!control)
    return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0)
    return 0;
  path[length] = 0;
  return pathOnDisk(path);
}

static int isKill(enum Control countdown) {
  return control[countdown] > 0 && --control[countdown] == 0;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static ssize_t (*real)(int, const void*, size_t, off64_t);
  if (!real)
    real = (ssize_t(*)(int, const void*, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  char path[PATH_MAX];
  if (onDisk(fd, path)) {
    ++control[kWrites];
    if (isKill(kWritesUntilKill)) {
      if (control[kTorn])
        real(fd, data, size / 2, offset);
      kill(getpid(), SIGKILL);
      pause();
    }
    if (control[kWriteError]) {
      errno = (int)control[kWriteError];
      return -1;
    }
  }
  return real(fd, data, size, offset);
}

/// Copies the file beside the control file, complete or not at all.
static void keep(int fd, const char* path) {
  char made[PATH_MAX + 32], temporary[PATH_MAX + 64];
  snprintf(made, sizeof made, "%s.%s", shared, strrchr(path, '/') + 1);
  snprintf(temporary, sizeof temporary, "%s.new", made);
  int out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  char block[65536];
  ssize_t size;
  for (off_t at = 0; (size = pread(fd, block, sizeof block, at)) > 0; at += size)
    if (write(out, block, (size_t)size) != size)
      abort();
  close(out);
  rename(temporary, made);
}

static int synced(const char* name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  char path[PATH_MAX];
  if (!onDisk(fd, path))
    return real(fd);
  ++control[kSyncs];
  if (isKill(kSyncsUntilKill)) {
    kill(getpid(), SIGKILL);
    pause();
  }
  if (control[kSyncError]) {
    errno = (int)control[kSyncError];
    return -1;
  }
  int result = real(fd);
  if (result == 0 && control[kKeepSynced])
    keep(fd, path);
  return result;
}

int fdatasync(int fd) {
  return synced("fdatasync", fd);
}

int fsync(int fd) {
  return synced("fsync", fd);
}

int open64(const char* path, int flags, ...) {
  static int (*real)(const char*, int, ...);
  if (!real)
    real = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open64");
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (control && control[kOpenError] && (flags & O_ACCMODE) != O_RDONLY && pathOnDisk(path)) {
    errno = (int)control[kOpenError];
    return -1;
  }
  return real(path, flags, mode);
}
