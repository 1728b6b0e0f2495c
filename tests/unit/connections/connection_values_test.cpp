#include "fixture.hpp"

#include <thread>

using namespace calbridge;
using namespace calbridge::connections;

TEST_CASE("A plugin's values belong to one connection and can be erased") {
  Fixture f;
  auto johns = f.node.values(f.connect(f.google, f.john));
  auto others = f.node.values(f.connect(f.outlook, f.john));
  CHECK_FALSE(johns.get("calendar"));
  johns.set("calendar", "id-1");
  CHECK(johns.get("calendar") == std::optional<std::string>("id-1"));
  CHECK_FALSE(others.get("calendar"));
  johns.set("calendar", "id-2");
  CHECK(johns.get("calendar") == std::optional<std::string>("id-2"));
  johns.set("calendar", "");
  CHECK_FALSE(johns.get("calendar"));
}

TEST_CASE("Sixty-four values fit, the sixty-fifth is refused and changes nothing") {
  Fixture f;
  auto values = f.node.values(f.connect(f.google, f.john));
  for (int i = 0; i < 64; ++i)
    values.set("key-" + std::to_string(i), "v");
  CHECK(errorCode([&] { values.set("one-more", "v"); }) == "quota_exceeded");
  CHECK_FALSE(values.get("one-more"));
  values.set("key-5", "changed");
  CHECK(values.get("key-5") == std::optional<std::string>("changed"));
  values.set("key-5", "");
  values.set("one-more", "v");
  CHECK(values.get("one-more") == std::optional<std::string>("v"));
}

TEST_CASE("Sixteen KiB fit, one byte more is refused and the old value stays") {
  Fixture f;
  auto values = f.node.values(f.connect(f.google, f.john));
  values.set("k", std::string(ConnectionValues::kMaxBytes - 1, 'x'));
  CHECK(errorCode([&] { values.set("k", std::string(ConnectionValues::kMaxBytes, 'y')); }) == "quota_exceeded");
  CHECK(errorCode([&] { values.set("m", ""); }) == "");
  CHECK(errorCode([&] { values.set("m", "1"); }) == "quota_exceeded");
  CHECK(values.get("k")->front() == 'x');
}

TEST_CASE("Values and keys that the store would cut are refused") {
  Fixture f;
  auto values = f.node.values(f.connect(f.google, f.john));
  CHECK(errorCode([&] { values.set("", "v"); }) == "invalid_value");
  CHECK(errorCode([&] { values.set(std::string(129, 'k'), "v"); }) == "invalid_value");
  CHECK(errorCode([&] { values.set(std::string("a\0b", 3), "v"); }) == "invalid_value");
  CHECK(errorCode([&] { values.set("a", std::string("a\0b", 3)); }) == "invalid_value");
}

TEST_CASE("A plugin cannot reach the index of its own quota") {
  Fixture f;
  auto values = f.node.values(f.connect(f.google, f.john));
  values.set("index", "mine");
  for (int i = 1; i < 64; ++i)
    values.set("key-" + std::to_string(i), "v");
  CHECK(errorCode([&] { values.set("one-more", "v"); }) == "quota_exceeded");
  CHECK(values.get("index") == std::optional<std::string>("mine"));
}

TEST_CASE("Parallel calls of one connection cannot exceed the quota together") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  std::atomic<int> kept{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      auto values = f.node.values(id);
      for (int i = 0; i < 10; ++i)
        kept += errorCode([&] { values.set(std::to_string(t) + "-" + std::to_string(i), "v"); }).empty() ? 1 : 0;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(kept == 64);
}
