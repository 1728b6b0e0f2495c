#include "plugins/runner.hpp"

#include "core/error.hpp"
#include "plugins/frames.hpp"
#include "plugins/run_operation.hpp"
#include "plugins/sandbox.hpp"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <thread>
#include <unistd.h>

namespace calbridge::plugins {
namespace {

/// The calls of one plugin. Whichever thread has nothing to run waits at the socket for all of them (leader and
/// followers), so that a call at a time costs no switch between threads: with one, its own thread reads the host's
/// answers itself.
class CallLoop {
 public:
  CallLoop(std::shared_ptr<const PluginLibrary> library, FrameStream& stream)
      : library_(std::move(library)), stream_(stream), most_(library_->manifest().concurrent ? kCallsAtATime + 1 : 1) {}

  /// Runs calls until the host's end is closed; then the process ends.
  [[noreturn]] void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (calls_.empty()) {
        wait(lock, idle_);
        continue;
      }
      const Frame frame = std::move(calls_.front());
      calls_.pop_front();
      ++running_;
      handOver();
      lock.unlock();
      run(frame);
      lock.lock();
      --running_;
    }
  }

  /// Sends a call's question and waits for its answer.
  std::string ask(std::uint32_t call, std::string_view question) {
    std::unique_lock lock(mutex_);
    Waiter& waiter = waiters_[call];
    waiter.answer.reset();
    lock.unlock();
    stream_.write(FrameKind::question, call, question); // a host that is gone shows when reading
    lock.lock();
    while (!waiter.answer) {
      wait(lock, waiter.wake);
    }
    std::string answer = std::move(*waiter.answer);
    waiters_.erase(call);
    handOver();
    return answer;
  }

  void complain(std::uint32_t call, Logger::Level level, std::string_view what) {
    PayloadWriter payload;
    payload.number(static_cast<int>(level)).text(what);
    stream_.write(FrameKind::complaint, call, payload.bytes());
  }

 private:
  struct Waiter {
    std::condition_variable wake;
    std::optional<std::string> answer;
  };

  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& wake) {
    if (!reading_) {
      readOne(lock);
    } else {
      const bool idle = &wake == &idle_;
      idlers_ += idle ? 1 : 0;
      wake.wait(lock);
      idlers_ -= idle ? 1 : 0;
    }
  }

  void readOne(std::unique_lock<std::mutex>& lock) {
    Frame frame;
    reading_ = true;
    lock.unlock();
    const FrameStream::Got got = stream_.read(frame);
    lock.lock();
    reading_ = false;
    if (got == FrameStream::Got::nothing) {
      return; // the rest of it comes
    }
    if (got != FrameStream::Got::frame) {
      end();
    }
    if (frame.kind != FrameKind::answer) {
      calls_.push_back(std::move(frame));
      idle_.notify_one();
    } else if (const auto waiter = waiters_.find(frame.call); waiter != waiters_.end()) {
      waiter->second.answer = std::move(frame.payload);
      waiter->second.wake.notify_one();
    }
  }

  /// Before this thread turns to something else: somebody has to be there for a further call, and somebody has to read.
  void handOver() {
    if (threads_ == running_ && threads_ < most_) {
      ++threads_;
      std::thread([this] { work(); }).detach(); // begins with reading where nobody does
      return;
    }
    if (reading_) {
      return;
    }
    const auto waiting = std::find_if(waiters_.begin(), waiters_.end(), [](const auto& w) { return !w.second.answer; });
    if (idlers_ > 0) {
      idle_.notify_one();
    } else if (waiting != waiters_.end()) {
      waiting->second.wake.notify_one();
    }
  }

  /// The host's end is closed. Nothing but the plugin's own instance is left to be ended; static objects are not, for
  /// some thread of a call may still use them.
  [[noreturn]] void end() {
    if (running_ == 0 && self_ != nullptr) {
      library_->table().destroy(self_);
    }
    std::fflush(nullptr);
    ::_exit(0);
  }

  void run(const Frame& frame);

  std::shared_ptr<const PluginLibrary> library_;
  FrameStream& stream_;
  const int most_; ///< threads
  std::mutex mutex_;
  std::condition_variable idle_;
  int idlers_ = 0; ///< threads that wait for a call while another one reads
  int threads_ = 1;
  int running_ = 0;
  bool reading_ = false;
  std::deque<Frame> calls_;
  std::map<std::uint32_t, Waiter> waiters_; ///< by call
  void* self_ = nullptr;
  bool mail_ = false; ///< the host has a mail server
};

