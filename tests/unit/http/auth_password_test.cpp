#include "auth_fixture.hpp"
#include "http/auth/password_hash.hpp"

#include <ctime>
#include <thread>

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;

TEST_CASE("A password is stored as argon2id with its cost and verifies") {
  SystemRandom random;
  PasswordHasher hasher(random);
  const std::string encoded = hasher.hash("correct horse battery");
  CHECK_THAT(encoded, Catch::StartsWith("$argon2id$v=19$m=19456,t=2,p=1$"));
  CHECK(hasher.verify("correct horse battery", encoded));
  CHECK_FALSE(hasher.verify("correct horse batterz", encoded));
  CHECK_FALSE(hasher.verify("", encoded));
  CHECK(hasher.hash("correct horse battery") != encoded);
}

TEST_CASE("The outcome for an account without a usable hash is the one for a wrong password") {
  SystemRandom random;
  PasswordHasher hasher(random);
  CHECK_FALSE(hasher.verifyNobody("correct horse battery"));
  for (const char* broken :
       {"", "plain text", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$", "$argon2id$v=19$m=19456,t=2,p=1$!!$!!",
        "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFz"}) {
    INFO(broken);
    CHECK_FALSE(hasher.verify("correct horse battery", broken));
  }
}

TEST_CASE("Verifying for nobody does the same work as verifying a wrong password") {
  SystemRandom random;
  PasswordHasher hasher(random);
  const std::string encoded = hasher.hash("correct horse battery");
  const auto cpuOf = [](auto&& call) {
    const std::clock_t start = std::clock();
    for (int i = 0; i < 5; ++i)
      call();
    return static_cast<double>(std::clock() - start);
  };
  const double wrong = cpuOf([&] { CHECK_FALSE(hasher.verify("wrong password", encoded)); });
  const double nobody = cpuOf([&] { CHECK_FALSE(hasher.verifyNobody("wrong password")); });
  INFO("CPU clocks: wrong password " << wrong << ", nobody " << nobody);
  CHECK(nobody > wrong / 4); // a skipped computation would take a thousandth
}

TEST_CASE("A password that is too short, too long or not UTF-8 is refused with its reason") {
  SystemRandom random;
  PasswordHasher hasher(random);
  const auto refusal = [&](const std::string& password) { return errorOf([&] { (void)hasher.hash(password); }); };
  CHECK(refusal("seven77") == "invalid_password: the password is too short: at least 8 characters");
  CHECK(refusal("ééééééé") == "invalid_password: the password is too short: at least 8 characters");
  CHECK(refusal("éééééééé").empty());
  CHECK(refusal(std::string(1024, 'x')).empty());
  CHECK(refusal(std::string(1025, 'x')) == "invalid_password: the password is too long: at most 1024 bytes");
  for (const char* broken : {"\xff-broken-", "overlong \xc0\xaf", "surrogate \xed\xa0\x80", "cut short \xe2\x82"})
    CHECK(refusal(broken) == "invalid_password: the password is not valid UTF-8");
  try {
    checkNewPassword("short");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.pointer() == "/password");
  }
}

TEST_CASE("A password with a NUL inside counts as a whole") {
  SystemRandom random;
  PasswordHasher hasher(random);
  const std::string password("before\0behind", 13);
  const std::string encoded = hasher.hash(password);
  CHECK(hasher.verify(password, encoded));
  CHECK_FALSE(hasher.verify("before", encoded));
}

TEST_CASE("A hash of a lower cost asks to be made again, one of the present cost does not") {
  SystemRandom random;
  PasswordHasher cheap(random);
  PasswordHasher dear(random, {.memoryKib = 20 * 1024, .iterations = 3});
  const std::string encoded = cheap.hash("correct horse battery");
  CHECK_FALSE(cheap.needsRehash(encoded));
  CHECK(dear.needsRehash(encoded));
  CHECK(dear.verify("correct horse battery", encoded));
  CHECK_FALSE(cheap.needsRehash(dear.hash("correct horse battery")));
  CHECK(cheap.needsRehash("$2b$12$somethingelse"));
}

TEST_CASE("A cost below the least one is a configuration error") {
  SystemRandom random;
  CHECK_THAT(errorOf([&] { PasswordHasher(random, {.memoryKib = 1024}); }), Catch::StartsWith("invalid_configuration"));
  CHECK_THAT(errorOf([&] { PasswordHasher(random, {.iterations = 1}); }), Catch::StartsWith("invalid_configuration"));
}

TEST_CASE("When computing and waiting places are taken, a log-in is told to come later") {
  SystemRandom random;
  PasswordHasher hasher(random, {}, {.running = 1, .waiting = 0, .wait = std::chrono::milliseconds(0)});
  const std::string encoded = hasher.hash("correct horse battery");
  std::atomic<bool> busy = false;
  std::atomic<int> verified = 0;
  std::atomic<int> strange = 0;
  const auto work = [&] {
    while (!busy) {
      try {
        if (hasher.verify("correct horse battery", encoded))
          ++verified;
      } catch (const Error& error) {
        error.code() == "login_busy" ? void(busy = true) : void(++strange);
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
  CHECK(busy);
  CHECK(strange == 0);
  CHECK(hasher.verify("correct horse battery", encoded)); // places are given back
}

TEST_CASE("Many log-ins at once wait for each other and all succeed") {
  SystemRandom random;
  PasswordHasher hasher(random, {}, {.running = 2, .waiting = 16, .wait = std::chrono::minutes(5)});
  const std::string encoded = hasher.hash("correct horse battery");
  std::atomic<int> verified = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { verified += hasher.verify("correct horse battery", encoded) ? 1 : 0; });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(verified == 8);
}
