#include "conformance/check_process.hpp"
#include "conformance/checks.hpp"
#include "conformance/child_process.hpp"
#include "conformance/elf_file.hpp"
#include "conformance/loading.hpp"
#include "conformance/rehearsal.hpp"

#include <algorithm>
#include <condition_variable>
#include <thread>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

/// A life in another process, in the way that `job` names.
ProcessResult lifeOfAnother(Trial& trial, const char* job) {
  std::vector<std::string> environment;
  for (char** one = environ; *one != nullptr; ++one) {
    environment.emplace_back(*one);
  }
  trial.step(job == kIsolatedTranscriptJob ? "a whole life in calbridge-plugin-runner"
                                           : "a whole life in another process");
  return resultOf(runChild("/proc/self/exe", {job}, environment, toText(trial.job()), std::chrono::minutes(1)));
}

std::string failureOf(const ProcessResult& result) {
  return !result.findings.empty() ? result.findings.front() : result.failure + result.skipped;
}

std::string transcriptOfAnother(Trial& trial) {
  const ProcessResult result = lifeOfAnother(trial, kTranscriptJob);
  if (!result.done || result.transcript.empty()) {
    throw Skipped{"a whole life does not come to its end: " + failureOf(result)};
  }
  return result.transcript;
}

/// The line of `one` in which it begins to differ from `other`, as JSON shows it.
std::string differingLine(const std::string& one, const std::string& other) {
  const auto at = static_cast<std::size_t>(
      std::mismatch(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(std::min(one.size(), other.size())),
                    other.begin())
          .first -
      one.begin());
  const std::size_t before = at == 0 ? std::string::npos : one.rfind('\n', at - 1);
  const std::size_t line = before == std::string::npos ? 0 : before + 1;
  return json(one.substr(line, std::min<std::size_t>(one.find('\n', line) - line, 200)))
      .dump(-1, ' ', true, json::error_handler_t::replace);
}

void bytes(Trial& trial) {
  const std::string one = transcriptOfAnother(trial);
  const std::string other = transcriptOfAnother(trial);
  trial.expect(one == other, "with the same clock, the same randomness and the same answers one process says " +
                                 differingLine(one, other) + ", another " + differingLine(other, one));
}

void isolated(Trial& trial) {
  const auto missing = [&, in = readElf("/proc/self/exe").sanitizer](const std::string& sanitizer) {
    return std::find(in.begin(), in.end(), sanitizer) == in.end();
  };
  const ElfFile file = readElf(trial.job().plugin);
  if (file.executableStack || file.textRelocations) {
    throw Skipped{"the sandbox lets no memory be written and executed; library.stack tells about that"};
  }
  trial.library();
  if (!symbolsFromElsewhere(file).empty()) {
    throw Skipped{"it uses symbols of libraries that it does not name; library.undefined tells about that"};
  }
  if (std::any_of(file.sanitizer.begin(), file.sanitizer.end(), missing)) {
    throw Skipped{"it is built with sanitizers and calbridge-plugin-runner is not: check it without them, too"};
  }
  const std::string here = transcriptOfAnother(trial);
  const ProcessResult there = lifeOfAnother(trial, kIsolatedTranscriptJob);
  if (!there.done || there.transcript.empty()) {
    trial.find("in a process of its own a whole life does not come to its end: " + failureOf(there));
    return;
  }
  if (here == there.transcript) {
    return;
  }
  const ProcessResult again = lifeOfAnother(trial, kIsolatedTranscriptJob);
  if (transcriptOfAnother(trial) != here || again.transcript != there.transcript) {
    throw Skipped{"its bytes differ from run to run, however it runs; same.bytes tells about that"};
  }
  trial.find("in the host's process it says " + differingLine(here, there.transcript) + ", in a process of its own " +
             differingLine(there.transcript, here));
}

constexpr std::size_t kThreads = 4;

