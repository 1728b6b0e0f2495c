#include "plugins/isolated_instance.hpp"

#include "calbridge/json.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"
#include "plugins/redaction.hpp"
#include "plugins/runner.hpp"
#include "plugins/runner_process.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <unistd.h>

namespace calbridge::plugins {
namespace {

using std::chrono::milliseconds, std::chrono::steady_clock;

constexpr std::size_t kSecretsRemembered = 256;
constexpr std::size_t kLongestLine = 4096;
/// Of what a plugin writes, as much is read at once; if there was more, the next only after a while. It waits then.
constexpr int kReadsAtOnce = 16;
constexpr milliseconds kPauseOfFlood{20};

std::string inWords(milliseconds wait) {
  return wait < std::chrono::seconds(1) ? "in less than a second" : "in " + std::to_string(wait.count() / 1000) + " s";
}

} // namespace

IsolatedInstance::IsolatedInstance(PluginDescription description, RunnerOptions runner, const HostServices& host,
                                   PluginIdentity identity, std::string settings,
                                   std::span<const std::string_view> secrets)
    : description_(std::move(description)), runner_(std::move(runner)), host_(host), identity_(std::move(identity)),
      settings_(std::move(settings)), clientSecret_(secrets.empty() ? std::string_view() : secrets.front()) {
  condition_.isolated = true;
  keeper_ = std::thread([this] { keep(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return started_; });
  if (failure_.empty()) {
    return;
  }
  lock.unlock();
  keeper_.join();
  throw Error("plugin_invalid", failure_);
}

IsolatedInstance::~IsolatedInstance() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (session_) {
      session_->close("the host ends");
    }
    changed_.notify_all();
  }
  keeper_.join();
}

ProviderCondition IsolatedInstance::condition() const {
  const std::lock_guard lock(mutex_);
  return condition_;
}

// ---- calls: any thread -------------------------------------------------------------------------------------------

bool IsolatedInstance::takeTurn(Time until) {
  std::unique_lock lock(mutex_);
  const int most = description_.manifest.concurrent ? kCallsAtATime : 1;
  if (!turns_.wait_until(lock, until, [&] { return underWay_ < most; })) {
    return false;
  }
  ++underWay_;
  return true;
}

void IsolatedInstance::giveTurn() {
  const std::lock_guard lock(mutex_);
  --underWay_;
  turns_.notify_one();
}

Reply IsolatedInstance::call(Operation operation, std::string_view request, const CallContext& context,
                             std::span<const std::string_view> secrets) {
  if (!has(operation)) {
    return hostReply(Status::unsupported, std::string("this provider does not do ") + toString(operation));
  }
  CallServices services(host_, identity_, context, secrets, true);
  const Time deadline = steady_clock::now() + context.timeout;
  if (!takeTurn(deadline)) {
    return hostReply(Status::deadline, "the plugin was busy with other calls until the time was over");
  }
  const struct Turn {
    IsolatedInstance& instance;
    ~Turn() { instance.giveTurn(); }
  } turn{*this};
  std::shared_ptr<RunnerSession> session;
  {
    const std::lock_guard lock(mutex_);
    // After a quarantine one call goes first, alone.
    if (!ready_ || session_->closed() || (condition_.quarantined && underWay_ > 1)) {
      return away();
    }
    session = session_;
    remember(secrets);
  }
  PayloadWriter payload;
  payload.number(static_cast<int>(operation)).text(request).text(context.requestId);
  auto outcome = session->exchange(FrameKind::call, payload.bytes(), services, deadline + runner_.grace,
                                   context.cancelled, runner_.grace);
  if (outcome.end == RunnerSession::End::replied) {
    answered();
    return std::move(outcome.reply);
  }
  if (outcome.end == RunnerSession::End::overtime) {
    session->close(std::string("it did not answer ") + toString(operation) + " in time");
    return hostReply(Status::deadline, "the plugin did not answer in time; its process was ended and starts again");
  }
  return lost(*session);
}

