#include "store/move_store.hpp"
#include "app/host_program.hpp"
#include "app/store_access.hpp"
#include "connections/key_ring.hpp"
#include "connections/sealed_credentials.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "store/store.hpp"

namespace calbridge::app {
namespace {

/// Where the installation's master key is while its database is a file.
connections::KeySource keyOf(const Configuration& configuration, const std::string& from) {
  std::optional<std::string> key;
  if (configuration.secrets.masterKey)
    key = base64Encode(*configuration.secrets.masterKey);
  const auto path = std::filesystem::path(from.substr(from.find(':') + 1));
  return {.environmentKey = std::move(key), .file = path.parent_path() / "master.key"};
}

/// How many stored credentials there are, and how many of them the key opens.
std::pair<int, int> readableTokens(store::Store& store, const connections::KeySource& source) {
  SystemRandom random;
  const auto keys = connections::openKeyRing(source, store, random);
  const connections::Vault vault(keys.ring, random);
  int all = 0, readable = 0;
  for (const char* state : {"connected", "needs_reconnection", "closing"})
    for (const auto& record : store.connectionsIn(state)) {
      if (record.sealed.empty())
        continue;
      ++all;
      try {
        auto credentials = connections::openCredentials(vault, record);
        connections::wipe(credentials);
        ++readable;
      } catch (const Error& error) {
        if (error.code() != "vault_damaged")
          throw;
      }
    }
  return {all, readable};
}

} // namespace

void HostProgram::moveStore(const Configuration& configuration, const std::string& from, const std::string& to,
                            std::ostream& out, std::ostream& progress) {
  const auto key = keyOf(configuration, from);
  int before = 0;
  // First, while nothing is moved: without the key a move would be of no use.
  if (from.starts_with("sqlite:") && store::hasStore(from))
    if (const auto source = store::openStore(from); source->meta("master_key_id"))
      before = readableTokens(*source, key).second;

  std::int64_t total = 0;
  for (const auto& table : store::moveStore(from, to, [&](const std::string&name, std::int64_t done, std::int64_t all) {
         progress << name << ": " << done << " of " << all << " rows\n";
       })) {
    out << table.name << ' ' << table.rows << '\n';
    total += table.rows;
  }
  const auto target = store::openStore(to);
  if (target->meta("master_key_id")) {
    const auto [all, readable] = readableTokens(*target, key);
    if (readable < before)
      throw Error("store_move", "of " + std::to_string(before) + " tokens that could be read, " +
                                    std::to_string(readable) + " can be read in the new database; keep the old one");
    out << "tokens that can be read: " << readable << " of " << all << '\n';
  }
  out << "moved " << total << " rows. Now set storage.url to the new database";
  if (!key.environmentKey)
    out << ", and put " << key.file.string() << " at " << (std::filesystem::path("var") / "master.key").string()
        << " of every host";
  out << ".\n";
}

} // namespace calbridge::app
