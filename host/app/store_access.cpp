#include "app/store_access.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

#include <thread>
#include <unistd.h>

namespace calbridge::app {
namespace {

/// Where this machine's own files are when the database is elsewhere.
constexpr const char* kFolder = "var";

bool shared(const Configuration& configuration) {
  return configuration.storage.kind == StorageConfig::Kind::postgresql;
}

} // namespace

std::string nodeName(const Configuration& configuration) {
  if (!configuration.storage.node.empty())
    return configuration.storage.node;
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "calbridge";
}

std::filesystem::path controlSocketPath(const Configuration& configuration) {
  if (shared(configuration))
    return std::filesystem::path(kFolder) / ("calbridge-" + nodeName(configuration) + ".sock");
  return std::filesystem::path(configuration.storage.path).replace_extension(".sock");
}

std::filesystem::path masterKeyPath(const Configuration& configuration) {
  if (shared(configuration))
    return std::filesystem::path(kFolder) / "master.key";
  return std::filesystem::path(configuration.storage.path).parent_path() / "master.key";
}

connections::KeySource keySource(const Configuration& configuration) {
  const auto asBase64 = [](const std::optional<std::string>& key) {
    return key ? std::optional(base64Encode(*key)) : std::nullopt;
  };
  const auto& secrets = configuration.secrets;
  return {.environmentKey = asBase64(secrets.masterKey),
          .file = masterKeyPath(configuration),
          .newEnvironmentKey = asBase64(secrets.newMasterKey)};
}

std::unique_ptr<store::Store> openPatiently(const Configuration& configuration) {
  store::OpenOptions options;
  if (shared(configuration)) {
    options.node = nodeName(configuration);
    options.nodeLifetime = configuration.storage.nodeTimeout;
    std::error_code error;
    if (std::filesystem::create_directories(kFolder, error))
      std::filesystem::permissions(kFolder, std::filesystem::perms::owner_all, error);
    if (error)
      throw Error("store_unavailable",
                  std::string("the directory ") + kFolder +
                      " (for this machine's key file and control socket) cannot be made: " + error.message());
  }
  for (int tries = 0;; ++tries) {
    try {
      return store::openStore(configuration.storage.url, options);
    } catch (const Error& error) {
      if (error.code() != "store_locked" || tries >= 60)
        throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

} // namespace calbridge::app
