#include "store/sqlite/readers.hpp"

namespace calbridge::store::sqlite {
namespace {
constexpr int kMostReaders = 4;
}

Readers::Loan::Loan(Readers& readers) : readers_(readers) {
  std::unique_lock lock(readers_.mutex_);
  readers_.free_.wait(lock, [&] { return !readers_.paused_ && readers_.lent_ < kMostReaders; });
  ++readers_.lent_;
  if (!readers_.idle_.empty()) {
    session_ = std::move(readers_.idle_.back());
    readers_.idle_.pop_back();
  }
}

Readers::Loan::~Loan() {
  if (!keep_)
    session_.reset();
  {
    const std::lock_guard lock(readers_.mutex_);
    --readers_.lent_;
    if (session_ != nullptr)
      readers_.idle_.push_back(std::move(session_));
  }
  readers_.free_.notify_all();
}

Session& Readers::Loan::session() {
  if (session_ == nullptr) {
    identify(readers_.path_); // opening would create a file that is missing
    session_ = std::make_unique<Session>(readers_.path_, Session::Role::reader);
  }
  return *session_;
}

Readers::Pause::Pause(Readers& readers) : readers_(readers) {
  std::unique_lock lock(readers_.mutex_);
  readers_.paused_ = true;
  readers_.free_.wait(lock, [&] { return readers_.lent_ == 0; });
}

Readers::Pause::~Pause() {
  {
    const std::lock_guard lock(readers_.mutex_);
    readers_.paused_ = false;
  }
  readers_.free_.notify_all();
}

void Readers::close() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
}

} // namespace calbridge::store::sqlite
