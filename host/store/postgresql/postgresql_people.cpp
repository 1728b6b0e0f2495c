#include "store/postgresql/postgresql_store.hpp"

namespace calbridge::store::postgresql {
namespace {

/// Addresses are compared without regard to case in ASCII; mail servers do no more.
std::string lowerCase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

Person readPerson(Row& row) {
  Person person;
  person.id = row.text();
  person.name = row.text();
  person.email = row.text();
  person.role = row.text();
  person.timezone = row.text();
  person.teams = nlohmann::json::parse(row.view()).get<std::vector<std::string>>();
  return person;
}

} // namespace

bool PostgresqlStore::putPerson(const Person& person, const std::optional<std::string>& passwordHash) {
  std::optional<bool> created; // by the first try, whether its commit was heard of or not
  const std::string teams = nlohmann::json(person.teams).dump();
  sessions_.write(Durability::durable, [&](Session& s) {
    const bool isNew = !s.one(
        "people_exists", [](Row&) {}, person.id);
    created = created.value_or(isNew) || isNew;
    s.run("people_put", person.id, person.name, person.email, lowerCase(person.email), person.role, person.timezone,
          teams, passwordHash);
    s.run("directory_changed");
  });
  return created.value();
}

bool PostgresqlStore::setPassword(const std::string& personId, const std::string& passwordHash) {
  bool known = false;
  sessions_.write(Durability::durable,
                  [&](Session& s) { known = s.run("people_set_password", personId, passwordHash) > 0; });
  return known;
}

std::optional<Person> PostgresqlStore::person(const std::string& id) {
  std::optional<Person> person;
  sessions_.read([&](Session& s) {
    s.one(
        "people_one", [&](Row& row) { person = readPerson(row); }, id);
  });
  return person;
}

std::vector<Store::Login> PostgresqlStore::loginsByEmail(const std::string& email) {
  std::vector<Login> logins;
  sessions_.read([&](Session& s) {
    logins.clear();
    s.each(
        "people_by_email",
        [&](Row& row) {
          Login login;
          login.person = readPerson(row);
          login.passwordHash = row.text();
          logins.push_back(std::move(login));
        },
        lowerCase(email));
  });
  return logins;
}

std::vector<Person> PostgresqlStore::people() {
  std::vector<Person> people;
  sessions_.read([&](Session& s) {
    people.clear();
    s.each("people_all", [&](Row& row) { people.push_back(readPerson(row)); });
  });
  return people;
}

bool PostgresqlStore::erasePerson(const std::string& id) {
  bool known = false;
  std::vector<std::int64_t> connectionIds;
  sessions_.write(Durability::durable, [&](Session& s) {
    s.one(
        "people_hold", [](Row&) {}, id);
    s.each(
        "connections_of_person_hold", [&](Row& row) { connectionIds.push_back(row.integer()); }, id);
    s.run("oauth_states_of_person_drop", id);
    // Everything else goes by its foreign keys. A second try may find nobody, because the first one did it.
    known = s.run("people_delete", id) > 0 || known;
    s.run("directory_changed");
  });
  for (const auto connectionId : connectionIds)
    book_.forget(connectionId);
  return known;
}

std::int64_t PostgresqlStore::directoryVersion() {
  return std::stoll(meta("directory_version").value_or("0"));
}

std::int64_t PostgresqlStore::addAppKey(const std::string& name, const std::string& hash, TimeMs now) {
  std::int64_t id = 0;
  sessions_.write(Durability::durable, [&](Session& s) {
    s.one(
        "app_keys_add", [&](Row& row) { id = row.integer(); }, name, hash, now);
  });
  return id;
}

std::vector<AppKeyRecord> PostgresqlStore::appKeys() {
  std::vector<AppKeyRecord> keys;
  sessions_.read([&](Session& s) {
    keys.clear();
    s.each("app_keys_all", [&](Row& row) {
      AppKeyRecord key;
      key.id = row.integer();
      key.name = row.text();
      key.hash = row.text();
      key.createdAt = row.integer();
      key.revokedAt = row.integer();
      keys.push_back(std::move(key));
    });
  });
  return keys;
}

bool PostgresqlStore::revokeAppKey(const std::string& name, TimeMs now) {
  bool any = false;
  sessions_.write(Durability::durable, [&](Session& s) { any = s.run("app_keys_revoke", name, now) > 0 || any; });
  return any;
}

void PostgresqlStore::addSession(const SessionRecord& session) {
  sessions_.write(Durability::relaxed, [&](Session& s) {
    s.run("sessions_add", session.tokenHash, session.personId, session.createdAt, session.expiresAt);
  });
}

std::optional<SessionRecord> PostgresqlStore::session(const std::string& tokenHash) {
  std::optional<SessionRecord> session;
  sessions_.read([&](Session& s) {
    s.one(
        "sessions_one",
        [&](Row& row) {
          session.emplace();
          session->tokenHash = row.text();
          session->personId = row.text();
          session->createdAt = row.integer();
          session->expiresAt = row.integer();
        },
        tokenHash);
  });
  return session;
}

void PostgresqlStore::dropSession(const std::string& tokenHash) {
  // Relaxed, a crash of the server would log the person in again.
  sessions_.write(Durability::durable, [&](Session& s) { s.run("sessions_drop", tokenHash); });
}

} // namespace calbridge::store::postgresql
