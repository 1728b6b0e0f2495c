#pragma once
#include "config/configuration.hpp"
#include "plugins/plugin_providers.hpp"

namespace calbridge::app {

/// The enabled providers of the configuration, with their credentials.
std::vector<plugins::ProviderSpec> providerSpecs(const Configuration& configuration);
/// Where plugins are looked for.
plugins::PluginSearch pluginSearch(const Configuration& configuration);

} // namespace calbridge::app
