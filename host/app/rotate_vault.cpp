#include "app/control_socket.hpp"
#include "app/host_program.hpp"
#include "app/rotation_thread.hpp"
#include "app/store_access.hpp"
#include "core/error.hpp"

#include <thread>

namespace calbridge::app {
namespace {

using nlohmann::json;

constexpr auto kLook = std::chrono::milliseconds(100);

/// One line for every percent at most.
class ProgressLines {
 public:
  explicit ProgressLines(std::ostream& out) : out_(out) {}
  void show(const json& rotation) {
    const std::int64_t done = rotation.at("done"), total = rotation.at("total");
    if (total == 0 || done == last_ || (done < total && done - last_ < total / 100))
      return;
    last_ = done;
    out_ << done << " of " << total << " secrets have the new key\n" << std::flush;
  }

 private:
  std::ostream& out_;
  std::int64_t last_ = 0;
};

/// Follows the rotation that the host has begun to its end.
json follow(const std::filesystem::path& socket, json rotation, ProgressLines& lines) {
  while (rotation.at("state") == "running") {
    lines.show(rotation);
    std::this_thread::sleep_for(kLook);
    auto answer = ControlSocket::ask(socket, {{"command", "vault.progress"}});
    if (!answer)
      throw Error("host_failed", "the host has ended before the rotation did; start it, and it will go on with it");
    rotation = std::move(*answer);
  }
  lines.show(rotation);
  if (rotation.at("state") != "done")
    throw Error("rotation_failed", "the rotation stopped: " + rotation.at("error").get<std::string>() +
                                       ". Both keys are still needed; `calbridge vault rotate` goes on");
  return rotation;
}

/// The rotation in this process.
json rotateHere(const Configuration& configuration, ProgressLines& lines) {
  // Under a name, so that on PostgreSQL no second rotation can begin, on whatever machine.
  const auto store = store::openStore(configuration.storage.url, {.node = "vault rotate"});
  SystemClock clock;
  SystemRandom random;
  NullLogger log;
  const auto source = keySource(configuration);
  auto keys = connections::openKeyRing(source, *store, random);
  const connections::Vault vault(keys.ring, random);
  connections::KeyRotation rotation(*store, keys.ring, vault, source, clock, random, log);
  rotation.begin(std::nullopt);
  const std::atomic<bool> never{false};
  rotation.run(never, [&](const auto& progress) { lines.show(describe(progress)); });
  return describe(rotation.progress());
}

} // namespace

void HostProgram::rotateVault(const Configuration& configuration, std::ostream& out, std::ostream& progress) {
  ProgressLines lines(progress);
  const auto source = keySource(configuration);
  const auto socket = controlSocketPath(configuration);
  const json request{{"command", "vault.rotate"},
                     {"new_key", source.newEnvironmentKey ? json(*source.newEnvironmentKey) : json(nullptr)}};
  json rotation;
  for (int tries = 0;; ++tries) {
    if (auto answer = ControlSocket::ask(socket, request)) {
      rotation = follow(socket, std::move(*answer), lines);
      break;
    }
    try {
      rotation = rotateHere(configuration, lines);
      break;
    } catch (const Error& error) {
      // A host that is just starting holds the lock before it listens.
      if (error.code() != "store_locked" || tries >= 100)
        throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const auto old = rotation.at("old_key").get<std::string>();
  out << rotation.at("done") << " secrets have master key " << rotation.at("new_key").get<std::string>()
      << "; the former one" << (old.empty() ? "" : ", " + old + ",") << " opens nothing any more.\n";
  if (rotation.at("unreadable") != 0)
    out << rotation.at("unreadable") << " could not be opened before either: their people have to reconnect.\n";
  if (source.environmentKey)
    out << "Now put the new key into CALBRIDGE_MASTER_KEY and remove CALBRIDGE_NEW_MASTER_KEY: without it the next "
           "start is refused.\n";
  else
    out << "It is in " << source.file.string() << "; back it up apart from the database.\n";
}

} // namespace calbridge::app
