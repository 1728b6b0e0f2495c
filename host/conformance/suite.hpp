#pragma once
#include "conformance/check_process.hpp"
#include "conformance/trial.hpp"

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calbridge::conformance {

struct SuiteOptions {
  std::filesystem::path plugin;  ///< absolute
  std::filesystem::path program; ///< calbridge-plugin-check
  Script script;
  std::uint64_t seed = 1;
  std::chrono::milliseconds timeout{20000}; ///< of one check
  unsigned processes = 0;                   ///< at a time; 0: as many as there are processors
  std::vector<std::string> only;            ///< ids, or beginnings of ids; empty: all
};

struct CheckResult {
  enum class Outcome { passed, failed, skipped };
  Check check;
  Outcome outcome = Outcome::passed;
  std::vector<std::string> findings; ///< of a failed one
  std::string reason;                ///< of a skipped one
  std::string output;                ///< what the plugin wrote to standard output and error
  std::chrono::milliseconds took{0};
};

struct SuiteReport {
  std::filesystem::path plugin;
  nlohmann::json manifest;
  std::vector<std::string> operations;
  std::vector<std::string> sanitizers; ///< that the plugin is built with
  std::uint64_t seed = 1;
  std::vector<CheckResult> results;
  std::size_t count(CheckResult::Outcome outcome) const;
};

/// Runs the checks, each in a process of its own. Throws Error("plugin_invalid") when the file cannot be loaded at all,
/// Error("usage") when `only` names nothing.
SuiteReport runSuite(const SuiteOptions& options);

/// The report as one document; its shape is in sdk/README.md, "Check it".
nlohmann::json toJson(const SuiteReport& report);
/// The report for people: a line a check, and under a failed one what was found and what to change.
std::string describe(const SuiteReport& report);

/// All checks, without a plugin.
nlohmann::json checksAsJson();
std::string checksAsText();

} // namespace calbridge::conformance
