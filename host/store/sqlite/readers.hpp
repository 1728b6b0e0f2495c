#pragma once
#include "store/sqlite/session.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::store::sqlite {

/// A few read-only sessions, opened when first needed and lent to one thread at a time.
class Readers {
 public:
  explicit Readers(std::string path) : path_(std::move(path)) {}

  /// Runs `work(Session&)` in one read transaction: all its statements see the same state. Waits for a free session.
  /// Throws Error("store_unavailable"); the session is thrown away then.
  template <typename Work>
  void read(const Work& work) {
    Loan loan(*this);
    try {
      Session& session = loan.session();
      session["begin"].run();
      work(session);
      session["commit"].run();
      loan.keep();
    } catch (const Failure& failure) {
      throw failure.toError();
    }
  }

  /// While one exists no read is under way.
  class Pause {
   public:
    explicit Pause(Readers& readers);
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Readers& readers_;
  };

  /// Closes the sessions; none may be on loan.
  void close();

 private:
  class Loan {
   public:
    explicit Loan(Readers& readers);
    ~Loan();
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Session& session();
    void keep() { keep_ = true; }

   private:
    Readers& readers_;
    std::unique_ptr<Session> session_;
    bool keep_ = false; ///< a session that threw is not used again
  };

  const std::string path_;
  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Session>> idle_;
  int lent_ = 0;
  bool paused_ = false;
};

} // namespace calbridge::store::sqlite
