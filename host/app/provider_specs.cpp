#include "app/provider_specs.hpp"

namespace calbridge::app {

std::vector<plugins::ProviderSpec> providerSpecs(const Configuration& configuration) {
  std::vector<plugins::ProviderSpec> specs;
  for (const auto& provider : configuration.providers) {
    if (!provider.enabled)
      continue;
    plugins::ProviderSpec spec;
    spec.id = provider.id;
    spec.plugin = provider.plugin;
    spec.label = provider.label;
    spec.settings = provider.settings;
    spec.allowedHosts = {provider.allowedHosts, provider.allowedRanges};
    if (provider.isolated)
      spec.isolation = *provider.isolated ? plugins::Isolation::isolated : plugins::Isolation::inProcess;
    if (const auto it = configuration.secrets.providers.find(provider.id);
        it != configuration.secrets.providers.end()) {
      spec.clientId = it->second.clientId;
      spec.clientSecret = it->second.clientSecret;
      spec.redirectUri = it->second.redirectUri;
    }
    const std::string prefix = environmentPrefix(provider.id);
    if (spec.clientId.empty())
      spec.missing.push_back(prefix + "_CLIENT_ID");
    if (spec.clientSecret.empty())
      spec.missing.push_back(prefix + "_CLIENT_SECRET");
    specs.push_back(std::move(spec));
  }
  return specs;
}

plugins::PluginSearch pluginSearch(const Configuration& configuration) {
  std::vector<std::filesystem::path> directories;
  for (const auto& directory : configuration.plugins.directories)
    directories.push_back(std::filesystem::absolute(directory));
  auto search = plugins::defaultSearch(directories);
  search.runner.quarantine = configuration.plugins.quarantine;
  return search;
}

} // namespace calbridge::app
