#include "delivery/outcome_recorder.hpp"
#include "core/thread.hpp"

#include <chrono>

namespace calbridge::delivery {
namespace {

/// A transaction costs much the same for one outcome as for ten: what ends a moment later comes along. Nobody waits for
/// it but further work of the same mailbox.
constexpr auto kGather = std::chrono::milliseconds(2);
/// When so many have come by then, there are many to come: a few milliseconds more, and each page of the database is
/// written for several of them.
constexpr std::size_t kMany = 16;
constexpr auto kGatherMany = std::chrono::milliseconds(8);
constexpr std::size_t kEnough = 256;

} // namespace

OutcomeRecorder::OutcomeRecorder(store::Store& store, Logger& logger, Recorded recorded)
    : store_(store), logger_(logger), recorded_(std::move(recorded)), thread_([this] { run(); }) {}

OutcomeRecorder::~OutcomeRecorder() {
  stop();
}

void OutcomeRecorder::add(store::DeliveryOutcome outcome) {
  bool worthAWord = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(outcome));
    worthAWord = waiting_.size() == 1 || waiting_.size() == kEnough;
  }
  if (worthAWord)
    ready_.notify_one();
}

void OutcomeRecorder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void OutcomeRecorder::run() {
  nameThread("outcomes");
  std::vector<store::DeliveryOutcome> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      // What an earlier round could not store is a reason to go on, too.
      ready_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !batch.empty(); });
      if (waiting_.empty() && batch.empty())
        return;
      const auto enough = [this] { return stopping_ || waiting_.size() >= kEnough; };
      if (batch.empty() && !ready_.wait_for(lock, kGather, enough) && waiting_.size() >= kMany)
        ready_.wait_for(lock, kGatherMany, enough);
      batch.insert(batch.end(), std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
      waiting_.clear();
    }
    try {
      store_.recordOutcomes(batch);
      recorded_(batch);
      batch.clear();
    } catch (const std::exception& error) {
      logger_.error("outcomes of deliveries cannot be stored; they are kept in memory and offered again",
                    {{"reason", error.what()}, {"outcomes", std::to_string(batch.size())}});
      std::unique_lock lock(mutex_);
      if (stopping_)
        return; // they stay due: the entries will be found again by their deterministic ids
      ready_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; });
    }
  }
}

} // namespace calbridge::delivery
