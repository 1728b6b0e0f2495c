// A disk that fails on command, below one program: preloaded into the host, it stands between SQLite and the kernel.
//
// CALBRIDGE_FAULTY_DISK names a file of 64-bit numbers (enum Control) that the test shares with it,
// CALBRIDGE_FAULTY_FILES the beginning of the paths that lie on that disk. Everything else passes through.
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
  kOpenError,  // errno of every opening for writing
  kKeepSynced, // what is synced is copied to a twin of the file: what would survive a power failure
  kWrites,     // counted
  kSyncs,
  kFields
};

enum { kRanges = 4096 };

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

/// What was written to a file since its last sync. Only one thread writes to a database.
struct Written {
  char path[PATH_MAX];
  int count;
  off64_t from[kRanges], to[kRanges];
};

static struct Written* writtenTo(const char* path) {
  static struct Written all[4];
  for (int i = 0; i < 4; ++i) {
    if (!all[i].path[0])
      snprintf(all[i].path, sizeof all[i].path, "%s", path);
    if (strcmp(all[i].path, path) == 0)
      return &all[i];
  }
  abort();
}

static void note(const char* path, off64_t from, off64_t to) {
  struct Written* written = writtenTo(path);
  int last = written->count - 1;
  if (last >= 0 && written->to[last] == from)
    written->to[last] = to;
  else if (written->count < kRanges) {
    written->from[written->count] = from;
    written->to[written->count++] = to;
  } else { // too many: all between them as well
    for (int i = 0; i < kRanges; ++i) {
      from = written->from[i] < from ? written->from[i] : from;
      to = written->to[i] > to ? written->to[i] : to;
    }
    written->from[0] = from, written->to[0] = to, written->count = 1;
  }
}

static ssize_t (*realWrite)(int, const void*, size_t, off64_t);

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  if (!realWrite)
    realWrite = (ssize_t(*)(int, const void*, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  char path[PATH_MAX];
  if (!onDisk(fd, path))
    return realWrite(fd, data, size, offset);
  ++control[kWrites];
  if (isKill(kWritesUntilKill)) {
    if (control[kTorn])
      realWrite(fd, data, size / 2, offset);
    kill(getpid(), SIGKILL);
    pause();
  }
  if (control[kWriteError]) {
    errno = (int)control[kWriteError];
    return -1;
  }
  note(path, offset, offset + (off64_t)size);
  return realWrite(fd, data, size, offset);
}

/// Copies what was written since the last sync to the file's twin beside the control file: that is on the disk now.
static void keep(int fd, const char* path) {
  char twin[PATH_MAX + 32], block[4096];
  snprintf(twin, sizeof twin, "%s.%s", shared, strrchr(path, '/') + 1);
  int out = open(twin, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct stat info;
  fstat(fd, &info);
  struct Written* written = writtenTo(path);
  for (int i = 0; i < written->count; ++i) {
    off64_t at = written->from[i], end = written->to[i] < info.st_size ? written->to[i] : info.st_size;
    while (at < end) {
      size_t size = end - at < (off64_t)sizeof block ? (size_t)(end - at) : sizeof block;
      if (pread(fd, block, size, at) != (ssize_t)size || realWrite(out, block, size, at) != (ssize_t)size)
        abort();
      at += (off64_t)size;
    }
  }
  written->count = 0;
  if (ftruncate(out, info.st_size) != 0)
    abort();
  close(out);
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
    writtenTo(path)->count =
        0; // the kernel takes these pages for clean now: they are never written, unless changed again
    errno = (int)control[kSyncError];
    return -1;
  }
  int result = real(fd);
  if (result == 0 && control[kKeepSynced])
    keep(fd, path);
  return result;
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return pwrite64(fd, data, size, offset);
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
