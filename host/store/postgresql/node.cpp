#include "store/postgresql/node.hpp"

#include "store/postgresql/schema.hpp"

namespace calbridge::store::postgresql {
namespace {
/// Of the lifetime: what is begun shortly before its end would act after it.
constexpr auto kMargin = std::chrono::milliseconds(500);
constexpr auto kRenewal = std::chrono::seconds(1);
} // namespace

Node::Node(std::string url, std::string name, std::chrono::seconds lifetime)
    : url_(std::move(url)), name_(std::move(name)), lifetime_(lifetime) {
  try {
    enter();
  } catch (const Failure& failure) {
    throw failure.toError();
  }
}

Node::~Node() {
  stop();
  try {
    if (session_ != nullptr)
      session_->run("node_leave", run_.load());
  } catch (const Failure&) {
    // It is taken for dead when its time has run out.
  }
}

void Node::start(Hooks hooks) {
  hooks_ = std::move(hooks);
  thread_ = std::thread([this] { renewForever(); });
}

void Node::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void Node::announce(const std::string& policy) {
  const std::lock_guard lock(mutex_);
  policy_ = policy;
}

/// With a new session: takes the name, and a run if there is none that is still alive.
void Node::enter() {
  auto session = std::make_unique<Session>(url_);
  bool mine = false;
  session->one(
      "node_lock", [&](Row& row) { mine = row.flag(); }, name_);
  if (!mine)
    throw Error("store_locked", "Another calbridge works on the database " + placeOf(url_) + " under the node name \"" +
                                    name_ + "\". Stop that one first, or give this one another storage.node.");
  session_ = std::move(session);
  if (run_.load() != 0)
    return;
  const auto asked = std::chrono::steady_clock::now();
  session_->one(
      "node_register", [&](Row& row) { run_ = row.integer(); }, name_, static_cast<std::int64_t>(lifetime_.count()),
      "");
  heard(asked);
}

/// The server counts the lifetime from a moment after the question was asked.
void Node::heard(std::chrono::steady_clock::time_point asked) {
  aliveUntil_ = (asked + lifetime_ - kMargin).time_since_epoch();
}

void Node::renew() {
  if (session_ == nullptr)
    enter();
  std::string policy;
  {
    const std::lock_guard lock(mutex_);
    policy = policy_;
  }
  const auto lifetime = static_cast<std::int64_t>(lifetime_.count());
  const auto asked = std::chrono::steady_clock::now();
  if (session_->run("node_alive", run_.load(), lifetime, policy, asked.time_since_epoch() < wantsWorkUntil_.load()) >
      0) {
    heard(asked);
    return;
  }
  session_->one(
      "node_register", [&](Row& row) { run_ = row.integer(); }, name_, lifetime, policy);
  heard(asked);
  hooks_.newRun();
}

void Node::renewForever() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kRenewal, [this] { return stopping_; })) {
    lock.unlock();
    try {
      renew();
    } catch (const Failure&) {
      session_.reset(); // the next round opens another; whoever needs the database meanwhile says that it is gone
    } catch (const Error&) {
      session_.reset(); // the server has not noticed the end of the former session yet
    }
    try {
      hooks_.everySecond();
    } catch (const Error&) {
      // Looked at again in a second.
    }
    lock.lock();
  }
}

} // namespace calbridge::store::postgresql
