#include "delivery/outcome_recorder.hpp"

#include <chrono>

namespace calbridge::delivery {

OutcomeRecorder::OutcomeRecorder(store::Store& store, Logger& logger, Recorded recorded)
    : store_(store), logger_(logger), recorded_(std::move(recorded)), thread_([this] { run(); }) {}

OutcomeRecorder::~OutcomeRecorder() {
  stop();
}

void OutcomeRecorder::add(store::DeliveryOutcome outcome) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back(std::move(outcome));
  }
  if (first)
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
  std::vector<store::DeliveryOutcome> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty() && batch.empty())
        return;
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
