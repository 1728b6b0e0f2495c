#pragma once
#include "core/provider.hpp"
#include "plugins/call_services.hpp"
#include "plugins/manifest.hpp"
#include "plugins/plugin_provider.hpp"
#include "plugins/plugin_search.hpp"

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calbridge::plugins {

/// Where a plugin runs. By origin: bundled ones in the host's process, all others in one of their own.
enum class Isolation { byOrigin, inProcess, isolated };

/// Does that mean a process of its own for the plugin in this file?
bool isIsolated(Isolation isolation, const std::filesystem::path& path, const PluginSearch& search);

/// One enabled provider, as the configuration and the environment describe it.
struct ProviderSpec {
  std::string id;     ///< key under "providers"
  std::string plugin; ///< name or absolute path of the library
  std::string label;  ///< for people; empty: the plugin's own name
  nlohmann::json settings = nlohmann::json::object();
  TypedServers allowedHosts; ///< what people may type although it is not public
  std::string clientId;      ///< empty when the environment has none
  std::string clientSecret;
  std::string redirectUri;
  Isolation isolation = Isolation::byOrigin;
  std::vector<std::string> missing; ///< names of the environment variables that an oauth2 provider lacks
};

/// Something that keeps a provider from working.
struct ProviderProblem {
  std::string provider;
  std::string pointer; ///< into calbridge.json, "/providers/google/settings/api_url"
  std::string message; ///< what is wrong, and what to do
};

/// Providers made from plugins. Loading never throws: each provider either works or left its problems. Missing
/// credentials are no problem here; such a provider is there and says configured = false.
class PluginProviders final : public Providers {
 public:
  /// `host` is borrowed and outlives this. Loads each library once, however many providers use it; each isolated
  /// provider has a process of its own.
  PluginProviders(const std::vector<ProviderSpec>& specs, const PluginSearch& search, const HostServices& host);

  Provider* find(const std::string& id) const override;
  std::vector<Provider*> all() const override;
  /// Empty: everything that is enabled works.
  const std::vector<ProviderProblem>& problems() const { return problems_; }
  /// What should confine isolated plugins and does not, on this kernel.
  const std::vector<ProviderProblem>& gaps() const { return gaps_; }
  /// What their services allow, by provider id. A provider whose settings lead to this machine (a sandbox, a server of
  /// one's own) is not that service, and has none.
  const std::map<std::string, Manifest::Quota>& quotas() const { return quotas_; }

 private:
  std::vector<std::unique_ptr<PluginProvider>> providers_;
  std::vector<ProviderProblem> problems_;
  std::vector<ProviderProblem> gaps_;
  std::map<std::string, Manifest::Quota> quotas_;
};

} // namespace calbridge::plugins
