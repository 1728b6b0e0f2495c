#pragma once
#include "config/configuration.hpp"
#include "store/store.hpp"

#include <filesystem>
#include <memory>

namespace calbridge::app {

/// Where the running host listens for commands: beside the database.
std::filesystem::path controlSocketPath(const Configuration& configuration);
/// The key file beside the database.
std::filesystem::path masterKeyPath(const Configuration& configuration);
/// Opens the database; waits up to three seconds for a command that has it open at the moment.
std::unique_ptr<store::Store> openPatiently(const Configuration& configuration);

} // namespace calbridge::app
