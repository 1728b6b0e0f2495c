#pragma once
#include "core/address_range.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace calbridge {

struct HttpRequest {
  std::string method;
  std::string url; ///< absolute, http or https
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// Why no complete response came. `sent` tells whether the request may have reached the server: only then can a write
/// have happened.
struct HttpFailure {
  enum class Kind { refusedByEgress, connect, tls, timeout, cancelled, truncated, malformed, tooLarge };
  Kind kind = Kind::connect;
  bool sent = false;
  std::string message; ///< no secrets: host and reason only
};

struct HttpResult {
  std::optional<HttpResponse> response;
  std::optional<HttpFailure> failure; ///< exactly one of the two is set
};

/// Leave to talk to servers that people type, and wherever those redirect: to every server over https whose address is
/// public. What an operator listed need not be public, and may be plain http on this machine.
struct TypedServers {
  std::vector<std::string> hosts;   ///< "host" or "host:port"
  std::vector<AddressRange> ranges; ///< of addresses
};

struct HttpOptions {
  std::chrono::milliseconds timeout{30000};               ///< for everything, from connect to the last byte
  const std::atomic<bool>* cancelled = nullptr;           ///< may be null; looked at between reads
  const std::vector<std::string>* allowedHosts = nullptr; ///< egress list ("host" or "host:port"); null allows none
  const TypedServers* typedServers = nullptr;             ///< beyond allowedHosts; null: none
  bool publicAddressesOnly = false; ///< refuse private, link-local and loopback addresses after resolution
  std::size_t maxBody = 1 << 20;
};

/// Outbound HTTP. Implementations pool keep-alive connections; one instance serves all threads.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual HttpResult send(const HttpRequest& request, const HttpOptions& options) = 0;
};

} // namespace calbridge
