#include "conformance/checks.hpp"
#include "conformance/loading.hpp"
#include "conformance/rehearsal.hpp"

namespace calbridge::conformance {
namespace {

using plugins::Operation;

/// A push whose first request meets `event`; Skipped for plugins that make none.
Ended pushMeeting(Trial& trial, Rehearsal& rehearsal, const std::string& what,
                  const std::function<HttpResult(const HttpRequest&)>& event) {
  rehearsal.network.instead = [&](const HttpRequest& request, std::size_t) { return std::optional(event(request)); };
  trial.step(what);
  Ended ended = rehearsal.call(Operation::push, rehearsal.upsert());
  if (rehearsal.network.exchanges().empty()) {
    throw Skipped{"push makes no HTTP request"};
  }
  return ended;
}

constexpr std::size_t kFewRequests = 3;

void expectEnd(Trial& trial, const Rehearsal& rehearsal, const Ended& ended, Status best, const std::string& what) {
  const Status status = ended.reply.status;
  trial.expect(status == best || status == Status::transient || status == Status::deadline ||
                   status == Status::cancelled,
               "push ends as " + ended.words() + " when " + what + "; it should be " + toString(best));
  trial.expect(rehearsal.network.exchanges().size() <= kFewRequests,
               "push makes " + std::to_string(rehearsal.network.exchanges().size()) + " requests after " + what);
}

void deadline(Trial& trial) {
  Rehearsal rehearsal(trial);
  const Ended ended = pushMeeting(trial, rehearsal, "push whose time runs out", [&](const HttpRequest&) {
    rehearsal.clock.pass(rehearsal.timeout.count() + 1000);
    return noAnswer(HttpFailure::Kind::timeout, true);
  });
  expectEnd(trial, rehearsal, ended, Status::deadline, "its time has run out");
}

void cancelled(Trial& trial) {
  Rehearsal rehearsal(trial);
  const Ended ended = pushMeeting(trial, rehearsal, "push that is cancelled", [&](const HttpRequest&) {
    rehearsal.cancelled = true;
    return noAnswer(HttpFailure::Kind::cancelled, true);
  });
  expectEnd(trial, rehearsal, ended, Status::cancelled, "the host has cancelled it");
}

void waiting(Trial& trial) {
  constexpr auto kAsked = std::chrono::seconds(4);
  Rehearsal rehearsal(trial);
  const auto begin = std::chrono::steady_clock::now();
  pushMeeting(trial, rehearsal, "push that is asked to wait four seconds", [&](const HttpRequest&) {
    HttpResponse response = rehearsal.network.service.error(429);
    response.headers.emplace_back("Retry-After", "4");
    return HttpResult{std::move(response), std::nullopt};
  });
  trial.expect(std::chrono::steady_clock::now() - begin < kAsked,
               "push waits by itself when the service answers 429 with Retry-After");
  trial.expect(rehearsal.network.exchanges().size() <= kFewRequests,
               "push asks " + std::to_string(rehearsal.network.exchanges().size()) +
                   " times although it is told to wait");
}

void threads(Trial& trial) {
  Rehearsal rehearsal(trial);
  const std::size_t before = threadCount();
  rehearsal.live([&](Operation operation, const Ended&) {
    trial.expect(threadsFallTo(before), plugins::toString(operation) + std::string(" leaves a thread running"));
  });
}

constexpr Check kChecks[] = {
    {"time.deadline", "a push ends when its time is over",
     "end with the status of the http service, and ask call.remaining() before beginning anew", deadline},
    {"time.cancelled", "a push ends when the host cancels it",
     "end with the status of the http service, and ask call.cancelled() before beginning anew", cancelled},
    {"time.waiting", "waiting is left to the host", "answer rate_limited with retry_after_ms at once", waiting},
    {"time.threads", "no thread outlives an operation", "join what you start before you return", threads},
};

} // namespace

std::span<const Check> timeChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
