#include "store/sqlite/writer.hpp"
#include "core/thread_name.hpp"

#include <sys/stat.h>

namespace calbridge::store::sqlite {
namespace {

constexpr std::size_t kDurablePerTurn = 1024;
constexpr std::size_t kRelaxedPerTurn = 4;
constexpr std::size_t kInspectionsPerTurn = 4;
/// Durable work "keeps coming" when the last of it ended less than this ago: callers need that long to come back.
constexpr auto kRecently = std::chrono::milliseconds(2);
/// For so many times its own duration relaxed work then stands back.
constexpr int kStandBack = 3;
/// Readers that overlap without a gap keep SQLite from starting its log anew; beyond this they are held back once.
constexpr std::int64_t kWalBound = 96LL << 20;

std::int64_t fileSize(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : 0;
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

void Writer::submit(Kind kind, const Work& work, const std::function<void()>& committed, bool savepoint) {
  const auto job = std::make_shared<Job>();
  job->work = &work;
  if (committed)
    job->committed = &committed;
  job->savepoint = savepoint;
  bool wasIdle = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_)
      throw Error("store_unavailable", "The store is closing; nothing was stored.");
    wasIdle = queues_[0].empty() && queues_[1].empty() && queues_[2].empty();
    queues_[static_cast<int>(kind)].push_back(job);
  }
  if (wasIdle || kind != Kind::relaxed) // relaxed work may be standing back
    wake_.notify_one();
  {
    std::unique_lock lock(job->mutex);
    job->ended.wait(lock, [&] { return job->done; });
  }
  // Taken out: the writer may be the last to let go of the job, and must not share the exception with its catcher.
  if (const auto failure = std::exchange(job->failure, nullptr))
    std::rethrow_exception(failure);
}

void Writer::run() {
  nameThread("store writer");
  const auto take = [](std::deque<JobPtr>& queue, std::size_t most) {
    std::deque<JobPtr> taken;
    if (queue.size() <= most) {
      taken.swap(queue);
    } else {
      const auto end = queue.begin() + static_cast<std::ptrdiff_t>(most);
      taken.assign(queue.begin(), end);
      queue.erase(queue.begin(), end);
    }
    return taken;
  };
  const auto next = [&](Kind kind, std::size_t most) {
    const std::lock_guard lock(mutex_);
    return take(queues_[static_cast<int>(kind)], most);
  };
  while (true) {
    {
      std::unique_lock lock(mutex_);
      const auto queued = [&] { return !queues_[0].empty() || !queues_[1].empty() || !queues_[2].empty(); };
      wake_.wait(lock, [&] { return stopping_ || queued(); });
      if (!queued())
        break;
      if (queues_[0].empty() && queues_[2].empty() &&
          !relaxedMayRun()) // only what stands back: until its time has come
        wake_.wait_until(lock, relaxedNotBefore_,
                         [&] { return stopping_ || !queues_[0].empty() || !queues_[2].empty(); });
    }
    // What needs no fsync goes first: callers whose last commit has just ended come back meanwhile, and the next fsync
    // serves all of them and not the first two.
    if (relaxedMayRun()) {
      if (auto relaxed = next(Kind::relaxed, kRelaxedPerTurn); !relaxed.empty()) {
        const auto began = Clock::now();
        transaction(relaxed, false);
        const auto ended = Clock::now();
        relaxedNotBefore_ = ended + kStandBack * (ended - began);
      }
    }
    if (auto inspections = next(Kind::inspection, kInspectionsPerTurn); !inspections.empty())
      inspectAll(inspections);
    if (auto durable = next(Kind::durable, kDurablePerTurn); !durable.empty()) {
      transaction(durable, true);
      lastDurable_ = Clock::now();
    }
    boundWal();
  }
  session_.reset();
}

bool Writer::relaxedMayRun() const {
  const auto now = Clock::now();
  return now >= relaxedNotBefore_ || now - lastDurable_ > kRecently;
}

/// A session that failed is thrown away (after SQLITE_FULL and I/O errors its transaction state is not to be trusted);
/// the next turn opens another. Never opens a file other than the one this store was started on.
void Writer::ensureSession() {
  if (identify(path_) != identity_) {
    throw Failure(SQLITE_CANTOPEN, path_ + " has been replaced by another file");
  }
  if (session_ != nullptr)
    return;
  auto session = std::make_unique<Session>(path_, Session::Role::writer);
  session->execute("PRAGMA synchronous = NORMAL");
  session_ = std::move(session);
  synchronousFull_ = false;
}

void Writer::transaction(std::deque<JobPtr>& jobs, bool durable) {
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
    for (const auto& job : jobs)
      sound = runJob(*job, job->savepoint && !alone) || !alone;
    session[sound ? "commit" : "rollback"].run();
  } catch (const Failure& failure) {
    session_.reset();
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
  for (const auto& job : jobs) {
    if (!job->failure && job->committed != nullptr)
      (*job->committed)();
  }
  if (hooks_.committed)
    hooks_.committed();
  for (const auto& job : jobs)
    finish(*job);
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

void Writer::inspectAll(std::deque<JobPtr>& jobs) {
  for (const auto& job : jobs) {
    try {
      ensureSession();
      (*job->work)(*session_);
    } catch (const Failure& failure) {
      session_.reset();
      job->failure = std::make_exception_ptr(failure.toError());
    } catch (...) {
      job->failure = std::current_exception();
    }
    finish(*job);
  }
}

void Writer::boundWal() {
  if (session_ == nullptr || fileSize(path_ + "-wal") < kWalBound)
    return;
  const Readers::Pause pause(readers_);
  try {
    session_->number("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (const Failure&) {
    session_.reset(); // the next turn reports what is wrong
  }
}

void Writer::fail(std::deque<JobPtr>& jobs, const Failure& failure) {
  for (const auto& job : jobs) {
    job->failure = std::make_exception_ptr(failure.toError());
    finish(*job);
  }
}

void Writer::finish(Job& job) {
  {
    const std::lock_guard lock(job.mutex);
    job.done = true;
  }
  job.ended.notify_one();
}

} // namespace calbridge::store::sqlite
