#include "app/store_access.hpp"
#include "core/error.hpp"

#include <thread>

namespace calbridge::app {

std::filesystem::path controlSocketPath(const Configuration& configuration) {
  return std::filesystem::path(configuration.storage.path).replace_extension(".sock");
}

std::filesystem::path masterKeyPath(const Configuration& configuration) {
  return std::filesystem::path(configuration.storage.path).parent_path() / "master.key";
}

std::unique_ptr<store::Store> openPatiently(const Configuration& configuration) {
  if (configuration.storage.kind != StorageConfig::Kind::sqlite)
    throw Error("store_unavailable", "storage.url: this build keeps its data in SQLite only; use sqlite:PATH");
  for (int tries = 0;; ++tries) {
    try {
      return store::openStore(configuration.storage.url);
    } catch (const Error& error) {
      if (error.code() != "store_locked" || tries >= 60)
        throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

} // namespace calbridge::app
