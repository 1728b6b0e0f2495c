#pragma once
#include "store/sqlite/ending.hpp"
#include "store/sqlite/readers.hpp"
#include "store/sqlite/session.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace calbridge::store::sqlite {

/// The one connection that writes (and checkpoints), used by one thread at a time. Callers hand in work and wait.
/// A caller that finds nobody at it does its work on its own thread: handing it to another one and being woken by that
/// takes longer than the work where processors sleep in between. Otherwise the work queues up for the writer's thread,
/// and everything that has queued up meanwhile shares one transaction, so that one fsync acknowledges many callers.
/// While durable work keeps coming, all of it is the writer's thread's: callers are many then, and may stand behind
/// others for the processor.
///
/// One after the other: a few pieces of relaxed work in one transaction that is not fsync'ed; a few inspections outside
/// any transaction, which therefore see only what is committed; then all durable work in one that is fsync'ed. While
/// durable work keeps coming, relaxed work stands back to a small share of the time: an acknowledgement waits for a
/// person's request, routing and outcomes can catch up. Waiting for more callers before an fsync was tried: it makes
/// fewer of them, and leaves the processors idle meanwhile (12,000 acknowledgements a second became 9,400).
class Writer {
 public:
  using Work = std::function<void(Session&)>;
  struct Hooks {
    std::function<void()> committed;  ///< after every commit, before the next turn and before its callers return
    std::function<void()> rolledBack; ///< after a piece of work or a whole transaction was undone
  };

  /// Takes over `session` (role writer). `path` must stay the file that it is now.
  Writer(std::string path, std::unique_ptr<Session> session, Readers& readers, Hooks hooks);
  /// Finishes what is queued, checkpoints and closes.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Runs `work` in a transaction and returns when that is on disk (durable) or committed (relaxed). `committed`, if
  /// any, runs between the commit and the return. Both run on the calling or the writer's thread, never two at a time,
  /// and must not come back to the writer. When `work` throws, its changes are undone, its neighbours' are not, and the
  /// exception arrives here; when the transaction fails, Error("store_unavailable"). Any thread.
  void durable(const Work& work, const std::function<void()>& committed = {});
  void relaxed(const Work& work, const std::function<void()>& committed = {});
  /// As durable, for work that is a single statement and so needs no savepoint of its own.
  void durableStatement(const Work& work);
  /// Runs `work` in a turn of its own outside any transaction; it must not change the database.
  void inspect(const Work& work);

 private:
  enum class Kind { durable, relaxed, inspection };
  /// One caller's work; lives on the caller's stack until its turn has ended.
  struct Job {
    const Work* work = nullptr;
    const std::function<void()>* committed = nullptr;
    bool savepoint = true;
    std::exception_ptr failure;
  };
  /// What is done together. All of its callers sleep on one word and are woken by one system call: woken one by one,
  /// sixteen of them cost the writer more than their rows.
  struct Turn {
    std::vector<Job*> jobs;
    Ending ending;
  };
  using TurnPtr = std::shared_ptr<Turn>;
  using Jobs = std::span<Job* const>;
  using Clock = std::chrono::steady_clock;

  void submit(Kind kind, const Work& work, const std::function<void()>& committed, bool savepoint);
  void run();
  bool queued() const;
  bool durableKeepsComing(Clock::time_point now) const;
  TurnPtr next(Kind kind);
  bool awaitTurn();
  bool relaxedMayRun() const;
  void endTurn();
  bool planCheckpoint(int pages);
  bool checkpointIsDue(bool worked);
  // For whoever has the turn.
  void turn(Kind kind, Jobs jobs) noexcept;
  void transaction(Jobs jobs, bool durable);
  bool runJob(Job& job, bool savepoint);
  void inspectAll(Jobs jobs);
  void ensureSession();
  void checkpoint();
  void boundWal();
  static void fail(Jobs jobs, const Failure& failure);

  const std::string path_;
  const FileIdentity identity_;
  Readers& readers_;
  const Hooks hooks_;
  // Only of whoever has the turn, as everything that the work and the hooks use.
  std::unique_ptr<Session> session_; ///< null after a failure, until it opens again
  bool synchronousFull_ = false;
  bool logInDoubt_ = false; ///< an I/O error since the log was last known to be on disk

  std::mutex mutex_; ///< of all that follows
  std::condition_variable wake_;
  bool taken_ = false;                                        ///< somebody has the turn
  Clock::time_point checkpointAt_ = Clock::time_point::max(); ///< unless there are turns before
  std::deque<TurnPtr> queues_[3];                             ///< by Kind
  Clock::time_point lastDurable_{};                           ///< end of the last durable transaction
  Clock::time_point durableBefore_{};                         ///< and of the one before
  Clock::time_point relaxedNotBefore_{};                      ///< while durable work keeps coming
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::store::sqlite
