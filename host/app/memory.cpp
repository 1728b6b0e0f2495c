#include "app/memory.hpp"

#include <malloc.h>
#include <sys/prctl.h>

namespace calbridge::app {
namespace {

constexpr int kArenas = 4;
/// Blocks beyond this come straight from the system and go straight back. Fixed, or freeing one large block would raise
/// it, and the next burst would stay.
constexpr int kLargeBlock = 256 * 1024;
constexpr int kKeptFree = 512 * 1024;

} // namespace

void shareMemoryAmongThreads() {
  mallopt(M_ARENA_MAX, kArenas);
  mallopt(M_MMAP_THRESHOLD, kLargeBlock);
  mallopt(M_TRIM_THRESHOLD, kKeptFree);
}

void keepMemoryPrivate() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void giveMemoryBack() {
  malloc_trim(0);
}

} // namespace calbridge::app