/// With the lock held: why there is no process to call.
Reply IsolatedInstance::away() const {
  const auto wait = std::max(milliseconds(1), std::chrono::ceil<milliseconds>(next_ - steady_clock::now()));
  std::string message = condition_.quarantined
                            ? "the plugin is in quarantine, because it fails again and again: " + condition_.reason +
                                  "; it is tried again " + inWords(wait)
                            : "the plugin's process ended: " + condition_.reason + "; it starts again " + inWords(wait);
  Reply reply{Status::transient, {}};
  sdk::ObjectWriter(reply.body)
      .text("message", message)
      .text("code", condition_.quarantined ? "plugin_quarantined" : "plugin_restarting")
      .number("retry_after_ms", wait.count())
      .end();
  return reply;
}

Reply IsolatedInstance::lost(RunnerSession& session) {
  session.close({}); // also when it merely stopped reading
  Reply reply{Status::transient, {}};
  sdk::ObjectWriter(reply.body)
      .text("message", "the plugin's process ended during the call: " + session.reason())
      .text("code", "plugin_ended")
      .end();
  return reply;
}

void IsolatedInstance::answered() {
  const std::lock_guard lock(mutex_);
  if (condition_.quarantined) {
    host_.logger.info("a plugin answers again and is no longer in quarantine", {{"provider", identity_.id}});
  }
  strikes_ = 0;
  condition_.quarantined = false;
}

/// With the lock held.
void IsolatedInstance::remember(std::span<const std::string_view> secrets) {
  for (const std::string_view secret : secrets) {
    if (std::find(recentSecrets_.begin(), recentSecrets_.end(), secret) == recentSecrets_.end()) {
      recentSecrets_.emplace_back(secret);
    }
  }
  while (recentSecrets_.size() > kSecretsRemembered) {
    recentSecrets_.pop_front();
  }
}

// ---- the process: one thread -------------------------------------------------------------------------------------

void IsolatedInstance::keep() {
  nameThread("plugin keeper");
  std::unique_lock lock(mutex_);
  while (!stopping_ && failure_.empty()) {
    lock.unlock();
    const std::string end = live();
    lock.lock();
    ready_ = false;
    if (!started_) {
      failure_ = end;
      started_ = true;
      changed_.notify_all();
    } else if (!stopping_) {
      strike(end);
      changed_.wait_until(lock, next_, [&] { return stopping_; });
    }
  }
}

/// One life of the process, from its start to its end; returns how it ended, or why it did not begin.
std::string IsolatedInstance::live() {
  std::string end;
  std::shared_ptr<RunnerSession> session;
  output_ = OutputLines();
  errors_ = OutputLines();
  try {
    RunnerProcess process(runner_.program, description_.path);
    session = std::make_shared<RunnerSession>(process.socket());
    {
      const std::lock_guard lock(mutex_);
      session_ = session;
      condition_.restarts += started_ ? 1 : 0;
      if (stopping_) {
        return "the host ends";
      }
    }
    try {
      if (greet(process, session->stream(), description_.path, runner_).manifestText != description_.manifestText) {
        throw Error("plugin_invalid", description_.path.string() +
                                          ": the file was replaced by one that says something else about itself; "
                                          "restart calbridge to use it");
      }
      create(process, *session);
      watch(process, *session);
    } catch (const Error& error) {
      session->close(error.message());
    }
    const bool orderly = [&] {
      const std::lock_guard lock(mutex_);
      return stopping_;
    }();
    const std::string died = process.finish(orderly ? std::chrono::seconds(1) : milliseconds(50));
    while (report(process)) { // nobody writes any more
    }
    session->settle(died);
    end = session->reason();
  } catch (const Error& error) {
    end = error.message();
  }
  const std::lock_guard lock(mutex_);
  ready_ = false;
  session_.reset();
  return end;
}

