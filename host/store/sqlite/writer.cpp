#include "store/sqlite/writer.hpp"
#include "core/thread.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace calbridge::store::sqlite {
namespace {

constexpr std::size_t kMostPerTurn[] = {1024, 4, 4}; ///< jobs, by Kind
constexpr int kTurnsBetweenLooks = 16;               ///< at the log file's size
/// Pages of 4 KiB in the log at which it is time for a checkpoint: when it has been quiet for a moment, since a turn is
/// mostly followed by another one for the same event, or in any case.
constexpr int kCheckpointWhenQuiet = 2000;
constexpr int kCheckpointAnyway = 6000;
constexpr auto kQuiet = std::chrono::milliseconds(5);
/// Durable work "keeps coming" when its last two transactions ended less than this ago: callers need that long to come
/// back. A single one, of an event now and then, holds nothing up.
constexpr auto kRecently = std::chrono::milliseconds(5);
/// For so many times its own duration relaxed work then stands back, but never for longer than kStandBackAtMost.
constexpr int kStandBack = 15;
constexpr auto kStandBackAtMost = std::chrono::milliseconds(500);
/// Readers that overlap without a gap keep SQLite from starting its log anew; beyond this they are held back once.
constexpr std::int64_t kWalBound = 96LL << 20;

std::int64_t fileSize(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

/// Writes a file's bytes over themselves and syncs. After a failed sync the kernel takes pages for clean that never
/// reached the disk, and no later sync writes them, unless they are written to again.
void writeAnew(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT)
      return;
    throw Failure(SQLITE_IOERR, path + ": " + std::strerror(errno));
  }
  std::vector<char> block(std::size_t{1} << 18);
  ssize_t size = 0;
  bool sound = true;
  for (off_t at = 0; sound && (size = ::pread(file, block.data(), block.size(), at)) > 0; at += size)
    sound = ::pwrite(file, block.data(), static_cast<std::size_t>(size), at) == size;
  sound = sound && size == 0 && ::fdatasync(file) == 0;
  const int reason = errno;
  ::close(file);
  if (!sound)
    throw Failure(SQLITE_IOERR_FSYNC, path + ": " + std::strerror(reason));
}

bool isDiskError(const Failure& failure) {
  return (failure.code() & 0xff) == SQLITE_IOERR;
}

} // namespace

