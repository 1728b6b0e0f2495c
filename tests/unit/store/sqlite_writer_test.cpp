#include "store/sqlite/database_file.hpp"
#include "store/sqlite/writer.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <set>

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

TEST_CASE("A caller that finds nobody at it works on its own thread; those who come meanwhile wait for the writer's") {
  Setup setup;
  std::promise<std::thread::id> inside;
  std::promise<void> goOn;
  auto first = std::async(std::launch::async, [&] {
    setup.writer->durable([&](Session&) {
      inside.set_value(std::this_thread::get_id());
      goOn.get_future().wait();
    });
    return std::this_thread::get_id();
  });
  const auto worked = inside.get_future().get();
  std::atomic<int> arriving{0};
  std::mutex mutex;
  std::set<std::thread::id> workers;
  std::set<std::thread::id> callers;
  const auto note = [&](std::set<std::thread::id>& among) {
    const std::lock_guard lock(mutex);
    among.insert(std::this_thread::get_id());
  };
  std::vector<std::future<void>> others;
  for (int i = 0; i < 9; ++i) {
    others.push_back(std::async(std::launch::async, [&, i] {
      note(callers);
      ++arriving;
      const Writer::Work work = [&](Session& session) {
        note(workers);
        session["meta_one"].one([](Row&) {}, "key");
      };
      if (i % 3 == 0)
        setup.writer->durable(work);
      else if (i % 3 == 1)
        setup.writer->relaxed(work);
      else
        setup.writer->inspect(work);
    }));
  }
  while (arriving < 9)
    std::this_thread::yield();
  CHECK(workers.empty());
  goOn.set_value();
  CHECK(first.get() == worked);
  for (auto& other : others)
    other.get();
  CHECK(callers.size() == 9);
  // One who arrives only when all is over works itself again.
  CHECK(std::count_if(workers.begin(), workers.end(), [&](const auto& id) { return !callers.contains(id); }) <= 1);
  CHECK_FALSE(workers.contains(worked));
}

TEST_CASE("Closing the writer waits for the work that a caller is at, and keeps it") {
  Setup setup;
  std::promise<void> inside;
  std::promise<void> goOn;
  auto caller = std::async(std::launch::async, [&] {
    setup.writer->durable([&](Session& s) {
      s["meta_put"].run("key", "value");
      inside.set_value();
      goOn.get_future().wait();
    });
  });
  inside.get_future().wait();
  std::atomic<bool> closed{false};
  auto closing = std::async(std::launch::async, [&] {
    setup.writer.reset();
    closed = true;
  });
  for (int i = 0; i < 1000; ++i)
    std::this_thread::yield();
  CHECK_FALSE(closed);
  goOn.set_value();
  caller.get();
  closing.get();
  CHECK(setup.value("key") == "value");
}

TEST_CASE("A log that callers have filled is brought into the database when it is quiet") {
  Setup setup;
  const auto before = fs::file_size(setup.path);
  for (int i = 0; i < 12; ++i) {
    setup.writer->relaxed(
        [&](Session& s) { s["meta_put"].run("key-" + std::to_string(i), std::string(std::size_t{1} << 20, 'x')); });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (fs::file_size(setup.path) < before + (std::size_t{8} << 20) && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  CHECK(fs::file_size(setup.path) >= before + (std::size_t{8} << 20));
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
