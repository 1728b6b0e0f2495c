#pragma once
#include "store/postgresql/session.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::store::postgresql {

enum class Durability {
  durable, ///< on disk before the return
  relaxed, ///< atomic; a crash of the server may undo the latest, while this process lives on: for what nobody misses
};

/// A few sessions, opened when first needed and lent to one thread at a time. A session that failed is never lent
/// again.
class Sessions {
 public:
  explicit Sessions(std::string url) : url_(std::move(url)) {}

  using Work = std::function<void(Session&)>;
  /// Runs one statement (or several that need not see the same state) outside of any transaction. A session that proves
  /// dead is replaced and `work` run again. Throws Error("store_unavailable").
  void read(const Work& work);
  /// Runs `work` in a transaction. It may be run several times, so it must begin anew each time: after a serialization
  /// failure or a deadlock, after the loss of a session, and also when the connection was lost during COMMIT. Nobody
  /// knows then whether the transaction is committed, and `work` looks again: every operation of the store finds its
  /// own traces and leaves them. Exceptions of `work` undo the transaction and arrive here.
  void write(Durability durability, const Work& work);
  /// As write (durable), for work whose changes are one statement: that is a transaction by itself, and costs one round
  /// trip instead of three.
  void writeStatement(const Work& work);

  /// Closes those that are idle; for tests.
  void closeIdle();

 private:
  class Loan {
   public:
    explicit Loan(Sessions& sessions);
    ~Loan();
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    /// Opens one when there is none; throws Failure.
    Session& session();
    /// It is sound: others may have it.
    void keep() { keep_ = true; }

   private:
    Sessions& sessions_;
    std::unique_ptr<Session> session_;
    bool keep_ = false;
  };

  void writeWith(std::optional<Durability> durability, const Work& work);
  bool attempt(std::optional<Durability> durability, const Work& work, bool last);

  const std::string url_;
  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Session>> idle_;
  int lent_ = 0;
};

} // namespace calbridge::store::postgresql
