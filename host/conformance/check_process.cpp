#include "conformance/check_process.hpp"

#include "conformance/rehearsal.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <iterator>
#include <sstream>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

using nlohmann::json;

constexpr int kResult = 3;
constexpr rlim_t kMostWritten = 64 << 20;

/// One line of the result. A plugin that crashes right after it takes none of it along.
void say(const json& line) {
  const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t put = ::write(kResult, rest.data(), rest.size());
    if (put < 0 && errno != EINTR) {
      return;
    }
    rest.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
  }
}

/// What is checked may misbehave: it ends with who started it, leaves no core and fills no memory with output.
void confine() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit none{0, 0};
  const rlimit written{kMostWritten, kMostWritten};
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_FSIZE, &written);
}

json described(Trial& trial) {
  json operations = json::array();
  for (const plugins::Operation operation : plugins::kOperations) {
    if (trial.library()->operation(operation) != nullptr) {
      operations.push_back(plugins::toString(operation));
    }
  }
  return {{"manifest", trial.manifest().document}, {"operations", operations}};
}

std::string transcriptOf(Trial& trial, Way way) {
  Rehearsal rehearsal(trial, {.way = way});
  rehearsal.live([](plugins::Operation, const Ended&) {});
  return rehearsal.transcript();
}

void run(const std::string& name, Trial& trial) {
  if (name == kDescribeJob) {
    say({{"plugin", described(trial)}});
    return;
  }
  if (name == kTranscriptJob || name == kIsolatedTranscriptJob) {
    const std::string transcript = transcriptOf(trial, name == kTranscriptJob ? Way::inProcess : Way::isolated);
    say({{"transcript", base64Encode(transcript)}}); // any bytes, and every one of them counts
    return;
  }
  const std::vector<Check> all = allChecks();
  const auto check = std::find_if(all.begin(), all.end(), [&](const Check& one) { return one.id == name; });
  if (check == all.end()) {
    throw Error("usage", "there is no check " + name);
  }
  check->run(trial);
}

std::string tail(const std::string& output) {
  constexpr std::size_t kShown = 600;
  std::string text = output.size() > kShown ? "…" + output.substr(output.size() - kShown) : output;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? text : "; it wrote: " + text;
}

std::string wayOfEnding(const ChildEnd& end, const std::string& step) {
  const std::string doing = step.empty() ? " before the check began" : " during: " + step;
  if (end.timedOut) {
    return "it did not end in time, and was killed," + doing;
  }
  if (end.signal != 0) {
    return std::string("it crashed (") + ::strsignal(end.signal) + ")" + doing + tail(end.output);
  }
  return "it ended the process (exit code " + std::to_string(end.exitCode) + ")" + doing + tail(end.output);
}

/// One line of what a process says.
void take(const json& said, ProcessResult& result, std::string& step) {
  step = said.value("step", step);
  result.plugin = said.value("plugin", result.plugin);
  if (said.contains("transcript")) {
    result.transcript = base64Decode(said.at("transcript").get<std::string>()).value_or("");
  }
  if (said.contains("done")) {
    result.findings = said.at("findings").get<std::vector<std::string>>();
    result.skipped = said.at("skipped").get<std::string>();
    result.done = true;
  }
}

} // namespace

int runCheckProcess(const std::vector<std::string>& arguments) {
  if (arguments.size() != 1 || ::fcntl(kResult, F_GETFD) < 0) {
    std::cerr << "calbridge-plugin-check is run by calbridge plugins check\n";
    return 2;
  }
  confine();
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  Trial trial(jobFromText(text), [](const std::string& step) { say({{"step", step}}); });
  std::string skipped;
  try {
    run(arguments.front(), trial);
  } catch (const Skipped& reason) {
    skipped = reason.reason;
  } catch (const std::exception& error) {
    trial.find(error.what());
  }
  say({{"done", true}, {"findings", trial.findings()}, {"skipped", skipped}});
  return 0;
}

ProcessResult resultOf(const ChildEnd& end, bool sanitized) {
  ProcessResult result;
  result.output = end.output;
  std::string step;
  std::istringstream lines(end.result);
  for (std::string line; std::getline(lines, line);) {
    const json said = json::parse(line, nullptr, false);
    if (!said.is_object()) {
      continue;
    }
    try {
      take(said, result, step);
    } catch (const json::exception&) {
      continue; // not written by runCheckProcess: the plugin has the same descriptor
    }
  }
  const bool complaint = sanitized && (end.exitCode != 0 || end.signal != 0);
  if (!result.done || end.timedOut || complaint) {
    result.done = false;
    result.failure = wayOfEnding(end, step);
  }
  return result;
}

} // namespace calbridge::conformance