void IsolatedInstance::create(RunnerProcess& process, RunnerSession& session) {
  CallContext context;
  context.timeout = runner_.loading;
  const std::array<std::string_view, 1> secrets = {clientSecret_};
  CallServices services(host_, identity_, context, secrets, false);
  PayloadWriter payload;
  payload.text(settings_).text({}).number(services.mail() ? 1 : 0);
  const auto outcome = session.exchange(FrameKind::create, payload.bytes(), services,
                                        steady_clock::now() + runner_.loading, nullptr, runner_.grace);
  if (outcome.end == RunnerSession::End::overtime) {
    throw Error("plugin_invalid", description_.path.string() + ": making an instance takes forever");
  }
  if (outcome.end == RunnerSession::End::lost) {
    throw Error("plugin_invalid", description_.path.string() +
                                      ": making an instance ends its process: " + process.finish(milliseconds(50)));
  }
  if (outcome.reply.status != Status::ok) {
    throw Error("plugin_invalid", description_.path.string() + ": " + refusalOf(outcome.reply, secrets));
  }
  const std::lock_guard lock(mutex_);
  ready_ = true;
  started_ = true;
  changed_.notify_all();
}

/// Until the process or the host is at its end: passes on what it writes.
void IsolatedInstance::watch(RunnerProcess& process, RunnerSession& session) {
  std::array<pollfd, 3> watched = {pollfd{process.socket()->get(), POLLRDHUP, 0}, pollfd{process.output(), POLLIN, 0},
                                   pollfd{process.errors(), POLLIN, 0}};
  bool flood = false;
  while (!session.closed()) {
    const auto size = flood ? 1 : watched.size();
    if (::poll(watched.data(), size, flood ? static_cast<int>(kPauseOfFlood.count()) : -1) < 0 && errno != EINTR) {
      return;
    }
    if ((watched[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
      return;
    }
    flood = report(process);
    for (pollfd& pipe : std::span(watched).first(size).subspan(1)) {
      if ((pipe.revents & (POLLHUP | POLLERR)) != 0 && (pipe.revents & POLLIN) == 0) {
        pipe.fd = -1; // closed by the plugin
      }
    }
  }
}

/// What it has written by now goes to the log. True when it writes faster than that.
bool IsolatedInstance::report(RunnerProcess& process) {
  std::vector<std::string> known;
  {
    const std::lock_guard lock(mutex_);
    known.assign(recentSecrets_.begin(), recentSecrets_.end());
  }
  known.push_back(clientSecret_);
  const std::vector<std::string_view> secrets(known.begin(), known.end());
  const auto drain = [&](int pipe, OutputLines& lines, Logger::Level level, const char* stream) {
    const auto sink = [&](std::string_view line, std::size_t dropped) {
      if (host_.logger.enabled(level)) {
        host_.logger.write(level,
                           dropped > 0 ? std::to_string(dropped) + " lines that a plugin wrote were dropped"
                                       : presentable(line, secrets, kLongestLine),
                           {{"provider", identity_.id}, {"stream", stream}});
      }
    };
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    int reads = 0;
    while (reads < kReadsAtOnce && (got = ::read(pipe, buffer.data(), buffer.size())) > 0) {
      lines.add({buffer.data(), static_cast<std::size_t>(got)}, steady_clock::now(), sink);
      ++reads;
    }
    if (got == 0) {
      lines.finish(steady_clock::now(), sink);
    }
    return reads == kReadsAtOnce;
  };
  const bool output = drain(process.output(), output_, Logger::Level::debug, "stdout");
  const bool errors = drain(process.errors(), errors_, Logger::Level::warning, "stderr");
  return output || errors;
}

/// With the lock held: one more end that nobody wished. Decides when the process starts again.
void IsolatedInstance::strike(const std::string& reason) {
  ++strikes_;
  const std::array<std::string_view, 1> secrets = {clientSecret_};
  condition_.reason = presentable(reason, secrets, 1000);
  milliseconds pause = runner_.firstPause;
  for (int i = 1; i < strikes_ && pause < runner_.longestPause; ++i) {
    pause *= 2;
  }
  pause = std::min(pause, runner_.longestPause);
  if (strikes_ >= runner_.strikes) {
    pause = runner_.quarantine;
    condition_.quarantined = true;
  }
  next_ = steady_clock::now() + pause;
  host_.logger.write(condition_.quarantined ? Logger::Level::error : Logger::Level::warning,
                     condition_.quarantined ? "a plugin is in quarantine; its work waits"
                                            : "a plugin's process ended and starts again",
                     {{"provider", identity_.id},
                      {"reason", condition_.reason},
                      {"strikes", std::to_string(strikes_)},
                      {"next_start", inWords(pause)}});
}

} // namespace calbridge::plugins
