#include "store/postgresql/schema.hpp"

#include "store/postgresql/session.hpp"
#include "store/sql/embedded.hpp"

namespace calbridge::store::postgresql {
namespace {

constexpr int kOldestServer = 130000;

Error cannotOpen(const std::string& url, const std::string& why) {
  return {"store_unavailable", "Cannot open the database " + placeOf(url) + ": " + why};
}

void requireFit(Session& session, const std::string& url) {
  if (std::stoi(session.value("SHOW server_version_num")) < kOldestServer)
    throw cannotOpen(url,
                     "PostgreSQL " + session.value("SHOW server_version") + " is too old; 13 is the oldest that fits");
  if (const auto encoding = session.value("SHOW server_encoding"); encoding != "UTF8")
    throw cannotOpen(url, "its encoding is " + encoding + "; make it with ENCODING 'UTF8'");
  if (session.value("SELECT pg_is_in_recovery()") == "t")
    throw cannotOpen(url, "the server is a standby; name the primary in storage.url");
  if (session.value("SHOW fsync") == "off")
    throw cannotOpen(url, "the server runs with fsync = off: nothing that is acknowledged would be safe");
}

void migrate(Session& session, const std::string& url) {
  session.begin(true);
  // One node at a time; the others find the work done.
  session.value("SELECT pg_advisory_xact_lock(1128350274, 0)");
  if (session.value("SELECT to_regclass('calbridge_schema') IS NULL") == "t") {
    const auto others =
        session.value("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace "
                      "= current_schema()::regnamespace");
    if (others != "0")
      throw cannotOpen(url, "it holds tables of another program. Name an empty database in storage.url");
    session.script("CREATE TABLE calbridge_schema (version BIGINT NOT NULL); INSERT INTO calbridge_schema VALUES (0)");
  }
  const auto migrations = sql::postgresqlMigrations();
  const auto version = std::stoll(session.value("SELECT version FROM calbridge_schema"));
  if (version > static_cast<long long>(migrations.size()))
    throw Error("store_newer", "The database " + placeOf(url) + " was made by a newer version (schema " +
                                   std::to_string(version) + ", this program knows " +
                                   std::to_string(migrations.size()) + "): use that version, or restore a backup.");
  for (const auto& migration : migrations)
    if (migration.version > version)
      session.script(std::string(migration.text));
  session.script("UPDATE calbridge_schema SET version = " + std::to_string(migrations.size()));
  session.commit();
}

} // namespace

std::string placeOf(const std::string& url) {
  const auto scheme = url.find("://");
  auto rest = url.substr(scheme == std::string::npos ? 0 : scheme + 3);
  rest = rest.substr(0, rest.find('?'));
  const auto slash = rest.find('/');
  const auto at = rest.rfind('@', slash);
  if (at == std::string::npos)
    return rest;
  const auto user = rest.substr(0, std::min(at, rest.find(':')));
  return user + rest.substr(at);
}

bool hasSchema(const std::string& url) {
  try {
    return Session(url).value("SELECT to_regclass('calbridge_schema') IS NOT NULL") == "t";
  } catch (const Failure& failure) {
    throw cannotOpen(url, failure.what());
  }
}

void openSchema(const std::string& url) {
  try {
    Session session(url);
    requireFit(session, url);
    migrate(session, url);
  } catch (const Failure& failure) {
    if (failure.state() == "42501")
      throw cannotOpen(url, std::string("the user may not make tables there (") + failure.what() +
                                "). Give the database to that user: ALTER DATABASE … OWNER TO …");
    throw cannotOpen(url, failure.what());
  }
}

} // namespace calbridge::store::postgresql
