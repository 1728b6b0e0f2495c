// A wall clock that steps on command, below one program; monotonic time goes on as it does.
//
// CALBRIDGE_STEPPED_CLOCK names a file with one 64-bit number that the test shares with it: by how many milliseconds
// the wall clock is wrong. Waits until an instant of the wall clock (pthread_cond_timedwait) are kept as the kernel
// would keep them: a step forward ends them, a step back prolongs them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t* offsetMs;

__attribute__((constructor)) static void begin(void) {
  const char* shared = getenv("CALBRIDGE_STEPPED_CLOCK");
  int fd = shared ? open(shared, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0)
    return;
  void* at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED)
    offsetMs = at;
}

static int realClock(clockid_t clock, struct timespec* time) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real)
    real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  return real(clock, time);
}

static void shift(struct timespec* time, int64_t ms) {
  time->tv_sec += ms / 1000;
  time->tv_nsec += ms % 1000 * 1000000;
  if (time->tv_nsec < 0)
    --time->tv_sec, time->tv_nsec += 1000000000;
  if (time->tv_nsec >= 1000000000)
    ++time->tv_sec, time->tv_nsec -= 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  int result = realClock(clock, time);
  if (result == 0 && offsetMs && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    shift(time, *offsetMs);
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  struct timespec now;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t* into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into)
    *into = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* restrict cond, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict until) {
  static int (*real)(pthread_cond_t* restrict, pthread_mutex_t* restrict, const struct timespec* restrict);
  if (!real)
    real = (int (*)(pthread_cond_t* restrict, pthread_mutex_t* restrict, const struct timespec* restrict))dlsym(
        RTLD_NEXT, "pthread_cond_timedwait");
  if (!offsetMs || until->tv_sec < 1000000000) // an instant of the monotonic clock
    return real(cond, mutex, until);
  for (;;) {
    struct timespec now, slice;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec > until->tv_sec || (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec))
      return ETIMEDOUT;
    struct timespec left = {until->tv_sec - now.tv_sec, until->tv_nsec - now.tv_nsec};
    if (left.tv_nsec < 0)
      --left.tv_sec, left.tv_nsec += 1000000000;
    realClock(CLOCK_REALTIME, &slice);
    shift(&slice, left.tv_sec > 0 || left.tv_nsec > 20000000 ? 20 : left.tv_nsec / 1000000 + 1);
    int result = real(cond, mutex, &slice);
    if (result != ETIMEDOUT)
      return result;
  }
}