Writer::Writer(std::string path, std::unique_ptr<Session> session, Readers& readers, Hooks hooks)
    : path_(std::move(path)), identity_(identify(path_)), readers_(readers), hooks_(std::move(hooks)),
      session_(std::move(session)) {
  session_->execute("PRAGMA synchronous = NORMAL");
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Writer::durable(const Work& work, const std::function<void()>& committed) {
  submit(Kind::durable, work, committed, true);
}
void Writer::relaxed(const Work& work, const std::function<void()>& committed) {
  submit(Kind::relaxed, work, committed, true);
}
void Writer::durableStatement(const Work& work) {
  submit(Kind::durable, work, {}, false);
}
void Writer::inspect(const Work& work) {
  submit(Kind::inspection, work, {}, false);
}

/// Either the caller has the turn, or its job waits for the writer's thread.
void Writer::submit(Kind kind, const Work& work, const std::function<void()>& committed, bool savepoint) {
  Job job{&work, committed ? &committed : nullptr, savepoint, {}};
  TurnPtr shared;
  {
    std::unique_lock lock(mutex_);
    if (stopping_)
      throw Error("store_unavailable", "The store is closing; nothing was stored.");
    if (!taken_ && !queued() && !durableKeepsComing(Clock::now())) {
      taken_ = true;
    } else {
      // Who has the turn looks at the queue when it ends; relaxed work may be standing back.
      const bool worthAWord = !taken_ && (kind != Kind::relaxed || !queued());
      auto& queue = queues_[static_cast<int>(kind)];
      if (queue.empty() || queue.back()->jobs.size() >= kMostPerTurn[static_cast<int>(kind)])
        queue.push_back(std::make_shared<Turn>());
      shared = queue.back();
      shared->jobs.push_back(&job);
      lock.unlock();
      if (worthAWord)
        wake_.notify_one();
    }
  }
  if (shared != nullptr) {
    shared->ending.wait();
  } else {
    Job* const alone[] = {&job};
    turn(kind, alone);
    endTurn();
  }
  if (job.failure)
    std::rethrow_exception(job.failure);
}

/// Under mutex_.
bool Writer::queued() const {
  return std::any_of(std::begin(queues_), std::end(queues_), [](const auto& queue) { return !queue.empty(); });
}

/// Under mutex_.
bool Writer::durableKeepsComing(Clock::time_point now) const {
  return now - durableBefore_ < kRecently;
}

/// Under mutex_.
bool Writer::relaxedMayRun() const {
  const auto now = Clock::now();
  return stopping_ || now >= relaxedNotBefore_ || !durableKeepsComing(now);
}

Writer::TurnPtr Writer::next(Kind kind) {
  const std::lock_guard lock(mutex_);
  auto& queue = queues_[static_cast<int>(kind)];
  if (queue.empty() || (kind == Kind::relaxed && !relaxedMayRun()))
    return nullptr;
  TurnPtr turn = std::move(queue.front());
  queue.pop_front();
  return turn;
}

/// Takes the turn for the writer's thread when there is something for it. False when there will be no more.
bool Writer::awaitTurn() {
  std::unique_lock lock(mutex_);
  const auto waiting = [&](Kind kind) { return !queues_[static_cast<int>(kind)].empty(); };
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || queued() || checkpointAt_ != Clock::time_point::max(); });
    const auto now = Clock::now();
    if (!taken_ && (stopping_ || waiting(Kind::durable) || waiting(Kind::inspection) || now >= checkpointAt_ ||
                    (waiting(Kind::relaxed) && relaxedMayRun())))
      break;
    // Only what can wait: until its time has come, or something else. A caller whose turn ends says what has queued up
    // meanwhile, but nothing of the log.
    auto until = taken_ ? now + kQuiet : checkpointAt_;
    if (!taken_ && waiting(Kind::relaxed))
      until = std::min({until, relaxedNotBefore_, durableBefore_ + kRecently});
    wake_.wait_until(lock, until);
  }
  taken_ = true;
  return queued() || !stopping_;
}

void Writer::run() {
  nameThread("store writer");
  for (int rounds = 0; awaitTurn(); ++rounds) {
    bool worked = false;
    // What needs no fsync goes first: callers whose last commit has just ended come back meanwhile.
    for (const Kind kind : {Kind::relaxed, Kind::inspection, Kind::durable}) {
      if (const auto together = next(kind)) {
        turn(kind, together->jobs);
        together->ending.announce();
        worked = true;
      }
    }
    if (checkpointIsDue(worked))
      checkpoint();
    if (rounds % kTurnsBetweenLooks == 0)
      boundWal();
    const std::lock_guard lock(mutex_);
    taken_ = false;
  }
  session_.reset();
}

/// Of a caller. Whatever came meanwhile, and the log, are the writer's thread's.
void Writer::endTurn() {
  const int pages = session_ != nullptr ? session_->logPages() : 0;
  const std::lock_guard lock(mutex_);
  taken_ = false;
  if (planCheckpoint(pages) || stopping_ || queued())
    wake_.notify_one(); // under the lock: when it closes, there is no writer any more a moment later
}

/// After a turn that left so much in the log; under mutex_. True when the writer's thread has to hear of it.
bool Writer::planCheckpoint(int pages) {
  if (pages < kCheckpointWhenQuiet)
    return false;
  const bool planned = checkpointAt_ != Clock::time_point::max();
  checkpointAt_ = Clock::now();
  if (pages < kCheckpointAnyway)
    checkpointAt_ += kQuiet;
  return !planned || pages >= kCheckpointAnyway;
}

/// On the writer's thread, after a round with or without work.
bool Writer::checkpointIsDue(bool worked) {
  const int pages = session_ != nullptr ? session_->logPages() : 0;
  const std::lock_guard lock(mutex_);
  if (worked || queued())
    planCheckpoint(pages);
  const bool due = Clock::now() >= checkpointAt_;
  if (due || pages < kCheckpointWhenQuiet)
    checkpointAt_ = Clock::time_point::max();
  return due;
}

