#include "store/sqlite/database_file.hpp"
#include "store/sqlite/writer.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>

using namespace calbridge;
using namespace calbridge::store::sqlite;
namespace fs = std::filesystem;

namespace {

struct Setup {
  Setup() {
    std::string pattern = (fs::temp_directory_path() / "calbridge-writer-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      throw std::runtime_error("no temporary directory");
    folder = pattern;
    path = (folder / "test.db").string();
    readers = std::make_unique<Readers>(path);
    writer = std::make_unique<Writer>(path, openDatabase(path), *readers, Writer::Hooks{[this] { ++commits; }, {}});
  }
  ~Setup() {
    readers->close();
    writer.reset();
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  std::optional<std::string> value(const std::string& key) {
    std::optional<std::string> found;
    readers->read([&](Session& s) { s["meta_one"].one([&](Row& row) { found = row.text(); }, key); });
    return found;
  }

  fs::path folder;
  std::string path;
  std::atomic<int> commits{0};
  std::unique_ptr<Readers> readers;
  std::unique_ptr<Writer> writer;
};

} // namespace

TEST_CASE("Every operation is valid SQL against the schema") {
  Setup setup;
  int prepared = 0;
  setup.writer->inspect([&](Session& session) {
    for (const auto& [name, sql] : operations()) {
      INFO(name);
      CHECK_NOTHROW(session[name]);
      ++prepared;
    }
  });
  CHECK(prepared > 50);
}

TEST_CASE("What queues up during a turn shares the next transaction, and a failing neighbour harms nobody") {
  Setup setup;
  std::promise<void> inside;
  std::promise<void> goOn;
  std::vector<std::future<void>> callers;
  callers.push_back(std::async(std::launch::async, [&] {
    setup.writer->durable([&](Session&) {
      inside.set_value();
      goOn.get_future().wait();
    });
  }));
  inside.get_future().wait();
  std::atomic<int> arriving{0};
  for (int i = 0; i < 10; ++i) {
    callers.push_back(std::async(std::launch::async, [&, i] {
      ++arriving;
      setup.writer->durable([&](Session& s) {
        s["meta_put"].run("key-" + std::to_string(i), "value");
        if (i == 4)
          throw Error("refused", "by this piece of work");
        if (i == 5)
          s["sessions_add"].run("hash", "nobody", 1, 2);
      });
    }));
  }
  while (arriving < 10)
    std::this_thread::yield();
  goOn.set_value();
  int failures = 0;
  for (auto& caller : callers) {
    try {
      caller.get();
    } catch (const Error& error) {
      ++failures;
      CHECK((error.code() == "refused" || error.code() == "store_refused"));
    }
  }
  CHECK(failures == 2);
  for (int i = 0; i < 10; ++i) {
    INFO("key " << i);
    CHECK(setup.value("key-" + std::to_string(i)).has_value() == (i != 4 && i != 5));
  }
  CHECK(setup.commits <= 11);
}

TEST_CASE("Work that fails alone is undone, and the next finds everything in order") {
  Setup setup;
  CHECK_THROWS_AS(setup.writer->relaxed([](Session& s) {
    s["meta_put"].run("key", "value");
    throw Error("refused", "by this piece of work");
  }),
                  Error);
  CHECK_FALSE(setup.value("key").has_value());
  setup.writer->relaxed([](Session& s) { s["meta_put"].run("key", "value"); });
  CHECK(setup.value("key") == "value");
}

TEST_CASE("Durable work does not wait for a long queue of relaxed work") {
  Setup setup;
  std::promise<void> inside;
  std::promise<void> goOn;
  auto blocker = std::async(std::launch::async, [&] {
    setup.writer->durable([&](Session&) {
      inside.set_value();
      goOn.get_future().wait();
    });
  });
  inside.get_future().wait();
  std::atomic<int> relaxedDone{0};
  std::atomic<int> arriving{0};
  std::atomic<int> doneBeforeDurable{-1};
  std::vector<std::future<void>> callers;
  for (int i = 0; i < 40; ++i) {
    callers.push_back(std::async(std::launch::async, [&] {
      ++arriving;
      setup.writer->relaxed([&](Session&) { ++relaxedDone; });
    }));
  }
  while (arriving < 40)
    std::this_thread::yield();
  callers.push_back(std::async(std::launch::async, [&] {
    ++arriving;
    setup.writer->durable([&](Session&) { doneBeforeDurable = relaxedDone.load(); });
  }));
  while (arriving < 41)
    std::this_thread::yield();
  goOn.set_value();
  for (auto& caller : callers)
    caller.get();
  blocker.get();
  CHECK(relaxedDone == 40);
  // The durable caller may reach the queue only after a turn or two; it never waits for the whole queue.
  CHECK(doneBeforeDurable >= 0);
}

TEST_CASE("Readers cannot write") {
  Setup setup;
  CHECK_THROWS_AS(setup.readers->read([](Session& s) { s["meta_put"].run("key", "value"); }), Error);
  CHECK_FALSE(setup.value("key").has_value());
}
