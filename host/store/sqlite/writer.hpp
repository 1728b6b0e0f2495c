#pragma once
#include "store/sqlite/readers.hpp"
#include "store/sqlite/session.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace calbridge::store::sqlite {

/// The one thread and the one connection that write (and checkpoint). Callers hand in work and wait; everything that
/// has queued up meanwhile shares one transaction, so that one fsync acknowledges many callers.
///
/// A turn: a few pieces of relaxed work in one transaction that is not fsync'ed; a few inspections outside any
/// transaction, which therefore see only what is committed; then all durable work in one that is fsync'ed. While
/// durable work keeps coming, relaxed work gets a quarter of the time: an acknowledgement waits for a person's request,
/// routing and outcomes can catch up.
class Writer {
 public:
  using Work = std::function<void(Session&)>;
  struct Hooks {
    std::function<void()> committed;  ///< after every commit, on the writer's thread
    std::function<void()> rolledBack; ///< after a piece of work or a whole transaction was undone
  };

  /// Takes over `session` (role writer). `path` must stay the file that it is now.
  Writer(std::string path, std::unique_ptr<Session> session, Readers& readers, Hooks hooks);
  /// Finishes what is queued, checkpoints and closes.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Runs `work` in a transaction and returns when that is on disk (durable) or committed (relaxed). `committed`, if
  /// any, runs on the writer's thread between the commit and the return. When `work` throws, its changes are undone,
  /// its neighbours' are not, and the exception arrives here; when the transaction fails, Error("store_unavailable").
  void durable(const Work& work, const std::function<void()>& committed = {});
  void relaxed(const Work& work, const std::function<void()>& committed = {});
  /// As durable, for work that is a single statement and so needs no savepoint of its own.
  void durableStatement(const Work& work);
  /// Runs `work` on the writer's thread outside any transaction; it must not change the database.
  void inspect(const Work& work);

 private:
  enum class Kind { durable, relaxed, inspection };
  struct Job {
    const Work* work = nullptr;
    const std::function<void()>* committed = nullptr;
    bool savepoint = true;
    std::exception_ptr failure;
    std::mutex mutex;
    std::condition_variable ended; ///< not std::atomic::wait: its spinning takes the processor from the writer
    bool done = false;
  };
  using JobPtr = std::shared_ptr<Job>;

  void submit(Kind kind, const Work& work, const std::function<void()>& committed, bool savepoint);
  void run();
  bool relaxedMayRun() const;
  void transaction(std::deque<JobPtr>& jobs, bool durable);
  bool runJob(Job& job, bool savepoint);
  void inspectAll(std::deque<JobPtr>& jobs);
  void ensureSession();
  void boundWal();
  void fail(std::deque<JobPtr>& jobs, const Failure& failure);
  static void finish(Job& job);

  const std::string path_;
  const FileIdentity identity_;
  Readers& readers_;
  const Hooks hooks_;
  std::unique_ptr<Session> session_; ///< writer's thread only; null after a failure, until it opens again
  bool synchronousFull_ = false;
  using Clock = std::chrono::steady_clock;
  Clock::time_point lastDurable_{};      ///< writer's thread only: end of the last durable transaction
  Clock::time_point relaxedNotBefore_{}; ///< writer's thread only: while durable work keeps coming

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<JobPtr> queues_[3]; ///< by Kind
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::store::sqlite
