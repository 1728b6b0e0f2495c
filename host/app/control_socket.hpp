#pragma once
#include "core/logger.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

namespace calbridge::app {

/// How commands on the same machine reach the running host: a Unix socket beside the database that only its owner may
/// open (mode 0600). One JSON line in, one JSON line out.
class ControlSocket {
 public:
  /// What is thrown by `run` travels to the caller as {"error": {code, message}}.
  using Run = std::function<nlohmann::json(const nlohmann::json&)>;

  /// Replaces a socket file that a dead host left. Throws Error("listen_failed").
  ControlSocket(const std::filesystem::path& path, Run run, Logger& logger);
  /// Removes the file.
  ~ControlSocket();

  /// Sends one request to the host that listens at `path`; nullopt when none does. Throws the host's Error.
  static std::optional<nlohmann::json> ask(const std::filesystem::path& path, const nlohmann::json& request);

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

} // namespace calbridge::app
