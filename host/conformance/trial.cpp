#include "conformance/trial.hpp"

#include "conformance/checks.hpp"

#include <algorithm>

namespace calbridge::conformance {

using nlohmann::json;

std::string toText(const Job& job) {
  return json{{"plugin", job.plugin.string()}, {"seed", job.seed}, {"script", toJson(job.script)}}.dump();
}

Job jobFromText(const std::string& text) {
  const json document = json::parse(text);
  return {document.at("plugin").get<std::string>(), document.at("seed").get<std::uint64_t>(),
          scriptFromJson(document.at("script"))};
}

const std::shared_ptr<const plugins::PluginLibrary>& Trial::library() {
  if (!library_) {
    library_ = plugins::PluginLibrary::loadHere(job_.plugin);
  }
  return library_;
}

void Trial::need(const std::string& capability) {
  if (!can(capability)) {
    throw Skipped{"the manifest does not name the capability " + capability};
  }
}

void Trial::find(const std::string& what) {
  constexpr std::size_t kMost = 10;
  if (findings_.size() < kMost && std::find(findings_.begin(), findings_.end(), what) == findings_.end()) {
    findings_.push_back(what);
  }
}

bool Trial::expect(bool holds, const std::string& what) {
  if (!holds) {
    find(what);
  }
  return holds;
}

std::vector<Check> allChecks() {
  std::vector<Check> all;
  for (const auto part :
       {libraryChecks(), manifestChecks(), inputChecks(), replyChecks(), oauthChecks(), secretChecks(), httpChecks(),
        entryChecks(), calendarChecks(), mailChecks(), timeChecks(), sameChecks()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

} // namespace calbridge::conformance