/// The host's services of one call, from afar. Knows none of them.
class RemoteServices final : public ServicePort {
 public:
  RemoteServices(CallLoop& loop, std::uint32_t call, std::string_view requestId, bool mail)
      : loop_(loop), call_(call), requestId_(requestId), mail_(mail) {}

  ServiceAnswer ask(const ServiceQuestion& question) noexcept override {
    static constexpr std::string_view kTooLarge =
        R"({"message":"more than 16 MiB at once","kind":"invalid_request","sent":false})";
    try {
      PayloadWriter payload;
      payload.number(static_cast<int>(question.function)).number(question.number);
      payload.text(question.bytes[0]).text(question.bytes[1]);
      answer_ = loop_.ask(call_, payload.bytes());
    } catch (const Error&) {
      return {CALBRIDGE_INVALID_REQUEST, 0, {kTooLarge}};
    }
    PayloadReader reader(answer_);
    ServiceAnswer answer;
    answer.status = static_cast<calbridge_status>(reader.number());
    answer.number = reader.number();
    answer.bytes[0] = reader.text();
    answer.bytes[1] = reader.text();
    return answer;
  }
  std::string_view requestId() const override { return requestId_; }
  bool mail() const override { return mail_; }
  void complain(Logger::Level level, std::string_view what) noexcept override { loop_.complain(call_, level, what); }

 private:
  CallLoop& loop_;
  std::uint32_t call_;
  std::string_view requestId_;
  bool mail_;
  std::string answer_; ///< what the last question's answer is borrowed from
};

void CallLoop::run(const Frame& frame) {
  PayloadReader reader(frame.payload);
  Reply reply;
  if (frame.kind == FrameKind::create) {
    const std::string_view settings = reader.text();
    const std::string_view requestId = reader.text();
    mail_ = reader.number() != 0;
    RemoteServices services(*this, frame.call, requestId, mail_);
    Created created = createInstance(*library_, settings, services);
    self_ = created.self;
    reply = self_ != nullptr ? Reply{Status::ok, "{}"} : std::move(created.refusal);
    if (self_ == nullptr && reply.status == Status::ok) {
      reply.status = Status::internal;
    }
  } else {
    const auto operation = static_cast<Operation>(reader.number());
    const std::string_view request = reader.text();
    RemoteServices services(*this, frame.call, reader.text(), mail_);
    reply = runOperation(*library_, self_, operation, request, services);
  }
  PayloadWriter payload;
  payload.number(static_cast<int>(reply.status)).text(reply.body);
  stream_.write(FrameKind::reply, frame.call, payload.bytes());
}

std::string hello(const PluginLibrary& library, const std::vector<std::string>& gaps) {
  nlohmann::json operations = nlohmann::json::array();
  for (const Operation operation : kOperations) {
    if (library.operation(operation) != nullptr) {
      operations.push_back(toString(operation));
    }
  }
  const nlohmann::json head = {{"version", kFramesVersion},
                               {"minor", library.table().minor},
                               {"operations", std::move(operations)},
                               {"gaps", gaps}};
  const calbridge_bytes manifest = library.table().manifest;
  PayloadWriter payload;
  payload.text(head.dump()).text({manifest.data, manifest.size});
  return payload.bytes();
}

} // namespace

void runPlugin(const std::filesystem::path& plugin, int socket) {
  settleIn();
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); // to the host's log, line by line
  FrameStream stream(socket);
  std::shared_ptr<const PluginLibrary> library;
  try {
    const auto gaps = confineForLoading(plugin);
    library = PluginLibrary::loadHere(plugin);
    confineForCalls(gaps);
    stream.write(FrameKind::hello, 0, hello(*library, gaps));
  } catch (const std::exception& exception) {
    PayloadWriter payload;
    payload.text(exception.what());
    stream.write(FrameKind::refused, 0, payload.bytes());
    ::_exit(1);
  }
  CallLoop loop(std::move(library), stream);
  loop.work();
}

void tryPlugin(const std::filesystem::path& plugin) {
  settleIn();
  int code = 0;
  try {
    const auto gaps = confineForLoading(plugin);
    const auto library = PluginLibrary::loadHere(plugin);
    confineForCalls(gaps);
  } catch (const std::exception& exception) {
    std::printf("%s\n", exception.what());
    code = 1;
  }
  std::fflush(nullptr);
  ::_exit(code); // in the sandbox there is nothing else to be done at the end
}

} // namespace calbridge::plugins