/// Does the jobs of one kind. Their callers still wait when it returns.
void Writer::turn(Kind kind, Jobs jobs) noexcept {
  if (kind == Kind::inspection) {
    inspectAll(jobs);
    return;
  }
  const auto began = Clock::now();
  transaction(jobs, kind == Kind::durable);
  const auto ended = Clock::now();
  const std::lock_guard lock(mutex_);
  if (kind == Kind::durable)
    durableBefore_ = std::exchange(lastDurable_, ended);
  else
    relaxedNotBefore_ = ended + std::min<Clock::duration>(kStandBack * (ended - began), kStandBackAtMost);
}

/// A session that failed is thrown away (after SQLITE_FULL and I/O errors its transaction state is not to be trusted);
/// the next turn opens another. Never opens a file other than the one this store was started on.
void Writer::ensureSession() {
  if (identify(path_) != identity_) {
    throw Failure(SQLITE_CANTOPEN, path_ + " has been replaced by another file");
  }
  if (session_ != nullptr)
    return;
  if (logInDoubt_) {
    writeAnew(path_ + "-wal");
    logInDoubt_ = false;
  }
  auto session = std::make_unique<Session>(path_, Session::Role::writer);
  session->execute("PRAGMA synchronous = NORMAL");
  session_ = std::move(session);
  synchronousFull_ = false;
}

void Writer::transaction(Jobs jobs, bool durable) {
  try {
    ensureSession();
    Session& session = *session_;
    if (synchronousFull_ != durable) { // cannot change inside a transaction
      session.script(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
      synchronousFull_ = durable;
    }
    session["begin_immediate"].run();
    // Alone, a job's undoing is that of the transaction; a savepoint would copy every page that it changes.
    const bool alone = jobs.size() == 1;
    bool sound = true;
    for (Job* job : jobs)
      sound = runJob(*job, job->savepoint && !alone) || !alone;
    session[sound ? "commit" : "rollback"].run();
  } catch (const Failure& failure) {
    session_.reset();
    logInDoubt_ = logInDoubt_ || isDiskError(failure);
    if (hooks_.rolledBack)
      hooks_.rolledBack();
    fail(jobs, failure);
    return;
  } catch (const std::exception& unexpected) { // memory ran out
    session_.reset();
    if (hooks_.rolledBack)
      hooks_.rolledBack();
    fail(jobs, Failure(SQLITE_INTERNAL, unexpected.what()));
    return;
  }
  for (const Job* job : jobs) {
    if (!job->failure && job->committed != nullptr)
      (*job->committed)();
  }
  if (hooks_.committed)
    hooks_.committed();
}

/// False when the job's work was refused; the reason is in the job, and its changes are undone if it had a savepoint.
/// Throws Failure when the whole transaction is lost.
bool Writer::runJob(Job& job, bool savepoint) {
  Session& session = *session_;
  if (savepoint)
    session["savepoint"].run();
  try {
    (*job.work)(session);
  } catch (const Failure& failure) {
    if (!failure.statementOnly())
      throw;
    job.failure = std::make_exception_ptr(failure.toError());
  } catch (...) {
    job.failure = std::current_exception();
  }
  if (savepoint) {
    if (job.failure)
      session["savepoint_rollback"].run();
    session["savepoint_release"].run();
  }
  if (job.failure && hooks_.rolledBack)
    hooks_.rolledBack();
  return !job.failure;
}

void Writer::inspectAll(Jobs jobs) {
  for (Job* job : jobs) {
    try {
      ensureSession();
      (*job->work)(*session_);
    } catch (const Failure& failure) {
      session_.reset();
      job->failure = std::make_exception_ptr(failure.toError());
    } catch (...) {
      job->failure = std::current_exception();
    }
  }
}

void Writer::checkpoint() {
  if (session_ == nullptr)
    return;
  try {
    session_->checkpoint();
  } catch (const Failure& failure) {
    logInDoubt_ = logInDoubt_ || isDiskError(failure);
    session_.reset(); // the next turn reports what is wrong
  }
}

void Writer::boundWal() {
  if (session_ == nullptr || fileSize(path_ + "-wal") < kWalBound)
    return;
  const Readers::Pause pause(readers_);
  try {
    session_->number("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (const Failure& failure) {
    logInDoubt_ = logInDoubt_ || isDiskError(failure);
    session_.reset(); // the next turn reports what is wrong
  }
}

void Writer::fail(Jobs jobs, const Failure& failure) {
  for (Job* job : jobs)
    job->failure = std::make_exception_ptr(failure.toError());
}

} // namespace calbridge::store::sqlite
