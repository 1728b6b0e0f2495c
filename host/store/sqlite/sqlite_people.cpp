#include "store/sqlite/sqlite_store.hpp"

namespace calbridge::store::sqlite {
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

bool SqliteStore::putPerson(const Person& person, const std::optional<std::string>& passwordHash) {
  bool created = false;
  const std::string teams = nlohmann::json(person.teams).dump();
  writer_->durable(
      [&](Session& s) {
        created = !s["people_exists"].one([](Row&) {}, person.id);
        s["people_put"].run(person.id, person.name, person.email, lowerCase(person.email), person.role, person.timezone,
                            teams, passwordHash);
      },
      [&] { ++directoryVersion_; });
  return created;
}

bool SqliteStore::setPassword(const std::string& personId, const std::string& passwordHash) {
  bool known = false;
  writer_->durable([&](Session& s) { known = s["people_set_password"].run(personId, passwordHash) > 0; });
  return known;
}

std::optional<Person> SqliteStore::person(const std::string& id) {
  std::optional<Person> person;
  readers_.read([&](Session& s) { s["people_one"].one([&](Row& row) { person = readPerson(row); }, id); });
  return person;
}

std::vector<Store::Login> SqliteStore::loginsByEmail(const std::string& email) {
  std::vector<Login> logins;
  readers_.read([&](Session& s) {
    s["people_by_email"].each(
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

std::vector<Person> SqliteStore::people() {
  std::vector<Person> people;
  readers_.read([&](Session& s) { s["people_all"].each([&](Row& row) { people.push_back(readPerson(row)); }); });
  return people;
}

bool SqliteStore::erasePerson(const std::string& id) {
  bool known = false;
  std::vector<std::int64_t> connectionIds;
  writer_->durable(
      [&](Session& s) {
        s["connections_of_person"].each([&](Row& row) { connectionIds.push_back(row.integer()); }, id);
        s["oauth_states_of_person_drop"].run(id);
        known = s["people_delete"].run(id) > 0; // everything else goes by its foreign keys
      },
      [&] {
        connectionIds_.erase(id);
        for (const auto connectionId : connectionIds) {
          forgetGist(connectionId);
          schedule_.set(connectionId, std::nullopt);
        }
        ++directoryVersion_;
      });
  return known;
}

std::int64_t SqliteStore::addAppKey(const std::string& name, const std::string& hash, TimeMs now) {
  std::int64_t id = 0;
  writer_->durable([&](Session& s) {
    s["app_keys_add"].run(name, hash, now);
    id = s.lastInsertId();
  });
  return id;
}

std::vector<AppKeyRecord> SqliteStore::appKeys() {
  std::vector<AppKeyRecord> keys;
  readers_.read([&](Session& s) {
    s["app_keys_all"].each([&](Row& row) {
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

bool SqliteStore::revokeAppKey(const std::string& name, TimeMs now) {
  bool any = false;
  writer_->durable([&](Session& s) { any = s["app_keys_revoke"].run(name, now) > 0; });
  return any;
}

void SqliteStore::addSession(const SessionRecord& session) {
  writer_->relaxed([&](Session& s) {
    s["sessions_add"].run(session.tokenHash, session.personId, session.createdAt, session.expiresAt);
  });
}

std::optional<SessionRecord> SqliteStore::session(const std::string& tokenHash) {
  std::optional<SessionRecord> session;
  readers_.read([&](Session& s) {
    s["sessions_one"].one(
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

void SqliteStore::dropSession(const std::string& tokenHash) {
  writer_->relaxed([&](Session& s) { s["sessions_drop"].run(tokenHash); });
}

} // namespace calbridge::store::sqlite
