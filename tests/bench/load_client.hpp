#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace calbridge::bench {

struct LoadPlan {
  std::string host = "127.0.0.1"; ///< IPv4 literal
  std::uint16_t port = 0;
  std::size_t connections = 16; ///< keep-alive; each has one request under way
  std::size_t threads = 1;      ///< epoll loops that share the connections
  std::size_t requests = 0;     ///< how many in all
  /// The i-th request, whole, as bytes on the wire; i < requests. Called on the client's threads, each i once; writes
  /// into `out`, which comes empty and keeps its capacity.
  std::function<void(std::size_t i, std::string& out)> request;
};

struct LoadReport {
  double seconds = 0;
  double cpuSeconds = 0; ///< of the client's threads
  std::size_t answered = 0;
  std::size_t failed = 0;               ///< connections lost or answers malformed
  std::map<int, std::size_t> statuses;  ///< how often each status came
  std::vector<std::uint32_t> latencies; ///< microseconds, sorted

  double perSecond() const { return seconds > 0 ? static_cast<double>(answered) / seconds : 0; }
  std::size_t notSuccessful() const;
  /// Microseconds that `share` (0–1) of the requests did not exceed.
  std::uint32_t percentile(double share) const;
  /// One line for people: "52000 req/s, p50 210 us, p99 900 us, 0 not 2xx, 0 failed".
  std::string summary() const;
};

/// Sends all requests and waits for every answer. Answers need a Content-Length or no body. Throws std::runtime_error
/// when it cannot connect.
LoadReport runLoad(const LoadPlan& plan);

/// A whole POST request with a JSON body.
std::string postJson(const std::string& path, const std::string& body, const std::string& authorization = {});

} // namespace calbridge::bench
