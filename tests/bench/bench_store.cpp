// What the store does per second on this machine, beside what the machine can do at most, measured in the same run.
#include "store/store.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sqlite3.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace calbridge;
using namespace calbridge::store;

namespace {

constexpr TimeMs kNow = 1'800'000'000'000;
constexpr TimeMs kHour = 3'600'000;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of the whole process; says more than the clock on a machine that others use too.
double cpuSeconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto inSeconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return inSeconds(usage.ru_utime) + inSeconds(usage.ru_stime);
}

struct Moment {
  double wall = seconds();
  double cpu = cpuSeconds();
};

/// Time spent since a moment, summed over several.
struct Spent {
  double wall = 0;
  double cpu = 0;
  void since(const Moment& from) {
    const Moment now;
    wall += now.wall - from.wall;
    cpu += now.cpu - from.cpu;
  }
  Spent operator+(const Spent& other) const { return {wall + other.wall, cpu + other.cpu}; }
};

void print(const char* what, double count, const Spent& spent) {
  std::printf("%-68s %10.0f /s   %6.1f us of CPU each\n", what, count / spent.wall, spent.cpu / count * 1e6);
  std::fflush(stdout);
}
void print(const char* what, double count, const Moment& from) {
  Spent spent;
  spent.since(from);
  print(what, count, spent);
}

void fdatasyncLimit(const std::filesystem::path& folder) {
  const int fd = ::open((folder / "sync").c_str(), O_CREAT | O_RDWR, 0600);
  std::vector<char> block(4096, 'x');
  const Moment begin;
  const double start = begin.wall;
  int syncs = 0;
  while (seconds() - start < 1 && ::pwrite(fd, block.data(), block.size(), 4096L * syncs) == 4096) {
    ::fdatasync(fd);
    ++syncs;
  }
  print("limit: fdatasync of 4 KiB, appending", syncs, begin);
  ::close(fd);
}

void rawRows(const std::filesystem::path& folder, const std::string& body) {
  sqlite3* db = nullptr;
  sqlite3_open((folder / "raw.db").c_str(), &db);
  sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t (b) VALUES (?)", -1, &insert, nullptr);
  const Moment begin;
  const double start = begin.wall;
  int rows = 0;
  while (seconds() - start < 1) {
    sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    for (int i = 0; i < 100; ++i, ++rows) {
      sqlite3_bind_text(insert, 1, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
  }
  print("limit: bare SQLite rows of an event's size in fsync'ed commits of 100", rows, begin);
  sqlite3_finalize(insert);
  sqlite3_close(db);
}

void accepts(Store& store, const std::string& body, int callers) {
  std::vector<std::thread> threads;
  std::atomic<int> accepted{0};
  const Moment begin;
  const double start = begin.wall;
  for (int t = 0; t < callers; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; seconds() - start < 2; ++i) {
        const NewEvent event{
            "valclean/orders",    "evt-" + std::to_string(callers) + "-" + std::to_string(t) + "-" + std::to_string(i),
            "order.confirmed",    kNow,
            std::string(64, 'h'), body};
        store.acceptEvents({&event, 1}, kNow);
        ++accepted;
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  char what[80];
  std::snprintf(what, sizeof what, "events acknowledged, one a call, %d calling threads", callers);
  print(what, accepted, begin);
}

struct Stages {
  Spent route;
  Spent claim;
  Spent record;
};

/// `people` persons with one connection each; `placements` new ones in batches, three people an appointment.
void deliveries(Store& store, int people, int placements) {
  for (int i = 0; i < people; ++i) {
    const std::string id = "person-" + std::to_string(i);
    store.putPerson({id, "Name", id + "@example.com", "customer", "UTC", {}}, std::nullopt);
    ConnectionRecord fresh;
    fresh.personId = id;
    fresh.provider = "google";
    fresh.accountId = id;
    store.connect(
        fresh, [](std::int64_t) { return std::string(300, 's'); }, kNow);
  }
  Stages stages;
  int made = 0;
  int delivered = 0;
  while (made < placements) {
    RoutingWrite write;
    for (int a = 0; a < 50; ++a) {
      AppointmentRecord appointment;
      appointment.id = "A-" + std::to_string(made);
      appointment.endUtc = kNow + 48 * kHour;
      appointment.snapshot = nlohmann::json{{"id", appointment.id},
                                            {"service", {{"name", "Deep clean"}}},
                                            {"notes", std::string(400, 'n')}}
                                 .dump();
      for (int p = 0; p < 3; ++p, ++made) {
        PlacementRecord placement;
        placement.appointmentId = appointment.id;
        placement.personId = "person-" + std::to_string(made % people);
        placement.revision = 1;
        placement.route = "customer";
        placement.decidedAt = kNow;
        placement.entry.title = "Deep clean";
        placement.entry.description = std::string(200, 'd');
        placement.entry.location = "1 High Street, London N1 1AA";
        placement.entry.time = {false,           "2027-01-16T08:00:00", "2027-01-16T09:00:00",
                                "Europe/London", kNow + 47 * kHour,     kNow + 48 * kHour};
        placement.entry.reminders = {60, 1440};
        placement.contentHash = std::string(64, 'c');
        write.placements.push_back(std::move(placement));
      }
      write.appointments.push_back(std::move(appointment));
    }
    const Moment from;
    store.applyRouting(write, kNow + made);
    stages.route.since(from);
  }
  while (delivered < made) {
    const Moment from;
    const auto claim =
        store.claimDeliveries(kNow + 2 * made, 150, 60'000, [](std::int64_t, const std::string&) { return true; });
    stages.claim.since(from);
    std::vector<DeliveryOutcome> outcomes;
    for (const auto& task : claim.tasks) {
      DeliveryOutcome outcome;
      outcome.placementId = task.placementId;
      outcome.connectionId = task.connectionId;
      outcome.fence = task.fence;
      outcome.revision = task.revision;
      outcome.contentHash = task.contentHash;
      outcome.providerEventId = "cb0123456789abcdefghijklmnopqrstuv";
      outcome.etag = "\"3500000000000000\"";
      outcome.at = kNow;
      outcomes.push_back(std::move(outcome));
    }
    const Moment recording;
    store.recordOutcomes(outcomes);
    stages.record.since(recording);
    delivered += static_cast<int>(outcomes.size());
  }
  print("deliveries planned (applyRouting, batches of 150)", made, stages.route);
  print("deliveries claimed (batches of 150)", made, stages.claim);
  print("deliveries recorded (batches of 150)", made, stages.record);
  print("deliveries through all three, one after the other", made, stages.route + stages.claim + stages.record);
}

long residentKiB() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0;
  long resident = 0;
  if (file != nullptr) {
    if (std::fscanf(file, "%ld %ld", &total, &resident) != 2)
      resident = 0;
    std::fclose(file);
  }
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

} // namespace

int main(int argc, char** argv) {
  std::string pattern = std::string(argc > 1 ? argv[1] : ".") + "/calbridge-bench-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::fprintf(stderr, "Cannot make a folder in the directory to measure; name another one as the argument.\n");
    return 2;
  }
  const std::filesystem::path folder(pattern);
  const std::string body(900, 'b');
  fdatasyncLimit(folder);
  rawRows(folder, body);
  {
    const auto store = openStore("sqlite:" + (folder / "store.db").string());
    for (const int callers : {1, 16, 64})
      accepts(*store, body, callers);
    deliveries(*store, 2000, 60'000);
    std::printf("%-68s %10ld KiB\n", "resident memory at the end", residentKiB());
  }
  std::filesystem::remove_all(folder);
  return 0;
}
