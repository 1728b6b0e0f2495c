#include "plugins/runner_session.hpp"

#include "core/error.hpp"

#include <sys/socket.h>

namespace calbridge::plugins {
namespace {

using std::chrono::steady_clock;

/// How long a thread waits before it looks again whether its call was cancelled; a read gives up after as long.
constexpr std::chrono::milliseconds kSlice{100};

/// A call has one question at a time, and few complaints: what a plugin's process sends beyond that while nobody reads
/// is not kept.
constexpr std::size_t kMostUnreadFrames = 1024;
constexpr std::size_t kMostUnreadBytes = 2 * kLargestFrame;

} // namespace

bool RunnerSession::Patience::isOver() {
  const auto now = steady_clock::now();
  if (!told && cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
    told = true;
    until = std::min(until, now + grace);
  }
  return now >= until;
}

RunnerSession::Outcome RunnerSession::exchange(FrameKind kind, std::string_view payload, ServicePort& services,
                                               Time until, const std::atomic<bool>* cancelled,
                                               std::chrono::milliseconds grace) {
  Call call;
  Patience patience{until, cancelled, grace};
  std::unique_lock lock(mutex_);
  if (closed_) {
    return {};
  }
  const std::uint32_t id = ++last_;
  calls_[id] = &call;
  lock.unlock();
  Outcome outcome;
  bool going = stream_.write(kind, id, payload, until);
  lock.lock();
  while (going) {
    const auto frame = await(lock, call, patience);
    if (!frame || (frame->kind != FrameKind::reply && patience.isOver())) { // whoever goes on asking has no more time
      outcome.end = closed_ ? End::lost : End::overtime;
      break;
    }
    lock.unlock();
    PayloadReader reader(frame->payload);
    switch (frame->kind) {
    case FrameKind::reply: {
      const auto status = static_cast<calbridge_status>(reader.number());
      const std::string_view body = reader.text();
      outcome = {End::replied, body.size() > CALBRIDGE_JSON_MAX_BYTES
                                   ? hostReply(Status::internal, "the plugin's answer is larger than 1 MiB")
                                   : Reply{statusFrom(status), std::string(body)}};
      going = false;
      break;
    }
    case FrameKind::complaint: {
      const auto level = std::clamp<std::int64_t>(reader.number(), 0, static_cast<int>(Logger::Level::error));
      services.complain(static_cast<Logger::Level>(level), reader.text());
      break;
    }
    default:
      going = answer(*frame, services, patience.until);
    }
    lock.lock();
  }
  calls_.erase(id);
  handOver();
  return outcome;
}

/// False when the process is gone or has said something that is no question.
bool RunnerSession::answer(const Frame& frame, ServicePort& services, Time until) {
  PayloadReader reader(frame.payload);
  const std::int64_t function = reader.number();
  ServiceQuestion question{static_cast<ServiceFunction>(function), reader.number(), {}};
  question.bytes[0] = reader.text();
  question.bytes[1] = reader.text();
  if (frame.kind != FrameKind::question || reader.failed() || function < 0 || function > 255) {
    close("it broke the rules of calbridge-plugin-runner");
    return false;
  }
  ServiceAnswer answer = services.ask(question);
  PayloadWriter payload;
  try {
    payload.number(answer.status).number(answer.number).text(answer.bytes[0]).text(answer.bytes[1]);
  } catch (const Error&) {
    payload = PayloadWriter();
    payload.number(CALBRIDGE_TRANSIENT).number(0);
    payload.text(R"({"message":"the answer is larger than 16 MiB","kind":"too_large","sent":true})").text({});
  }
  return stream_.write(FrameKind::answer, frame.call, payload.bytes(), until);
}

std::optional<Frame> RunnerSession::await(std::unique_lock<std::mutex>& lock, Call& call, Patience& patience) {
  for (;;) {
    if (!call.frames.empty()) {
      Frame frame = std::move(call.frames.front());
      call.frames.pop_front();
      call.unread -= frame.payload.size();
      handOver();
      return frame;
    }
    if (closed_ || patience.isOver()) {
      return std::nullopt;
    }
    if (!reading_) {
      readOne(lock);
    } else {
      call.waiting = true;
      call.wake.wait_until(lock, std::min(patience.until, steady_clock::now() + kSlice));
      call.waiting = false;
    }
  }
}

void RunnerSession::readOne(std::unique_lock<std::mutex>& lock) {
  Frame frame;
  reading_ = true;
  lock.unlock();
  const FrameStream::Got got = stream_.read(frame);
  lock.lock();
  reading_ = false;
  if (got == FrameStream::Got::nothing) {
    return;
  }
  if (got == FrameStream::Got::end) {
    closeLocked({});
    return;
  }
  const auto call = calls_.find(frame.call);
  if (got == FrameStream::Got::garbage || (call == calls_.end() && (frame.call == 0 || frame.call > last_))) {
    closeLocked("it broke the rules of calbridge-plugin-runner");
  } else if (call != calls_.end()) { // else of a call that is over
    Call& reader = *call->second;
    if (reader.frames.size() >= kMostUnreadFrames || reader.unread + frame.payload.size() > kMostUnreadBytes) {
      closeLocked("it broke the rules of calbridge-plugin-runner");
      return;
    }
    reader.unread += frame.payload.size();
    reader.frames.push_back(std::move(frame));
    reader.wake.notify_one();
  }
}

/// Before this thread turns to something else: another one has to read.
void RunnerSession::handOver() {
  for (const auto& [id, call] : calls_) {
    if (!reading_ && call->waiting) {
      call->wake.notify_one();
      return;
    }
  }
}

void RunnerSession::closeLocked(const std::string& reason) {
  if (reason_.empty()) {
    reason_ = reason;
  }
  if (!closed_) {
    closed_ = true;
    ::shutdown(socket_->get(), SHUT_RDWR); // whoever reads, and whoever watches the process, notices
  }
  for (const auto& [id, call] : calls_) {
    call->wake.notify_one();
  }
}

void RunnerSession::close(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  closeLocked(reason);
}

bool RunnerSession::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void RunnerSession::settle(const std::string& end) {
  const std::lock_guard lock(mutex_);
  end_ = end;
  closeLocked({});
  settled_.notify_all();
}

std::string RunnerSession::reason() {
  std::unique_lock lock(mutex_);
  if (reason_.empty()) {
    settled_.wait_for(lock, std::chrono::seconds(1), [&] { return end_.has_value(); });
  }
  return !reason_.empty() ? reason_ : end_.value_or("it ended");
}

} // namespace calbridge::plugins
