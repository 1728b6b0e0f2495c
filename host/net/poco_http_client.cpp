#include "net/poco_http_client.hpp"

#include "core/url.hpp"
#include "net/egress.hpp"
#include "net/exchange.hpp"
#include "net/tls_context.hpp"

#include <Poco/Net/NetSSL.h>
#include <optional>

namespace calbridge::net {
namespace {

using Kind = HttpFailure::Kind;

HttpResult failed(const ExchangeError& error, bool sent) {
  HttpResult result;
  result.failure = HttpFailure{error.kind, sent, error.message};
  return result;
}

} // namespace

PocoHttpClient::PocoHttpClient(const HttpClientOptions& options)
    : options_(options), pool_(options.maxIdlePerOrigin, options.idleTimeout) {
  Poco::Net::initializeSSL();
  context_ = clientTlsContext(options.extraCaFile);
}

HttpResult PocoHttpClient::send(const HttpRequest& request, const HttpOptions& options) {
  bool sent = false;
  try {
    HttpResult result;
    result.response = exchange(request, options, sent);
    return result;
  } catch (const ExchangeError& error) {
    return failed(error, sent);
  }
}

HttpResponse PocoHttpClient::exchange(const HttpRequest& request, const HttpOptions& options, bool& sent) {
  const Deadline deadline(options.timeout, options.cancelled);
  const std::optional<Url> url = parseUrl(request.url);
  if (!url) {
    throw ExchangeError{Kind::malformed, "the request's URL is not an absolute http or https URL"};
  }
  auto why = refusal(*url, options.allowedHosts);
  const bool typed = why && options.typedServers != nullptr;
  if (typed) {
    why = refusal(*url, *options.typedServers);
  }
  if (why) {
    throw ExchangeError{Kind::refusedByEgress, *why};
  }
  const std::string wire = serialize(request, *url, options_.userAgent);
  // Connections of callers with different address rules are not mixed: the rule was applied when the connection was
  // made.
  const std::string rules = typed ? "?" + std::to_string(reinterpret_cast<std::uintptr_t>(options.typedServers)) + " "
                            : options.publicAddressesOnly ? "!"
                                                          : ":";
  const std::string origin = url->scheme + rules + url->authority();

  std::unique_ptr<Connection> connection = pool_.take(origin);
  for (;;) {
    if (!connection) {
      connection = connect(*url, options, typed, deadline);
    }
    bool answered = false;
    try {
      connection->write(wire, sent, deadline);
      Received received = receive(*connection, request.method, options.maxBody, deadline, answered);
      if (received.reusable) {
        pool_.give(origin, std::move(connection));
      }
      return std::move(received.response);
    } catch (const ExchangeError& error) {
      const bool wasDead = connection->reused && !answered && error.kind == Kind::truncated;
      if (!wasDead || (sent && !isIdempotent(request.method))) {
        throw;
      }
      connection.reset(); // and once more on a fresh one
    }
  }
}

std::unique_ptr<Connection> PocoHttpClient::connect(const Url& url, const HttpOptions& options, bool typed,
                                                    const Deadline& deadline) {
  const auto addresses = resolver_.resolve(url.host, deadline);
  std::optional<ExchangeError> last;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto why = typed ? addressRefusal(url, addresses[i], *options.typedServers)
                           : addressRefusal(url, addresses[i], options.publicAddressesOnly);
    if (why) {
      last = last.value_or(ExchangeError{Kind::refusedByEgress, *why});
      continue;
    }
    // An address that swallows packets must leave time for the next one.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.end() - Deadline::SteadyClock::now());
    const Deadline share(left / static_cast<long>(addresses.size() - i), options.cancelled);
    try {
      return Connection::open(url, Poco::Net::SocketAddress(addresses[i], url.port), context_, share);
    } catch (const ExchangeError& error) {
      if (error.kind == Kind::cancelled || error.kind == Kind::tls) {
        throw; // whoever shows a wrong certificate was reached: another address would only hide that
      }
      last = error;
    }
  }
  deadline.slice(); // says "timeout" when that is what it was
  throw last.value_or(ExchangeError{Kind::connect, "cannot resolve " + url.host});
}

} // namespace calbridge::net
