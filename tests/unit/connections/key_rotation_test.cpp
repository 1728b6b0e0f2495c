#include "connections/key_file.hpp"
#include "connections/key_rotation.hpp"
#include "core/digest.hpp"
#include "fixture.hpp"
#include "unit/delivery/forwarding_store.hpp"

#include <thread>

using namespace calbridge;
using namespace calbridge::connections;
namespace fs = std::filesystem;

namespace {

const std::string kOldKey = base64Encode(std::string(32, 'o'));
const std::string kNewKey = base64Encode(std::string(32, 'n'));
const std::atomic<bool> kNever{false};

/// An installation that can be started again and again on the same files.
struct RotatingFixture {
  TemporaryFolder folder;
  SystemClock clock;
  SystemRandom random;
  RecordingLogger log;
  fs::path file = folder.path / "master.key";
  std::unique_ptr<store::Store> store = store::openStore("sqlite:" + database());

  std::string database() const { return (folder.path / "calbridge.db").string(); }
  KeySource fromFile() const { return {.environmentKey = std::nullopt, .file = file}; }
  KeySource fromEnvironment(const std::string& key, std::optional<std::string> next = std::nullopt) const {
    return {.environmentKey = key, .file = file, .newEnvironmentKey = std::move(next)};
  }
  /// So many connections with credentials, as `vault` seals them.
  void fill(const Vault& vault, int people) {
    for (int i = 0; i < people; ++i) {
      Person person{"p" + std::to_string(i), "Person", "p@example.com", "customer", "UTC", {}};
      store->putPerson(person, std::nullopt);
      store::ConnectionRecord fresh;
      fresh.personId = person.id;
      fresh.provider = "google";
      fresh.accountId = "account-" + std::to_string(i);
      store->connect(
          fresh,
          [&](std::int64_t id) {
            return sealCredentials(vault, {"CANARYc0ffee-access", "CANARYc0ffee-refresh", 0, "calendar"}, id, person.id,
                                   "google");
          },
          clock.now());
    }
  }
  std::vector<store::ConnectionRecord> sealed() { return store->sealedConnections(0, 100000); }
  /// How many rows the ring opens.
  int readable(const KeyRing& ring) {
    const Vault vault(ring, random);
    int count = 0;
    for (const auto& record : sealed())
      count += errorCode([&] { openCredentials(vault, record); }).empty();
    return count;
  }
  bool inFiles(const std::string& bytes) const {
    for (const auto& name : {database(), database() + "-wal"})
      if (readFile(name).find(bytes) != std::string::npos)
        return true;
    return false;
  }
};

/// The bytes that begin whatever is sealed under a key.
std::string markOf(const MasterKey& key) {
  std::string mark(1, '\1');
  for (std::size_t i = 0; i < key.id().size(); i += 2)
    mark.push_back(static_cast<char>(std::stoi(key.id().substr(i, 2), nullptr, 16)));
  return mark;
}

/// Nobody catches it: what is left then is what a process that was killed leaves.
struct Killed : std::exception {};

/// Breaks at its n-th write: before it or after it was done, by a kill or by an error of the database.
class BreakingStore final : public store::ForwardingStore {
 public:
  BreakingStore(store::Store& inner, int at, bool afterwards, bool kills)
      : ForwardingStore(inner), inner_(inner), at_(at), afterwards_(afterwards), kills_(kills) {}
  void setMeta(const std::string& key, const std::string& value) override {
    step([&] { inner_.setMeta(key, value); });
  }
  std::size_t reseal(std::span<const store::ConnectionRecord> rows,
                     std::span<const store::OAuthState> states) override {
    std::size_t taken = 0;
    step([&] { taken = inner_.reseal(rows, states); });
    return taken;
  }
  void forgetReplaced() override {
    step([&] { inner_.forgetReplaced(); });
  }
  void addAudit(const store::AuditRecord& record) override {
    step([&] { inner_.addAudit(record); });
  }
  bool broken() const { return writes_ >= at_; }

