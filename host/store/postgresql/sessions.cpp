#include "store/postgresql/sessions.hpp"

#include <thread>

namespace calbridge::store::postgresql {
namespace {

constexpr int kMostSessions = 10;
constexpr int kAttempts = 6;
constexpr auto kPause = std::chrono::milliseconds(20); ///< before the third attempt; then twice as long each time
/// No further attempt after so long: a server that does not even refuse would hold the caller for all of them.
constexpr auto kPatience = std::chrono::seconds(4);

} // namespace

Sessions::Loan::Loan(Sessions& sessions) : sessions_(sessions) {
  std::unique_lock lock(sessions_.mutex_);
  sessions_.free_.wait(lock, [&] { return sessions_.lent_ < kMostSessions; });
  ++sessions_.lent_;
  if (!sessions_.idle_.empty()) {
    session_ = std::move(sessions_.idle_.back());
    sessions_.idle_.pop_back();
  }
}

Sessions::Loan::~Loan() {
  if (!keep_)
    session_.reset();
  {
    const std::lock_guard lock(sessions_.mutex_);
    --sessions_.lent_;
    if (session_ != nullptr)
      sessions_.idle_.push_back(std::move(session_));
  }
  sessions_.free_.notify_one();
}

Session& Sessions::Loan::session() {
  if (session_ == nullptr)
    session_ = std::make_unique<Session>(sessions_.url_);
  return *session_;
}

void Sessions::closeIdle() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
}

void Sessions::read(const Work& work) {
  const auto giveUpAt = std::chrono::steady_clock::now() + kPatience;
  for (int tries = 1;; ++tries) {
    Loan loan(*this);
    try {
      work(loan.session());
      loan.keep();
      return;
    } catch (const Failure& failure) {
      if (!failure.lost() || tries >= kAttempts || std::chrono::steady_clock::now() > giveUpAt)
        throw failure.toError();
      // Sessions that went idle together usually die together.
      closeIdle();
    } catch (...) {
      loan.keep(); // not the database's fault
      throw;
    }
    if (tries > 1)
      std::this_thread::sleep_for(kPause * (1 << (tries - 2)));
  }
}

void Sessions::write(Durability durability, const Work& work) {
  writeWith(durability, work);
}

void Sessions::writeStatement(const Work& work) {
  writeWith(std::nullopt, work);
}

/// No durability: without a transaction around the work.
void Sessions::writeWith(std::optional<Durability> durability, const Work& work) {
  const auto giveUpAt = std::chrono::steady_clock::now() + kPatience;
  for (int tries = 1;; ++tries) {
    const bool last = tries >= kAttempts || std::chrono::steady_clock::now() > giveUpAt;
    if (attempt(durability, work, last))
      return;
    if (tries > 1)
      std::this_thread::sleep_for(kPause * (1 << (tries - 2)));
  }
}

/// False when it is worth another attempt.
bool Sessions::attempt(std::optional<Durability> durability, const Work& work, bool last) {
  Loan loan(*this);
  try {
    Session& session = loan.session();
    if (durability)
      session.begin(*durability == Durability::durable);
    try {
      work(session);
    } catch (const Failure&) {
      throw;
    } catch (...) {
      if (durability)
        session.rollback();
      loan.keep();
      throw;
    }
    if (durability)
      session.commit();
    loan.keep();
    return true;
  } catch (const Failure& failure) {
    // Any error poisons the session: it is closed, and the server undoes what it was doing.
    if (last || !(failure.lost() || failure.retryable()))
      throw failure.toError();
    if (failure.lost())
      closeIdle();
    return false;
  }
}

} // namespace calbridge::store::postgresql
