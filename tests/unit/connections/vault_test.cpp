#include "connections/vault.hpp"
#include "core/error.hpp"
#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

namespace {
const SealedPlace kPlace{"connections", "7", "john", "google"};

struct VaultFixture {
  SystemRandom random;
  KeyRing ring{{MasterKey(std::string(32, 'a'))}};
  Vault vault{ring, random};
};
} // namespace

TEST_CASE("What the vault seals, it opens for the same place") {
  VaultFixture f;
  for (const std::string& plain :
       {std::string("secret"), std::string(), std::string("\0binary\xff", 8), std::string(100000, 'x')}) {
    const auto sealed = f.vault.seal(plain, kPlace);
    CHECK(f.vault.open(sealed, kPlace) == plain);
  }
}

TEST_CASE("Sealing the same secret twice shares no bytes beyond the header") {
  VaultFixture f;
  const auto first = f.vault.seal("secret-secret-secret", kPlace);
  const auto second = f.vault.seal("secret-secret-secret", kPlace);
  CHECK(first.substr(0, 9) == second.substr(0, 9));
  CHECK(first.substr(9, 12) != second.substr(9, 12));
  CHECK(first.substr(21, 32) != second.substr(21, 32));
  CHECK(first.substr(69) != second.substr(69));
  CHECK(first.find("secret") == std::string::npos);
}

TEST_CASE("Any changed bit is noticed") {
  VaultFixture f;
  const auto sealed = f.vault.seal("secret-canary", kPlace);
  for (std::size_t i = 0; i < sealed.size(); ++i)
    for (const int bit : {1, 128}) {
      auto bad = sealed;
      bad[i] = static_cast<char>(bad[i] ^ bit);
      INFO("byte " << i);
      CHECK(errorCode([&] { f.vault.open(bad, kPlace); }) == "vault_damaged");
    }
}

TEST_CASE("Any truncation and any appended byte is noticed") {
  VaultFixture f;
  const auto sealed = f.vault.seal("secret-canary", kPlace);
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    INFO("cut to " << size);
    CHECK(errorCode([&] { f.vault.open(sealed.substr(0, size), kPlace); }) == "vault_damaged");
  }
  CHECK(errorCode([&] { f.vault.open(sealed + '\0', kPlace); }) == "vault_damaged");
}

TEST_CASE("Sealed bytes open in no other table, row, person or provider") {
  VaultFixture f;
  const auto sealed = f.vault.seal("secret-canary", kPlace);
  for (const SealedPlace& other :
       {SealedPlace{"oauth_states", "7", "john", "google"}, SealedPlace{"connections", "8", "john", "google"},
        SealedPlace{"connections", "7", "sarah", "google"}, SealedPlace{"connections", "7", "john", "outlook"},
        SealedPlace{"connections", "7j", "ohn", "google"}, SealedPlace{"connections", "7", "johng", "oogle"}})
    CHECK(errorCode([&] { f.vault.open(sealed, other); }) == "vault_damaged");
}

TEST_CASE("The data key of one row opens no other row's content") {
  VaultFixture f;
  const auto one = f.vault.seal("first", kPlace);
  const auto two = f.vault.seal("other", kPlace);
  CHECK(errorCode([&] { f.vault.open(one.substr(0, 69) + two.substr(69), kPlace); }) == "vault_damaged");
}

TEST_CASE("The error of a damaged secret contains neither the secret nor a key") {
  VaultFixture f;
  auto sealed = f.vault.seal("secret-canary", kPlace);
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  try {
    f.vault.open(sealed, kPlace);
    FAIL("it opened");
  } catch (const Error& error) {
    const auto text = error.message() + error.detail();
    CHECK(text.find("canary") == std::string::npos);
    CHECK(text.find("aaaa") == std::string::npos);
    CHECK(error.detail().find("connections row 7") != std::string::npos);
  }
}

TEST_CASE("A ring with the old key opens what it sealed, and seals with the newest") {
  VaultFixture f;
  const auto old = f.vault.seal("secret", kPlace);
  const KeyRing both({MasterKey(std::string(32, 'b')), MasterKey(std::string(32, 'a'))});
  const Vault rotating(both, f.random);
  CHECK(rotating.open(old, kPlace) == "secret");
  const auto fresh = rotating.seal("secret", kPlace);
  CHECK(Vault::keyIdOf(fresh) == both.newest()->id());
  CHECK(Vault::keyIdOf(old) == f.ring.newest()->id());
  const KeyRing newest({MasterKey(std::string(32, 'b'))});
  CHECK(Vault(newest, f.random).open(fresh, kPlace) == "secret");
  CHECK(errorCode([&] { Vault(newest, f.random).open(old, kPlace); }) == "vault_damaged");
}

TEST_CASE("A wiped string keeps nothing in its buffer") {
  std::string secret(100, 's');
  secret.resize(60);
  const char* buffer = secret.data();
  wipe(secret);
  CHECK(secret.empty());
  CHECK(secret.data() == buffer); // same buffer, so it may be looked at
  CHECK(std::string_view(buffer, secret.capacity()).find('s') == std::string_view::npos);
}