 private:
  void step(const std::function<void()>& write) {
    const bool now = ++writes_ == at_;
    if (!now || afterwards_)
      write();
    if (now && kills_)
      throw Killed();
    if (now)
      throw Error("store_unavailable", "the disk is full");
  }

  store::Store& inner_;
  int at_;
  bool afterwards_;
  bool kills_;
  int writes_ = 0;
};

} // namespace

TEST_CASE("A rotation gives every row the new key, and the old one opens nothing in the database or its log") {
  RotatingFixture f;
  auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
  const Vault vault(keys.ring, f.random);
  f.fill(vault, 250);
  const MasterKey old = *keys.ring.newest();
  REQUIRE(f.inFiles(markOf(old)));
  const auto before = f.sealed();

  KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
  rotation.begin(std::nullopt);
  int told = 0;
  REQUIRE(rotation.run(kNever, [&](const auto& progress) { told += progress.total == 250 ? 1 : 0; }));
  CHECK(told >= 3);
  CHECK(rotation.progress().finished);
  CHECK(rotation.progress().done == 250);
  CHECK(rotation.progress().unreadable == 0);

  const auto after = f.sealed();
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(Vault::keyIdOf(after[i].sealed) == keys.ring.newest()->id());
    CHECK(after[i].credentialsVersion == before[i].credentialsVersion);
  }
  CHECK(keys.ring.size() == 1);
  CHECK(f.readable(keys.ring) == 250);
  const KeyRing onlyOld({old});
  CHECK(f.readable(onlyOld) == 0);
  CHECK_FALSE(f.inFiles(markOf(old)));
  CHECK(f.inFiles(markOf(*keys.ring.newest())));

  CHECK_FALSE(fs::exists(f.fromFile().newFile()));
  const auto again = openKeyRing(f.fromFile(), *f.store, f.random);
  CHECK(again.ring.newest()->id() == keys.ring.newest()->id());
  CHECK_FALSE(again.rotating);
  const auto noted = f.store->audit({});
  REQUIRE(noted.size() == 1);
  CHECK(noted[0].action == "vault.rotated");
  CHECK(noted[0].detail.at("from") == old.id());
}

TEST_CASE("A key of the environment is replaced by CALBRIDGE_NEW_MASTER_KEY, and the old one is then refused") {
  RotatingFixture f;
  {
    auto keys = openKeyRing(f.fromEnvironment(kOldKey), *f.store, f.random);
    const Vault vault(keys.ring, f.random);
    f.fill(vault, 3);
    KeyRotation without(*f.store, keys.ring, vault, f.fromEnvironment(kOldKey), f.clock, f.random, f.log);
    try {
      without.begin(std::nullopt);
      FAIL("began without a new key");
    } catch (const Error& error) {
      CHECK(error.code() == "new_master_key_missing");
      CHECK(error.message().find("CALBRIDGE_NEW_MASTER_KEY") != std::string::npos);
      CHECK(error.message().find("openssl rand -base64 32") != std::string::npos);
    }
    CHECK(errorCode([&] { without.begin(kOldKey); }) == "new_master_key_same");
    CHECK(errorCode([&] { without.begin("nonsense"); }) == "master_key_invalid");
    without.begin(kNewKey);
    REQUIRE(without.run(kNever));
    CHECK(f.readable(keys.ring) == 3);
  }
  CHECK_FALSE(fs::exists(f.file));
  try {
    openKeyRing(f.fromEnvironment(kOldKey), *f.store, f.random);
    FAIL("started with the old key");
  } catch (const Error& error) {
    CHECK(error.code() == "wrong_master_key");
    CHECK(error.message().find("vault rotate") != std::string::npos);
  }
  const auto fresh = openKeyRing(f.fromEnvironment(kNewKey), *f.store, f.random);
  CHECK(f.readable(fresh.ring) == 3);
  CHECK_FALSE(fresh.rename);
  const auto notMoved = openKeyRing(f.fromEnvironment(kOldKey, kNewKey), *f.store, f.random);
  CHECK(f.readable(notMoved.ring) == 3);
  CHECK(notMoved.rename);
}

