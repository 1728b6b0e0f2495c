// Sends events to a running host, one a request, and says how fast they were acknowledged.
//
//   bench_events PORT KEY TYPE FIRST COUNT CONNECTIONS RATE TEAMS
//
// The i-th event is about appointment bench-i, whose service is "Bench i" (nine digits: what bench_provider
// recognises), with customer customer-k and the staff staff-a-k and staff-b-k, k = i modulo TEAMS. RATE is events a
// second over all connections; 0 is as fast as they are acknowledged. Prints one JSON object.
#include "load_client.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

namespace {

std::string eventBody(const std::string& type, std::size_t i, std::size_t teams) {
  char mark[16];
  std::snprintf(mark, sizeof mark, "%09zu", i);
  const std::string k = std::to_string(i % teams);
  const std::string day = std::to_string(10 + i % 18);
  const std::string hour = std::to_string(10 + i % 9);
  return R"({"specversion":"1.0","id":"evt-)" + type + "-" + mark + R"(","source":"bench/orders","type":")" + type +
         R"(","time":"2026-11-22T10:00:00Z","data":{"appointment":{"id":"bench-)" + mark +
         R"(","version":1,"status":"confirmed","start":"2032-12-)" + day + "T" + hour + R"(:00:00","end":"2032-12-)" +
         day + "T" + hour + R"(:45:00","timezone":"Europe/London","service":{"name":"Bench )" + mark +
         R"(","details":"3 bedrooms, oven"},"location":{"address":"1 High Street, London N1 1AA"},"order":{"id":"O-)" +
         mark + R"(","number":"VC-)" + mark + R"(","notes":"Key under the mat"},"customer":{"id":"customer-)" + k +
         R"(","name":"John Smith","email":"john@example.com","phone":"+44 20 7946 0001"},"staff":[{"id":"staff-a-)" +
         k + R"(","name":"Sarah Jones","phone":"+44 20 7946 0002"},{"id":"staff-b-)" + k +
         R"(","name":"Tom Brown","phone":"+44 20 7946 0003"}]}}})";
}

} // namespace

int main(int argc, char** argv) {
  using namespace calbridge;
  using Steady = std::chrono::steady_clock;
  if (argc != 9) {
    std::cerr << "usage: bench_events PORT KEY TYPE FIRST COUNT CONNECTIONS RATE TEAMS\n";
    return 2;
  }
  const auto number = [&](int at) { return std::strtoul(argv[at], nullptr, 10); };
  const std::string bearer = std::string("Bearer ") + argv[2];
  const std::string type = argv[3];
  const std::size_t first = number(4), teams = number(8);
  const double rate = std::strtod(argv[7], nullptr);
  std::vector<long> sentAt(rate > 0 ? number(5) : 0);
  bench::LoadPlan plan;
  plan.port = static_cast<std::uint16_t>(number(1));
  plan.requests = number(5);
  plan.connections = number(6);
  const auto begin = Steady::now();
  plan.request = [&](std::size_t i, std::string& out) {
    if (rate > 0) {
      std::this_thread::sleep_until(begin + std::chrono::duration_cast<Steady::duration>(
                                                std::chrono::duration<double>(static_cast<double>(i) / rate)));
      sentAt[i] = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now().time_since_epoch()).count();
    }
    out = bench::postJson("/api/events/", eventBody(type, first + i, teams), bearer);
  };
  const auto report = bench::runLoad(plan);
  nlohmann::json result = {{"per_second", report.perSecond()},
                           {"seconds", report.seconds},
                           {"client_cpu_seconds", report.cpuSeconds},
                           {"p50_us", report.percentile(0.5)},
                           {"p99_us", report.percentile(0.99)},
                           {"not_2xx", report.notSuccessful()},
                           {"failed", report.failed},
                           {"unsent", plan.requests - report.answered - report.failed}};
  if (rate > 0)
    result["sent_at"] = sentAt;
  std::cout << result << std::endl;
  return report.failed > 0 ? 1 : 0;
}
