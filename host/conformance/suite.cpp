#include "conformance/suite.hpp"

#include "conformance/elf_file.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <thread>

namespace calbridge::conformance {
namespace {

using Outcome = CheckResult::Outcome;

/// Little of the environment reaches a plugin under check: what a sanitizer is told, and where time zones are.
std::vector<std::string> environmentFor(const ElfFile& plugin, const std::filesystem::path& program) {
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin"};
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TZDIR"}) {
    if (const char* value = std::getenv(name); value != nullptr) {
      environment.push_back(std::string(name) + "=" + value);
    }
  }
  // A sanitizer's run time has to be first in the process; this program may have been built without.
  const std::vector<std::string> own = readElf(program).needed;
  for (const std::string& name : plugin.needed) {
    const bool runTime = name.starts_with("libasan.so.") || name.starts_with("libtsan.so.");
    if (runTime && std::find(own.begin(), own.end(), name) == own.end()) {
      environment.push_back("LD_PRELOAD=" + name);
    }
  }
  return environment;
}

std::vector<Check> chosen(const std::vector<std::string>& only) {
  std::vector<Check> checks = allChecks();
  for (const std::string& one : only) {
    if (std::none_of(checks.begin(), checks.end(), [&](const Check& check) { return check.id.starts_with(one); })) {
      throw Error("usage", "there is no check \"" + one + "\"; calbridge plugins check --list shows them");
    }
  }
  if (!only.empty()) {
    std::erase_if(checks, [&](const Check& check) {
      return std::none_of(only.begin(), only.end(), [&](const std::string& one) { return check.id.starts_with(one); });
    });
  }
  return checks;
}

CheckResult judged(const Check& check, const ProcessResult& process) {
  CheckResult result;
  result.check = check;
  result.findings = process.findings;
  result.output = process.output;
  if (!process.done) {
    result.findings.push_back(process.failure);
  }
  if (!result.findings.empty()) {
    result.outcome = Outcome::failed;
  } else if (!process.skipped.empty()) {
    result.outcome = Outcome::skipped;
    result.reason = process.skipped;
  }
  return result;
}

const char* word(Outcome outcome) {
  return outcome == Outcome::passed ? "passed" : outcome == Outcome::failed ? "failed" : "skipped";
}

std::string groupOf(std::string_view id) {
  return std::string(id.substr(0, id.find('.')));
}

std::string padded(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

template <typename Strings>
std::string joined(const Strings& strings) {
  std::string out;
  for (const std::string& one : strings) {
    out += (out.empty() ? "" : ", ") + one;
  }
  return out;
}

} // namespace

std::size_t SuiteReport::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::count_if(results.begin(), results.end(),
                                                [&](const CheckResult& result) { return result.outcome == outcome; }));
}

SuiteReport runSuite(const SuiteOptions& options) {
  const std::vector<Check> checks = chosen(options.only);
  const ElfFile elf = readElf(options.plugin);
  const std::vector<std::string> environment = environmentFor(elf, options.program);
  const std::string job = toText({options.plugin, options.seed, options.script});
  const auto run = [&](const std::string& name) {
    return resultOf(runChild(options.program, {name}, environment, job, options.timeout), !elf.sanitizer.empty());
  };
  const ProcessResult described = run(kDescribeJob);
  if (!described.plugin.is_object()) {
    throw Error("plugin_invalid", described.findings.empty() ? options.plugin.string() + ": " + described.failure
                                                             : described.findings.front());
  }
  SuiteReport report;
  report.plugin = options.plugin;
  report.manifest = described.plugin.at("manifest");
  report.operations = described.plugin.at("operations").get<std::vector<std::string>>();
  report.sanitizers = elf.sanitizer;
  report.seed = options.seed;
  report.results.resize(checks.size());

  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failureMutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < checks.size(); i = next++) {
      try {
        const auto begin = std::chrono::steady_clock::now();
        report.results[i] = judged(checks[i], run(std::string(checks[i].id)));
        report.results[i].took =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
      } catch (...) { // handed to the caller below
        const std::lock_guard lock(failureMutex);
        failure = std::current_exception();
        next = checks.size();
      }
    }
  };
  const unsigned processes =
      options.processes != 0 ? options.processes : std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < processes; ++i) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) {
    thread.join();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  return report;
}

nlohmann::json toJson(const SuiteReport& report) {
  nlohmann::json checks = nlohmann::json::array();
  for (const CheckResult& result : report.results) {
    nlohmann::json one = {{"id", result.check.id},
                          {"sentence", result.check.sentence},
                          {"outcome", word(result.outcome)},
                          {"milliseconds", result.took.count()}};
    if (result.outcome == Outcome::failed) {
      one["findings"] = result.findings;
      one["change"] = result.check.change;
      one["output"] = result.output;
    } else if (result.outcome == Outcome::skipped) {
      one["reason"] = result.reason;
    }
    checks.push_back(std::move(one));
  }
  return {{"plugin",
           {{"path", report.plugin.string()},
            {"id", report.manifest.value("id", "")},
            {"version", report.manifest.value("version", "")},
            {"operations", report.operations},
            {"sanitizers", report.sanitizers}}},
          {"seed", report.seed},
          {"passed", report.count(Outcome::passed)},
          {"failed", report.count(Outcome::failed)},
          {"skipped", report.count(Outcome::skipped)},
          {"checks", checks}};
}

std::string describe(const SuiteReport& report) {
  std::string out = report.manifest.value("name", "") + " " + report.manifest.value("version", "") + "  (" +
                    report.plugin.string() + ")\n";
  if (!report.sanitizers.empty()) {
    out += "built with sanitizers (" + joined(report.sanitizers) +
           "): what they find fails the check in which they find it; same.parallel is the one for data races\n";
  }
  std::string group;
  for (const CheckResult& result : report.results) {
    if (groupOf(result.check.id) != group) {
      group = groupOf(result.check.id);
      out += "\n" + group + "\n";
    }
    const bool failed = result.outcome == Outcome::failed;
    out += "  " + padded(failed ? "FAILED" : word(result.outcome), 8) + padded(result.check.id, 24) +
           std::string(result.check.sentence) + "\n";
    for (const std::string& finding : result.findings) {
      out += "          - " + finding + "\n";
    }
    if (failed) {
      out += "          To change: " + std::string(result.check.change) + "\n";
    } else if (result.outcome == Outcome::skipped) {
      out += "          because " + result.reason + "\n";
    }
  }
  return out + "\n" + std::to_string(report.results.size()) +
         " checks: " + std::to_string(report.count(Outcome::passed)) + " passed, " +
         std::to_string(report.count(Outcome::failed)) + " failed, " + std::to_string(report.count(Outcome::skipped)) +
         " skipped (seed " + std::to_string(report.seed) + ")\n";
}

nlohmann::json checksAsJson() {
  nlohmann::json checks = nlohmann::json::array();
  for (const Check& check : allChecks()) {
    checks.push_back({{"id", check.id}, {"sentence", check.sentence}, {"change", check.change}});
  }
  return checks;
}

std::string checksAsText() {
  std::string out;
  for (const Check& check : allChecks()) {
    out += padded(check.id, 24) + std::string(check.sentence) + "\n";
  }
  return out;
}

} // namespace calbridge::conformance