TEST_CASE("A new key in the environment is refused where the key is in a file") {
  RotatingFixture f;
  auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
  const Vault vault(keys.ring, f.random);
  KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
  CHECK(errorCode([&] { rotation.begin(kNewKey); }) == "new_master_key_unwanted");
  CHECK_FALSE(fs::exists(f.fromFile().newFile()));
}

TEST_CASE("A rotation of the key file that is cut short after any page goes on at the next start") {
  for (int cutAfter = 1; cutAfter <= 4; ++cutAfter) {
    INFO("cut after page " << cutAfter);
    RotatingFixture f;
    std::string oldId;
    {
      auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
      oldId = keys.ring.newest()->id();
      const Vault vault(keys.ring, f.random);
      f.fill(vault, 330);
      KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
      rotation.begin(std::nullopt);
      std::atomic<bool> stop{false};
      int pages = 0;
      CHECK_FALSE(rotation.run(stop, [&](const auto&) { stop = ++pages >= cutAfter; }));
      CHECK_FALSE(rotation.progress().finished);
    } // the process ends
    auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    REQUIRE(keys.rotating);
    CHECK(keys.ring.size() == 2);
    CHECK(f.readable(keys.ring) == 330);
    const Vault vault(keys.ring, f.random);
    KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
    rotation.begin(std::nullopt);
    REQUIRE(rotation.run(kNever));
    CHECK(keys.ring.size() == 1);
    CHECK(keys.ring.newest()->id() != oldId);
    CHECK(f.readable(keys.ring) == 330);
    CHECK_FALSE(openKeyRing(f.fromFile(), *f.store, f.random).rotating);
  }
}

TEST_CASE("An end between any two of the last steps is made good by the next start") {
  RotatingFixture f;
  const fs::path file = f.file;
  std::string id;
  {
    auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    fs::copy_file(file, f.folder.path / "old.key");
    const Vault vault(keys.ring, f.random);
    f.fill(vault, 2);
    KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
    rotation.begin(std::nullopt);
    REQUIRE(rotation.run(kNever));
    id = keys.ring.newest()->id();
  }
  SECTION("before the old key file was replaced") {
    fs::rename(file, f.fromFile().newFile());
    fs::rename(f.folder.path / "old.key", file);
    f.store->setMeta(kMetaNextKeyId, id);
    const auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    CHECK(keys.ring.newest()->id() == id);
    CHECK(f.readable(keys.ring) == 2);
    CHECK(readKeyFile(file)->id() == id);
    CHECK_FALSE(fs::exists(f.fromFile().newFile()));
  }
  SECTION("after it was replaced") {
    f.store->setMeta(kMetaNextKeyId, id);
    auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    CHECK(keys.ring.newest()->id() == id);
    CHECK(keys.ring.size() == 1);
    REQUIRE(keys.rotating); // what was sealed under the old key may still be in the files
    const Vault vault(keys.ring, f.random);
    KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
    rotation.begin(std::nullopt);
    REQUIRE(rotation.run(kNever));
    CHECK(keys.ring.newest()->id() == id);
    CHECK(f.store->meta(kMetaNextKeyId) == "");
  }
  SECTION("before anything but the new key file was made") {
    REQUIRE(makeKeyFile(f.fromFile().newFile(), f.random));
    auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    CHECK(keys.ring.newest()->id() == id);
    CHECK_FALSE(keys.rotating);
    const auto waiting = readKeyFile(f.fromFile().newFile())->id();
    const Vault vault(keys.ring, f.random);
    KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
    rotation.begin(std::nullopt);
    REQUIRE(rotation.run(kNever));
    CHECK(keys.ring.newest()->id() == waiting);
  }
}

