#include "connections/key_file.hpp"
#include "core/digest.hpp"
#include "fixture.hpp"

#include <sys/stat.h>
#include <thread>

using namespace calbridge;
using namespace calbridge::connections;
namespace fs = std::filesystem;

namespace {
struct KeyFixture {
  TemporaryFolder folder;
  SystemRandom random;
  fs::path file = folder.path / "master.key";
  std::unique_ptr<store::Store> store = store::openStore("sqlite:" + (folder.path / "calbridge.db").string());

  std::string code(const KeySource& source) {
    return errorCode([&] { openKeyRing(source, *store, random); });
  }
  void write(const std::string& text, fs::perms mode = fs::perms::owner_read | fs::perms::owner_write) {
    std::ofstream(file, std::ios::binary) << text;
    fs::permissions(file, mode);
  }
};
const std::string kKeyA = base64Encode(std::string(32, 'a'));
const std::string kKeyB = base64Encode(std::string(32, 'b'));
} // namespace

TEST_CASE("A first start makes a key file that only its owner can read") {
  KeyFixture f;
  const auto opened = openKeyRing({std::nullopt, f.file}, *f.store, f.random);
  CHECK(opened.created);
  struct stat info {};
  REQUIRE(::stat(f.file.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(base64Decode(readFile(f.file).substr(0, 44)) == opened.ring.newest()->bytes());
  CHECK(f.store->meta("master_key_id") == opened.ring.newest()->id());
  // nothing but the database and the key is left in the folder
  for (const auto& entry : fs::directory_iterator(f.folder.path))
    CHECK(entry.path().filename().string().find(".new-") == std::string::npos);
}

TEST_CASE("A second start finds the same key") {
  KeyFixture f;
  const auto first = openKeyRing({std::nullopt, f.file}, *f.store, f.random);
  const auto second = openKeyRing({std::nullopt, f.file}, *f.store, f.random);
  CHECK_FALSE(second.created);
  CHECK(first.ring.newest()->id() == second.ring.newest()->id());
}

TEST_CASE("Sixteen processes that start at once agree on one key") {
  KeyFixture f;
  std::atomic<int> made{0};
  std::vector<std::string> ids(16);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < ids.size(); ++i)
    threads.emplace_back([&, i] {
      made += makeKeyFile(f.file, f.random) ? 1 : 0;
      if (const auto key = readKeyFile(f.file))
        ids[i] = key->id();
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(made == 1);
  CHECK_FALSE(ids[0].empty());
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 1);
}

TEST_CASE("CALBRIDGE_MASTER_KEY wins and leaves no file") {
  KeyFixture f;
  const auto opened = openKeyRing({kKeyA + "\n", f.file}, *f.store, f.random);
  CHECK(opened.ring.newest()->bytes() == std::string(32, 'a'));
  CHECK_FALSE(opened.created);
  CHECK_FALSE(fs::exists(f.file));
}

TEST_CASE("A malformed key is refused without repeating it") {
  KeyFixture f;
  for (const std::string& text : {std::string(), std::string("not base64 at all!!"), base64Encode("short-canary"),
                                  base64Encode(std::string(33, 'c')), kKeyA + kKeyA}) {
    INFO(text);
    CHECK(f.code({text, f.file}) == "master_key_invalid");
    f.write(text);
    CHECK(f.code({std::nullopt, f.file}) == "master_key_invalid");
    fs::remove(f.file);
  }
  f.write(base64Encode("short-canary"));
  try {
    openKeyRing({std::nullopt, f.file}, *f.store, f.random);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK((error.message() + error.detail()).find(base64Encode("short-canary")) == std::string::npos);
    CHECK(error.message().find("master.key") != std::string::npos);
  }
  CHECK_FALSE(f.store->meta("master_key_id"));
}

TEST_CASE("A key file that others can read is refused, with the cure") {
  KeyFixture f;
  for (const auto extra : {fs::perms::group_read, fs::perms::others_read, fs::perms::group_write}) {
    f.write(kKeyA, fs::perms::owner_read | fs::perms::owner_write | extra);
    try {
      openKeyRing({std::nullopt, f.file}, *f.store, f.random);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == "master_key_exposed");
      CHECK(error.message().find("chmod 600") != std::string::npos);
    }
  }
}

TEST_CASE("A link or a pipe in the key file's place is refused at once") {
  KeyFixture f;
  f.write(kKeyA);
  fs::rename(f.file, f.folder.path / "elsewhere");
  fs::create_symlink(f.folder.path / "elsewhere", f.file);
  CHECK(f.code({std::nullopt, f.file}) == "master_key_exposed");
  fs::remove(f.file);
  REQUIRE(::mkfifo(f.file.c_str(), 0600) == 0);
  CHECK(f.code({std::nullopt, f.file}) == "master_key_exposed");
}

TEST_CASE("A key file that cannot be made is reported with both ways out") {
  KeyFixture f;
  const auto missing = f.folder.path / "no-such-folder" / "master.key";
  try {
    openKeyRing({std::nullopt, missing}, *f.store, f.random);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == "master_key_unwritable");
    CHECK(error.message().find("CALBRIDGE_MASTER_KEY") != std::string::npos);
  }
}

TEST_CASE("A database sealed with one key does not start with another") {
  KeyFixture f;
  openKeyRing({kKeyA, f.file}, *f.store, f.random);
  CHECK(f.code({kKeyB, f.file}) == "wrong_master_key");
  f.write(kKeyB);
  CHECK(f.code({std::nullopt, f.file}) == "wrong_master_key");
  CHECK(f.code({kKeyA, f.file}) == "");
}

TEST_CASE("A lost key is said to be lost instead of being made anew") {
  KeyFixture f;
  openKeyRing({std::nullopt, f.file}, *f.store, f.random);
  fs::remove(f.file);
  try {
    openKeyRing({std::nullopt, f.file}, *f.store, f.random);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == "wrong_master_key");
    CHECK(error.message().find("reconnect") != std::string::npos);
  }
  CHECK_FALSE(fs::exists(f.file));
}
