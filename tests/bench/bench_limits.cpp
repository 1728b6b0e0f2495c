// What this machine can do at most, measured without calbridge: the denominators of the benchmark's table.
//
//   bench_limits FOLDER PROVIDER_PORT     prints one JSON object; FOLDER is where the database would be
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/StreamCopier.h>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <libical/ical.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr double kSecondsEach = 1.0;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpuSeconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double fdatasyncs(const std::filesystem::path& folder) {
  const auto path = folder / "limit-sync";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  const std::vector<char> block(4096, 'x');
  const double start = seconds();
  long syncs = 0;
  while (seconds() - start < kSecondsEach &&
         ::pwrite(fd, block.data(), block.size(), 4096 * syncs) == static_cast<ssize_t>(block.size())) {
    ::fdatasync(fd);
    ++syncs;
  }
  const double rate = static_cast<double>(syncs) / (seconds() - start);
  ::close(fd);
  std::filesystem::remove(path);
  return rate;
}

double sqliteRows(const std::filesystem::path& folder, int perCommit) {
  const auto path = folder / ("limit-rows-" + std::to_string(perCommit) + ".db");
  sqlite3* db = nullptr;
  sqlite3_open(path.c_str(), &db);
  sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t (b) VALUES (?)", -1, &insert, nullptr);
  const std::string body(900, 'b'); // as long as an event
  const double start = seconds();
  long rows = 0;
  while (seconds() - start < kSecondsEach) {
    sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    for (int i = 0; i < perCommit; ++i, ++rows) {
      sqlite3_bind_text(insert, 1, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
  }
  const double rate = static_cast<double>(rows) / (seconds() - start);
  sqlite3_finalize(insert);
  sqlite3_close(db);
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(path.string() + suffix);
  return rate;
}

struct RoundTrips {
  double perSecond = 0;
  double cpuPerThousand = 0;
  double usAlone = 0;
};

RoundTrips roundTrips(std::uint16_t port, int threads) {
  std::vector<std::thread> running;
  std::atomic<long> done{0};
  const double start = seconds(), cpu = cpuSeconds();
  for (int t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      Poco::Net::HTTPClientSession session("127.0.0.1", port);
      session.setKeepAlive(true);
      const std::string body(700, ' ');
      std::string answer;
      for (long i = 0; seconds() - start < kSecondsEach; ++i, ++done) {
        Poco::Net::HTTPRequest request("POST", "/calendars/primary/events", "HTTP/1.1");
        request.set("Authorization", "Bearer access-limit");
        request.setContentLength(static_cast<std::streamsize>(body.size()));
        request.setKeepAlive(true);
        session.sendRequest(request) << body;
        Poco::Net::HTTPResponse response;
        Poco::StreamCopier::copyToString(session.receiveResponse(response), answer);
      }
    });
  for (auto& thread : running)
    thread.join();
  const double count = static_cast<double>(done);
  const double took = seconds() - start;
  return {count / took, (cpuSeconds() - cpu) / count * 1000, took / count * 1e6};
}

std::string renderEntry(int i) {
  icalcomponent* event = icalcomponent_new(ICAL_VEVENT_COMPONENT);
  const auto start = icaltime_from_timet_with_zone(2000000000 + i * 3600, 0, icaltimezone_get_utc_timezone());
  const std::string uid = "entry-" + std::to_string(i);
  for (icalproperty* property :
       {icalproperty_new_uid(uid.c_str()), icalproperty_new_dtstamp(start), icalproperty_new_dtstart(start),
        icalproperty_new_dtend(start), icalproperty_new_summary("Deep clean with Sarah"),
        icalproperty_new_description("3 bedrooms, oven. Order VC-77. Questions? Answer the confirmation mail."),
        icalproperty_new_location("1 High Street, London N1 1AA"), icalproperty_new_sequence(1)})
    icalcomponent_add_property(event, property);
  char* text = icalcomponent_as_ical_string_r(event);
  std::string out = text;
  icalmemory_free_buffer(text);
  icalcomponent_free(event);
  return out;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: bench_limits FOLDER PROVIDER_PORT\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  const auto port = static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10));
  try {
    constexpr int kEntries = 10000;
    std::vector<std::string> pieces;
    double start = seconds();
    for (int i = 0; i < kEntries; ++i)
      pieces.push_back(renderEntry(i));
    const double libical = seconds() - start;
    start = seconds();
    std::string feed;
    for (const auto& piece : pieces)
      feed += piece;
    const double concatenation = seconds() - start;
    const RoundTrips one = roundTrips(port, 1);
    const RoundTrips sixteen = roundTrips(port, 16);
    std::cout << nlohmann::json{{"fdatasync_per_second", fdatasyncs(folder)},
                                {"sqlite_rows_in_hundreds_per_second", sqliteRows(folder, 100)},
                                {"sqlite_rows_singly_per_second", sqliteRows(folder, 1)},
                                {"client_round_trips_16_per_second", sixteen.perSecond},
                                {"client_cpu_seconds_per_1000", sixteen.cpuPerThousand},
                                {"client_round_trip_us", one.usAlone},
                                {"libical_10000_seconds", libical},
                                {"concatenation_10000_seconds", concatenation},
                                {"feed_bytes", feed.size()}}
              << std::endl;
  } catch (const Poco::Exception& error) {
    std::cerr << "bench_limits: " << error.displayText() << "\n";
    return 3;
  }
  return 0;
}