TEST_CASE(
    "A rotation that is killed at any of its writes leaves every token readable, and the next start completes it") {
  const bool environment = GENERATE(false, true);
  const bool afterwards = GENERATE(false, true);
  int completed = 0;
  bool broken = true;
  for (int at = 1; broken; ++at) {
    INFO("killed " << (afterwards ? "after" : "before") << " write " << at
                   << (environment ? ", key of the environment" : ", key file"));
    RotatingFixture f;
    const auto source = environment ? f.fromEnvironment(kOldKey, kNewKey) : f.fromFile();
    std::optional<MasterKey> old;
    {
      auto keys = openKeyRing(environment ? f.fromEnvironment(kOldKey) : source, *f.store, f.random);
      old = *keys.ring.newest();
      const Vault vault(keys.ring, f.random);
      f.fill(vault, 120);
      BreakingStore breaking(*f.store, at, afterwards, true);
      KeyRotation rotation(breaking, keys.ring, vault, source, f.clock, f.random, f.log);
      try {
        rotation.begin(std::nullopt);
        const bool ended = rotation.run(kNever); // outside of CHECK, which would catch what it throws
        CHECK(ended);
      } catch (const Killed&) {
      }
      broken = breaking.broken();
    } // the process has ended
    auto keys = openKeyRing(source, *f.store, f.random);
    CHECK(f.readable(keys.ring) == 120);
    const Vault vault(keys.ring, f.random);
    KeyRotation rotation(*f.store, keys.ring, vault, source, f.clock, f.random, f.log);
    if (keys.rotating) {
      rotation.begin(std::nullopt);
      CHECK(rotation.run(kNever));
      CHECK(rotation.progress().finished);
      CHECK(rotation.progress().unreadable == 0);
      ++completed;
    }
    CHECK(keys.ring.size() == 1);
    CHECK(f.readable(keys.ring) == 120);
    CHECK(f.store->meta(kMetaNextKeyId).value_or("") == "");
    if (keys.ring.newest()->id() == old->id()) // it had not begun
      continue;
    CHECK(f.readable(KeyRing({*old})) == 0);
    CHECK_FALSE(f.inFiles(markOf(*old)));
    CHECK_FALSE(fs::exists(f.fromFile().newFile()));
    const auto noted = f.store->audit({});
    REQUIRE_FALSE(noted.empty());
    CHECK(noted.front().action == "vault.rotated");
    const auto again = openKeyRing(source, *f.store, f.random);
    CHECK_FALSE(again.rotating);
    CHECK(again.ring.newest()->id() == keys.ring.newest()->id());
  }
  CHECK(completed >= 5);
}

