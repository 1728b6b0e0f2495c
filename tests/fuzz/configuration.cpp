/// The whole configuration: sections "=== calbridge.json", "=== roles.json", "=== routing.json" and "=== .env" are the
/// files (a missing one is the smallest that works), "=== set" is one --set option.
///
/// Invariants: there is a configuration or there are problems; a problem names its place and is told in UTF-8, and
/// neither it nor a warning shows a secret; what is accepted is accepted again with the same result, and the router can
/// be made of it.
#include "config/configuration.hpp"
#include "fuzz/target.hpp"
#include "routing/routing_policy.hpp"

#include <fstream>
#include <unistd.h>

namespace calbridge::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCanary = "canary-of-the-environment";

/// A folder of this process, for the files of one input after the other.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("calbridge-fuzz-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, std::string_view text) {
    std::ofstream out(path_ / name, std::ios::binary | std::ios::trunc);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    out.close();
    require(!out.fail(), "the file could be written");
    fs::permissions(path_ / name, fs::perms::owner_read | fs::perms::owner_write);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void check(const Problems& problems) {
  for (const Problem& problem : problems) {
    require(!problem.where.empty() && !problem.message.empty(), "a problem has a place and a reason", problem.text());
    require(isUtf8(problem.message), "a problem is told in UTF-8", problem.text());
    require(problem.text().find(kCanary) == std::string::npos, "no problem shows a secret", problem.text());
  }
}

} // namespace

void run(std::string_view input) {
  static Folder folder;
  std::map<std::string, std::string> files = {
      {"calbridge.json", "{}"},
      {"roles.json", R"({"roles": {"customer": {"title": "{{service.name}}", "fields": ["service.name"]}}})"},
      {"routing.json",
       R"({"routes": [{"name": "c", "events": ["order.*"], "audience": "customer", "action": "add"}]})"},
      {".env", ""}};
  ConfigurationSource source;
  source.directory = folder.path();
  source.envFile = folder.path() / ".env";
  source.environment = [](const std::string& name) {
    return name == "GOOGLE_CLIENT_SECRET" ? std::optional<std::string>(kCanary) : std::nullopt;
  };
  for (Section& section : sections(input)) {
    if (section.title == "set")
      source.overrides.push_back(std::move(section.text));
    else if (files.contains(section.title))
      files[section.title] = std::move(section.text);
  }
  for (const auto& [name, text] : files)
    folder.write(name, text);

  const LoadedConfiguration loaded = loadConfiguration(source);
  require(loaded.configuration.has_value() == loaded.problems.empty(), "there is a configuration or there are problems",
          loaded.problems.empty() ? "neither" : loaded.problems.front().text());
  check(loaded.problems);
  check(loaded.warnings);
  if (!loaded.configuration)
    return;

  const routing::RoutingPolicy policy(loaded.configuration->policies.roles, loaded.configuration->policies.routing);
  const LoadedConfiguration again = loadConfiguration(source);
  require(again.configuration && again.warnings == loaded.warnings &&
              again.configuration->policies.roles == loaded.configuration->policies.roles,
          "what is accepted is accepted again");
  std::vector<std::string> providers;
  for (const auto& provider : loaded.configuration->providers)
    providers.push_back(provider.id);
  const LoadedPolicies alone = loadPolicies(folder.path(), providers);
  require(alone.policies &&
              routing::RoutingPolicy(alone.policies->roles, alone.policies->routing).digest() == policy.digest(),
          "a reload finds what the start found");
}

} // namespace calbridge::fuzz
