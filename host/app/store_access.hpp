#pragma once
#include "config/configuration.hpp"
#include "connections/key_ring.hpp"
#include "store/store.hpp"

#include <filesystem>
#include <memory>

namespace calbridge::app {

/// This host's name among those that share a PostgreSQL database: storage.node, or the machine's.
std::string nodeName(const Configuration& configuration);
/// Where the running host listens for commands: beside an SQLite database, else in var/.
std::filesystem::path controlSocketPath(const Configuration& configuration);
/// The key file beside an SQLite database, else in var/.
std::filesystem::path masterKeyPath(const Configuration& configuration);
/// That file, or the keys of the environment.
connections::KeySource keySource(const Configuration& configuration);
/// Opens the database as a host, which may then claim deliveries; waits up to three seconds for a command that has it
/// open at the moment, or for the server to notice the end of this host's former life.
std::unique_ptr<store::Store> openPatiently(const Configuration& configuration);

} // namespace calbridge::app
