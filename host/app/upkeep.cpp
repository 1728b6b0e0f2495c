#include "app/upkeep.hpp"
#include "app/memory.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

namespace calbridge::app {
namespace {
constexpr TimeMs kDay = TimeMs{24} * 3600 * 1000;
constexpr auto kRound = std::chrono::seconds(10);
constexpr int kRoundsBetweenPrunes = std::chrono::hours(1) / kRound;
} // namespace

Upkeep::Upkeep(store::Store& store, const Clock& clock, Logger& logger, RetentionConfig retention)
    : store_(store), clock_(clock), logger_(logger), retention_(retention), thread_([this] { run(); }) {}

Upkeep::~Upkeep() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Upkeep::run() {
  nameThread("upkeep");
  int rounds = 0;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kRound, [this] { return stopping_; })) {
    lock.unlock();
    giveMemoryBack();
    if (++rounds % kRoundsBetweenPrunes == 0)
      prune();
    lock.lock();
  }
}

void Upkeep::prune() {
  try {
    const TimeMs now = clock_.now();
    const TimeMs before = now - retention_.eventsDays * kDay;
    if (const auto rows = store_.prune(before, before, now); rows > 0)
      logger_.info("what its retention had passed was deleted", {{"rows", std::to_string(rows)}});
    store_.pruneAudit(now - retention_.auditDays * kDay);
  } catch (const Error& error) {
    logger_.error("old rows could not be deleted; tried again in an hour", {{"reason", error.message()}});
  }
}

} // namespace calbridge::app
