// std::timed_mutex::try_lock_for calls pthread_mutex_clocklock, which g++ 12's ThreadSanitizer does not know: it would
// take the unlock that follows for one of an unlocked mutex, and what the mutex guards for unguarded. So programs that
// are built with it get this one, which locks through a function that it knows.
#include <ctime>
#include <pthread.h>

extern "C" int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) noexcept {
  constexpr long kSecond = 1'000'000'000;
  timespec now{}, wall{};
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &wall);
  wall.tv_sec += until->tv_sec - now.tv_sec;
  wall.tv_nsec += until->tv_nsec - now.tv_nsec;
  while (wall.tv_nsec < 0) {
    wall.tv_nsec += kSecond;
    --wall.tv_sec;
  }
  while (wall.tv_nsec >= kSecond) {
    wall.tv_nsec -= kSecond;
    ++wall.tv_sec;
  }
  return pthread_mutex_timedlock(mutex, &wall);
}