/// Lets several threads meet in their first request, so that their calls are sure to overlap. A thread that makes none
/// keeps nobody waiting for long.
class Meeting {
 public:
  void arrive() {
    std::unique_lock lock(mutex_);
    ++here_;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(5), [&] { return here_ + gone_ >= kThreads; });
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    ++gone_;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t here_ = 0;
  std::size_t gone_ = 0;
};

json pushOf(Rehearsal& rehearsal, std::size_t number) {
  json request = rehearsal.upsert("of " + std::to_string(number));
  request["uid"] = rehearsal.uid() + "-" + std::to_string(number);
  std::string key = request.at("idempotency_key");
  key.back() = static_cast<char>('0' + number);
  request["idempotency_key"] = key;
  return request;
}

/// Pushes from several threads at once, each on the instance that it is given.
void pushTogether(Trial& trial, const std::vector<Rehearsal*>& instances, const std::string& what) {
  Meeting meeting;
  for (Rehearsal* rehearsal : instances) {
    rehearsal->network.instead = [&](const HttpRequest&, std::size_t) -> std::optional<HttpResult> {
      thread_local Meeting* met = nullptr;
      if (met != &meeting) {
        met = &meeting;
        meeting.arrive();
      }
      return std::nullopt;
    };
    for (std::size_t i = 0; i < instances.size(); ++i) {
      rehearsal->network.service.announce(rehearsal->uid() + "-" + std::to_string(i));
    }
  }
  trial.step(what);
  std::vector<Ended> ends(instances.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < instances.size(); ++i) {
    threads.emplace_back([&, i] {
      const json request = pushOf(*instances[i], i);
      ends[i] = instances[i]->call(Operation::push, request);
      meeting.leave();
      const bool calculates = instances[i]->network.exchanges().empty();
      for (int more = 0; calculates && more < 50; ++more) { // no request to meet in: more chances to overlap
        instances[i]->call(Operation::push, request);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 0; i < ends.size(); ++i) {
    trial.expect(ends[i].ok(), what + " ends as " + ends[i].words());
    const auto& service = instances[i]->network.service;
    const bool asked = !instances[i]->network.exchanges().empty();
    const std::size_t entries = service.liveWith(instances[i]->mark() + " of " + std::to_string(i)).size();
    trial.expect(!ends[i].ok() || !asked || entries == 1,
                 what + " leaves " + std::to_string(entries) + " of an entry, and should leave one");
  }
}

void parallel(Trial& trial) {
  {
    Rehearsal alone(trial);
    if (const Ended ended = alone.call(Operation::push, pushOf(alone, 0)); !ended.ok()) {
      throw Skipped{"a push by itself does not work: " + ended.words()};
    }
  }
  std::vector<std::unique_ptr<Rehearsal>> own;
  std::vector<Rehearsal*> each;
  for (std::size_t i = 0; i < kThreads; ++i) {
    own.push_back(std::make_unique<Rehearsal>(trial));
    each.push_back(own.back().get());
  }
  pushTogether(trial, each, "push by several threads, each with an instance of its own,");
  if (trial.manifest().concurrent) {
    Rehearsal shared(trial);
    pushTogether(trial, std::vector<Rehearsal*>(kThreads, &shared), "push by several threads on one instance");
  }
}

constexpr Check kChecks[] = {
    {"same.bytes", "the same clock, randomness and answers give the same bytes",
     "take time and randomness from the host's services, and let no address or hash order show", bytes},
    {"same.isolated", "both ways of running, in the host's process and in one of its own, give the same bytes",
     "take nothing from files, environment, locale or the network yourself (sdk/README.md, \"In a process of its "
     "own\")",
     isolated},
    {"same.parallel", "instances work in parallel, and one instance does where the manifest says concurrent",
     "keep no mutable state outside of the instance; guard what is in it, or do not say \"concurrent\"", parallel},
};

} // namespace

std::span<const Check> sameChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
