#include "auth_store.hpp"
#include "http/auth/password_log_in.hpp"
#include "unit/delivery/forwarding_store.hpp"

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;

namespace {

/// A store that may not take a new password.
class Refusing final : public store::ForwardingStore {
 public:
  explicit Refusing(store::Store& inner) : ForwardingStore(inner) {}
  bool setPassword(const std::string& personId, const std::string& passwordHash) override {
    if (!refusal.empty())
      throw Error(refusal, "not now");
    return ForwardingStore::setPassword(personId, passwordHash);
  }
  std::string refusal;
};

/// john, whose password was hashed at a cost of another time.
struct Door {
  TemporaryStore folder;
  Refusing store{*folder};
  ManualClock clock;
  SystemRandom random;
  RecordingLogger logger;
  PasswordHasher passwords{random};
  LoginThrottle throttle{clock};
  Sessions sessions{store, clock, random};
  const std::string old = PasswordHasher(random, {.lanes = 2}).hash("correct horse");

  Door() {
    folder.addPerson("john", "customer");
    folder->setPassword("john", old);
  }
  LogInResult logIn(const std::string& password) {
    return http::logIn({store, passwords, throttle, sessions, logger}, "john@example.com", password, "192.0.2.1");
  }
  std::string stored() { return store.loginsByEmail("john@example.com").at(0).passwordHash; }
};

} // namespace

TEST_CASE("A log-in hashes the password anew when its cost is of another time") {
  Door door;
  const auto result = door.logIn("correct horse");
  REQUIRE(result.person);
  CHECK(door.stored() != door.old);
  CHECK_FALSE(door.passwords.needsRehash(door.stored()));
  CHECK(door.logIn("correct horse").person);
}

TEST_CASE("A correct log-in succeeds when the password cannot be hashed anew, and the next one tries again") {
  Door door;
  door.store.refusal = GENERATE("login_busy", "store_unavailable");
  INFO(door.store.refusal);
  const auto result = door.logIn("correct horse");
  REQUIRE(result.person);
  CHECK(result.person->id == "john");
  CHECK(result.cookie.find("calbridge_session=") == 0);
  CHECK(door.stored() == door.old);
  const auto lines = door.logger.at(Logger::Level::info);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find(door.store.refusal) != std::string::npos);
  CHECK(lines[0].find("correct horse") == std::string::npos);
  door.store.refusal.clear();
  CHECK(door.logIn("correct horse").person);
  CHECK(door.stored() != door.old);
}

TEST_CASE("A wrong password is not hashed anew") {
  Door door;
  CHECK_FALSE(door.logIn("wrong horse").person);
  CHECK(door.stored() == door.old);
}
