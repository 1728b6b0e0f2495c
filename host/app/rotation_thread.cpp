#include "app/rotation_thread.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

namespace calbridge::app {
namespace {

/// A database that does not answer is asked again so often, a second apart.
constexpr int kTries = 30;

} // namespace

nlohmann::json describe(const connections::RotationProgress& progress) {
  return {{"old_key", progress.oldKey},
          {"new_key", progress.newKey},
          {"total", progress.total},
          {"done", progress.done},
          {"unreadable", progress.unreadable}};
}

void RotationThread::begin(const std::optional<std::string>& newKey) {
  const std::scoped_lock starting(starting_);
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_)
      throw Error("rotation_failed", "the host is stopping; ask its successor");
    if (state_ == "running") {
      const auto under = rotation_.progress().newKey;
      if (newKey && connections::MasterKey::fromBase64(*newKey, "CALBRIDGE_NEW_MASTER_KEY").id() != under)
        throw Error("rotation_under_way",
                    "a change to master key " + under + " is under way; let it end before a change to another key");
      return;
    }
  }
  if (thread_.joinable())
    thread_.join();
  rotation_.begin(newKey);
  {
    const std::scoped_lock lock(mutex_);
    state_ = "running";
    error_.clear();
  }
  thread_ = std::thread([this] { run(); });
}

void RotationThread::stop() {
  stopping_ = true;
  const std::scoped_lock starting(starting_);
  if (thread_.joinable())
    thread_.join();
}

void RotationThread::run() {
  nameThread("key rotation");
  for (int tries = 1;; ++tries) {
    std::string error;
    bool finished = false;
    try {
      finished = rotation_.run(stopping_);
    } catch (const Error& failure) {
      error = failure.message();
      logger_.error("the master key could not be changed completely", {{"reason", error}});
      if (failure.code() == "store_unavailable" && tries < kTries) {
        for (int i = 0; i < 10 && !stopping_; ++i)
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
        continue;
      }
    }
    const std::scoped_lock lock(mutex_);
    state_ = finished ? "done" : "failed";
    error_ = error.empty() && !finished ? "the host is stopping" : error;
    return;
  }
}

nlohmann::json RotationThread::describe() const {
  auto document = app::describe(rotation_.progress());
  const std::scoped_lock lock(mutex_);
  document["state"] = state_;
  document["error"] = error_;
  return document;
}

} // namespace calbridge::app
