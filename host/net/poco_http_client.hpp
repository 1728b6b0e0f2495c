#pragma once
#include "core/http_client.hpp"
#include "net/connection_pool.hpp"
#include "net/resolver.hpp"

#include <Poco/Net/Context.h>
#include <Poco/Net/RejectCertificateHandler.h>
#include <filesystem>
#include <memory>
#include <string>

namespace calbridge::net {

struct HttpClientOptions {
  std::filesystem::path extraCaFile; ///< PEM, trusted beside the system's store; may be empty
  std::size_t maxIdlePerOrigin = 256;
  std::chrono::milliseconds idleTimeout{20000}; ///< below what servers grant, so that they rarely close first
  std::string userAgent = "calbridge/1.0";
};

/// Outbound HTTP/1.1 over Poco's sockets and Boost.Beast's response parser. Poco's own HTTPClientSession has timeouts
/// per read (a slow drip outlives any deadline), takes truncated bodies for complete ones and costs three times the
/// CPU.
///
/// - https with certificates of the system's store (or extraCaFile) and checked host names; plain http to loopback
/// only.
/// - The egress list is checked for the URL, and the addresses for every connection; redirects are returned, not
/// followed.
/// - One deadline over name look-up, connect, TLS, sending and receiving.
/// - A kept-alive connection that turns out to be dead before anything was answered is replaced once, if the request is
/// idempotent or
///   not a byte of it was sent. Otherwise the failure says `sent`.
///
/// Thread-safe. Failure messages name the host and the reason, never a header, a query or a body.
class PocoHttpClient final : public HttpClient {
 public:
  /// Throws Error("ca_file_invalid") when extraCaFile cannot be read.
  explicit PocoHttpClient(const HttpClientOptions& options = {});
  PocoHttpClient(const PocoHttpClient&) = delete;
  PocoHttpClient& operator=(const PocoHttpClient&) = delete;

  HttpResult send(const HttpRequest& request, const HttpOptions& options) override;
  /// Connections that wait for their next use.
  std::size_t idleConnections() const { return pool_.idle(); }

 private:
  HttpResponse exchange(const HttpRequest& request, const HttpOptions& options, bool& sent);
  std::unique_ptr<Connection> connect(const Url& url, const HttpOptions& options, bool typed, const Deadline& deadline);

  HttpClientOptions options_;
  Poco::Net::Context::Ptr context_;
  /// Poco asks the handlers of the whole process about certificates that failed; this one always says no.
  Poco::Net::RejectCertificateHandler reject_{false};
  Resolver resolver_;
  ConnectionPool pool_;
};

} // namespace calbridge::net
