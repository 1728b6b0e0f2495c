#pragma once
#include "core/http_client.hpp"
#include "core/url.hpp"
#include "net/connection.hpp"

#include <string>

namespace calbridge::net {

/// The bytes of a request, HTTP/1.1, with Host, User-Agent, Content-Length and the caller's headers. Throws
/// ExchangeError(malformed) for a method or header name that is no token, a header value with control characters, or a
/// header that belongs to the connection (Host, Content-Length, Transfer-Encoding, Connection, Expect, …).
std::string serialize(const HttpRequest& request, const Url& url, const std::string& userAgent);

/// RFC 9110 section 9.2.2: doing it twice is doing it once.
bool isIdempotent(const std::string& method);

struct Received {
  HttpResponse response;
  bool reusable = false; ///< the connection may serve another request
};

/// Reads one whole response (interim 1xx ones are skipped) with Boost.Beast's parser. `answered` becomes true with the
/// first byte. Throws ExchangeError: truncated, malformed, tooLarge, timeout, cancelled.
Received receive(Connection& connection, const std::string& method, std::size_t maxBody, const Deadline& deadline,
                 bool& answered);

} // namespace calbridge::net