TEST_CASE("A rotation whose database fails at any of its writes goes on in the same process") {
  const bool afterwards = GENERATE(false, true);
  bool broken = true;
  for (int at = 1; broken; ++at) {
    INFO("failed " << (afterwards ? "after" : "before") << " write " << at);
    RotatingFixture f;
    auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    const MasterKey old = *keys.ring.newest();
    const Vault vault(keys.ring, f.random);
    f.fill(vault, 120);
    BreakingStore breaking(*f.store, at, afterwards, false);
    KeyRotation rotation(breaking, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
    for (int tries = 0; tries < 3 && !rotation.progress().finished; ++tries) {
      try {
        rotation.begin(std::nullopt);
        const bool ended = rotation.run(kNever); // outside of CHECK, which would catch what it throws
        CHECK(ended);
      } catch (const Error& error) {
        CHECK(error.code() == "store_unavailable");
      }
    }
    broken = breaking.broken();
    CHECK(rotation.progress().finished);
    CHECK(keys.ring.size() == 1);
    CHECK(f.readable(keys.ring) == 120);
    CHECK(f.readable(KeyRing({old})) == 0);
    CHECK_FALSE(f.inFiles(markOf(old)));
    const auto again = openKeyRing(f.fromFile(), *f.store, f.random);
    CHECK_FALSE(again.rotating);
    CHECK(again.ring.newest()->id() == keys.ring.newest()->id());
  }
}

TEST_CASE("The key file of a rotation that vanishes meanwhile is missed before the old key is given up") {
  RotatingFixture f;
  auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
  const auto old = keys.ring.newest()->id();
  const Vault vault(keys.ring, f.random);
  f.fill(vault, 3);
  KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
  rotation.begin(std::nullopt);
  const auto aside = f.folder.path / "aside";
  fs::rename(f.fromFile().newFile(), aside);
  CHECK(errorCode([&] { rotation.run(kNever); }) == "master_key_unwritable");
  CHECK(readKeyFile(f.file)->id() == old);
  CHECK(keys.ring.size() == 2);
  fs::rename(aside, f.fromFile().newFile());
  REQUIRE(rotation.run(kNever));
  CHECK(f.readable(openKeyRing(f.fromFile(), *f.store, f.random).ring) == 3);
}

TEST_CASE("A rotation is refused while another host works on the database, also one that comes at that moment") {
  class Shared final : public store::ForwardingStore {
   public:
    Shared(store::Store& inner, int comes) : ForwardingStore(inner), comes_(comes) {}
    std::vector<store::NodeRecord> nodes() override {
      store::NodeRecord own, other;
      own.own = true;
      other.name = "calendar-2";
      return ++looks_ >= comes_ ? std::vector{own, other} : std::vector{own};
    }

   private:
    int comes_, looks_ = 0;
  };
  for (const int comes : {1, 2}) {
    INFO("seen at look " << comes);
    RotatingFixture f;
    auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
    const auto old = keys.ring.newest()->id();
    const Vault vault(keys.ring, f.random);
    f.fill(vault, 2);
    Shared shared(*f.store, comes);
    KeyRotation rotation(shared, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
    try {
      rotation.begin(std::nullopt);
      FAIL("began");
    } catch (const Error& error) {
      CHECK(error.code() == "other_hosts");
      CHECK(error.message().find("calendar-2") != std::string::npos);
    }
    CHECK(keys.ring.size() == 1);
    const auto again = openKeyRing(f.fromFile(), *f.store, f.random);
    CHECK_FALSE(again.rotating);
    CHECK(again.ring.newest()->id() == old);
  }
}

TEST_CASE("A start in the middle of a rotation says which of the two keys is missing") {
  RotatingFixture f;
  auto keys = openKeyRing(f.fromEnvironment(kOldKey), *f.store, f.random);
  const Vault vault(keys.ring, f.random);
  f.fill(vault, 1);
  KeyRotation rotation(*f.store, keys.ring, vault, f.fromEnvironment(kOldKey), f.clock, f.random, f.log);
  rotation.begin(kNewKey);
  for (const auto& source : {f.fromEnvironment(kOldKey), f.fromEnvironment(kNewKey)}) {
    try {
      openKeyRing(source, *f.store, f.random);
      FAIL("started with half of the keys");
    } catch (const Error& error) {
      CHECK(error.code() == "wrong_master_key");
      CHECK(error.message().find("CALBRIDGE_NEW_MASTER_KEY") != std::string::npos);
    }
  }
  const auto both = openKeyRing(f.fromEnvironment(kOldKey, kNewKey), *f.store, f.random);
  CHECK(both.rotating);
  CHECK(both.ring.newest()->bytes() == std::string(32, 'n'));
  CHECK(errorCode([&] { rotation.begin(base64Encode(std::string(32, 'x'))); }) == "rotation_under_way");
  CHECK(errorCode([&] { rotation.begin(kNewKey); }) == "");
}

TEST_CASE("A damaged row neither stops a rotation nor is taken for a good one") {
  RotatingFixture f;
  auto keys = openKeyRing(f.fromFile(), *f.store, f.random);
  const Vault vault(keys.ring, f.random);
  f.fill(vault, 4);
  auto rows = f.sealed();
  std::swap(rows[0].sealed, rows[1].sealed);
  REQUIRE(f.store->reseal(rows, {}) == 4);
  KeyRotation rotation(*f.store, keys.ring, vault, f.fromFile(), f.clock, f.random, f.log);
  rotation.begin(std::nullopt);
  REQUIRE(rotation.run(kNever));
  CHECK(rotation.progress().unreadable == 2);
  CHECK(rotation.progress().done == 2);
  CHECK(f.readable(keys.ring) == 2);
}

TEST_CASE("Tokens that are read, refreshed, connected and disconnected during rotations are never lost") {
  Fixture f;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 40; ++i) {
    Person person{"p" + std::to_string(i), "Person", "p@example.com", "customer", "UTC", {}};
    f.store->putPerson(person, std::nullopt);
    f.google.account = {"account-" + std::to_string(i), "label"};
    ids.push_back(f.connect(f.google, person));
  }
  const fs::path file = f.folder.path / "ring.key";
  const KeySource source{.environmentKey = std::nullopt, .file = file};
  f.store->setMeta(kMetaKeyId, f.ring.newest()->id());
  std::atomic<bool> ended{false};
  std::atomic<int> tokens{0}, failures{0}, flows{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; !ended || tokens < 200; i += 3) {
        const auto id = ids[i % ids.size()];
        if (i % 5 == 0)
          f.node.tokens().forget(id); // so that the row is opened, and not the cache asked
        auto outcome = f.node.tokens().accessToken(id, {});
        // Each by one thread, so that a renewed token is accepted before it is refused again.
        if (auto* token = std::get_if<std::string>(&outcome); token && i % 7 == 0 && i % ids.size() % 4 == t)
          outcome = f.node.tokens().refreshNow(id, *token, {});
        if (auto* token = std::get_if<std::string>(&outcome); token) {
          f.node.tokens().accepted(id, *token);
          ++tokens;
        } else {
          ++failures;
        }
      }
    });
  threads.emplace_back([&] { // flows whose verifier is sealed before a rotation and opened after it
    Person person{"flow", "Flow", "flow@example.com", "customer", "UTC", {}};
    f.store->putPerson(person, std::nullopt);
    while (!ended || flows < 10) {
      f.node.oauth().begin(person, std::nullopt, "outlook", f.browser);
      const auto result = f.callback("outlook", {{"state", f.outlook.lastConnect.state}, {"code", "code-1"}});
      failures += result.connected() ? 0 : 1;
      ++flows;
    }
  });
  for (int round = 0; round < 8; ++round) {
    KeyRotation rotation(*f.store, f.ring, f.vault, source, f.clock, f.random, f.log);
    rotation.begin(std::nullopt);
    CHECK(rotation.run(kNever));
    CHECK(rotation.progress().unreadable == 0);
    CHECK(f.ring.size() == 1);
  }
  ended = true;
  for (auto& thread : threads)
    thread.join();
  CHECK(failures == 0);
  for (const auto id : ids) {
    const auto record = f.record(id);
    CHECK(record.state == "connected");
    CHECK(Vault::keyIdOf(record.sealed) == f.ring.newest()->id());
    CHECK(openCredentials(f.vault, record).accessToken.starts_with(ScriptedProvider::kCanary));
  }
}

TEST_CASE("A rotation waits for those who began to use a key before it, and for nobody else") {
  KeyRing ring{{MasterKey(std::string(32, 'a'))}};
  std::optional<KeyRing::Use> first(ring.use()), second(ring.use());
  ring.add(MasterKey(std::string(32, 'b')));
  std::atomic<bool> passed{false};
  std::thread waiting([&] {
    ring.awaitEarlierUses();
    passed = true;
  });
  CHECK_FALSE(passed);
  first.reset();
  CHECK_FALSE(passed); // it cannot: the second use began before, too
  KeyRing::Use moved(std::move(*second));
  second.reset();
  CHECK_FALSE(passed);
  { const KeyRing::Use ending(std::move(moved)); }
  waiting.join();
  const auto later = ring.use();
  std::thread([&] { ring.keepNewest(); }).join();
  CHECK(ring.find(MasterKey(std::string(32, 'a')).id()) == nullptr);
  CHECK(ring.newest()->bytes() == std::string(32, 'b'));
}
