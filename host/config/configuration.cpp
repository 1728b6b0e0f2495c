#include "config/configuration.hpp"
#include "config/addresses.hpp"
#include "config/document.hpp"
#include "config/readers.hpp"
#include "config/schema_check.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace calbridge {
namespace {

constexpr std::uintmax_t kMaxFile = 4U << 20U;

/// A file of the configuration; an empty document with a problem when it can not be read.
Document readDocument(const std::filesystem::path& path, Problems& problems) {
  std::error_code error;
  const auto complain = [&](const std::string& why) {
    problems.push_back({path.string(), why});
    return Document(path.string());
  };
  if (!std::filesystem::is_regular_file(path, error))
    return complain("the file does not exist; the shipped one is config/" + path.filename().string());
  if (std::filesystem::file_size(path, error) > kMaxFile)
    return complain("the file is larger than 4 MiB");
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf()))
    return complain(text.str().empty() && in ? "the file is empty" : "the file can not be read");
  return Document(path.string(), text.str(), problems);
}

/// "file:line:column" → line and column; zeros for any other place.
std::pair<unsigned long, unsigned long> lineAndColumn(const std::string& where) {
  const std::size_t second = where.rfind(':');
  const std::size_t first =
      second == std::string::npos || second == 0 ? std::string::npos : where.rfind(':', second - 1);
  if (first == std::string::npos)
    return {0, 0};
  return {std::strtoul(where.c_str() + first + 1, nullptr, 10), std::strtoul(where.c_str() + second + 1, nullptr, 10)};
}

/// The schema and the readers complain one after the other: people want the order of the file.
void sortFrom(Problems& problems, std::size_t begin) {
  std::stable_sort(problems.begin() + static_cast<std::ptrdiff_t>(begin), problems.end(),
                   [](const Problem& a, const Problem& b) { return lineAndColumn(a.where) < lineAndColumn(b.where); });
}

void applyOverrides(Document& document, const std::vector<std::string>& overrides, Problems& problems) {
  for (const auto& text : overrides) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      problems.push_back({"--set " + text, "write --set dotted.path=VALUE"});
      continue;
    }
    const std::string value = text.substr(equals + 1);
    auto json = nlohmann::json::parse(value, nullptr, false);
    document.override(text.substr(0, equals), json.is_discarded() ? nlohmann::json(value) : std::move(json), problems);
  }
}

Policies readPolicies(const std::filesystem::path& directory, const std::vector<std::string>* providers,
                      Problems& problems) {
  Policies policies;
  const Document roles = readDocument(directory / "roles.json", problems);
  if (roles.readable()) {
    const std::size_t begin = problems.size();
    checkDocument(roles, "roles", problems);
    policies.roles = readRoles(roles, providers, problems);
    sortFrom(problems, begin);
  }
  const Document routing = readDocument(directory / "routing.json", problems);
  if (routing.readable()) {
    const std::size_t begin = problems.size();
    checkDocument(routing, "routing", problems);
    policies.routing = readRouting(routing, roles.readable() ? &policies.roles : nullptr, problems);
    sortFrom(problems, begin);
  }
  return policies;
}

void warnAboutUrls(const Configuration& configuration, const std::string& file, Problems& warnings) {
  const auto& server = configuration.server;
  for (const auto& [key, url] : {std::pair<std::string, std::string>{"public_url", server.publicUrl},
                                 std::pair<std::string, std::string>{"frontend_url", server.frontendUrl}})
    if (url.starts_with("http://") && !isLoopbackUrl(url))
      warnings.push_back({file, "server." + key +
                                    " is plain http beyond this machine: passwords and cookies can be "
                                    "read on the way; put a TLS proxy in front or set server.tls, and write "
                                    "https://"});
  if (!server.tls.certificateFile.empty() && server.publicUrl.starts_with("http://"))
    warnings.push_back({file,
                        "server.tls is set, but server.public_url is plain http: links and redirect URIs lead to a "
                        "port that does not answer them, and cookies are not marked Secure; write https://"});
}

} // namespace

LoadedConfiguration loadConfiguration(const ConfigurationSource& source) {
  LoadedConfiguration loaded;
  std::error_code error;
  if (!std::filesystem::is_directory(source.directory, error)) {
    loaded.problems.push_back(
        {source.directory.string(), "the configuration directory does not exist; name another one with --config DIR"});
    return loaded;
  }
  Problems& problems = loaded.problems;
  Configuration configuration;
  Document host = readDocument(source.directory / "calbridge.json", problems);
  if (host.readable()) {
    const std::size_t begin = problems.size();
    Problems none;
    host.adopt("providers", Document("calbridge.json", std::string(embeddedDefaults()), none));
    applyOverrides(host, source.overrides, problems);
    checkDocument(host, "calbridge", problems);
    readHost(host, configuration, problems, loaded.warnings);
    sortFrom(problems, begin);
  }
  const Environment environment =
      loadEnvironment(source.envFile, source.envFileRequired, source.environment, problems, loaded.warnings);
  configuration.secrets = readSecrets(environment, configuration, problems, loaded.warnings);
  std::vector<std::string> providers;
  for (const auto& provider : configuration.providers)
    providers.push_back(provider.id);
  configuration.policies = readPolicies(source.directory, host.readable() ? &providers : nullptr, problems);
  warnAboutUrls(configuration, host.name(), loaded.warnings);
  if (problems.empty())
    loaded.configuration = std::move(configuration);
  return loaded;
}

LoadedPolicies loadPolicies(const std::filesystem::path& directory, const std::vector<std::string>& providers) {
  LoadedPolicies loaded;
  Policies policies = readPolicies(directory, &providers, loaded.problems);
  if (loaded.problems.empty())
    loaded.policies = std::move(policies);
  return loaded;
}

} // namespace calbridge
