#include "net/exchange.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string_view>

namespace calbridge::net {
namespace {

namespace http = boost::beast::http;
using Kind = HttpFailure::Kind;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t kHeaderLimit = 64 * 1024;
constexpr std::size_t kReadSize = 16 * 1024;
constexpr int kInterimLimit = 8;
constexpr std::size_t kShortestEnd = 5; ///< of a chunked body: "0" and two line ends

bool isToken(std::string_view text) {
  static constexpr std::string_view kSpecial = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kSpecial.find(c) != std::string_view::npos;
  });
}

bool isFieldValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
  });
}

bool equalsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool belongsToConnection(std::string_view name) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "host", "content-length", "transfer-encoding",   "connection",        "keep-alive", "expect", "upgrade",
      "te",   "trailer",        "proxy-authorization", "proxy-authenticate"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view own) { return equalsIgnoringCase(own, name); });
}

void addHeader(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

[[noreturn]] void throwParseError(const boost::beast::error_code& error) {
  if (error == http::error::body_limit || error == http::error::header_limit || error == http::error::buffer_overflow) {
    throw ExchangeError{Kind::tooLarge, "the answer is larger than allowed"};
  }
  if (error == http::error::partial_message || error == http::error::end_of_stream) {
    throw ExchangeError{Kind::truncated, "the answer ended before it was complete"};
  }
  throw ExchangeError{Kind::malformed, "the answer is not HTTP: " + error.message()};
}

/// Beast takes any coding but "chunked" for "until the connection closes"; nobody sends one to a client that did not
/// ask.
void checkFraming(const Parser& parser) {
  const auto codings = parser.get().equal_range(http::field::transfer_encoding);
  const auto count = std::distance(codings.first, codings.second);
  const bool chunked = count == 1 && boost::beast::iequals(codings.first->value(), "chunked");
  if ((count > 0 && !chunked) || parser.get().result_int() == 101) {
    throw ExchangeError{Kind::malformed, "the answer uses a framing that was not asked for"};
  }
}

class ResponseReader {
 public:
  ResponseReader(Connection& connection, const Deadline& deadline, bool& answered)
      : connection_(connection), deadline_(deadline), answered_(answered), buffer_(connection.received) {
    buffer_.clear();
    buffer_.max_size(kHeaderLimit + kReadSize);
  }
  ~ResponseReader() {
    if (buffer_.size() == 0 && buffer_.capacity() > kReadSize)
      buffer_ = {}; // an unusual answer
  }
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  /// One message, interim or final.
  void readInto(Parser& parser) {
    // Not eager before the header is complete: Beast 1.74 then forgets that a Content-Length exceeded the limit.
    bool headerSeen = false;
    while (!parser.is_done()) {
      // Beast 1.74 asserts that more than the last chunk's own line is there when it comes back to it.
      const bool tooFew = headerSeen && parser.chunked() && buffer_.size() < kShortestEnd;
      if (buffer_.size() > 0 && !tooFew) {
        boost::beast::error_code error;
        buffer_.consume(parser.put(buffer_.data(), error));
        if (error && error != http::error::need_more) {
          throwParseError(error);
        }
        if (parser.is_done()) {
          if (!headerSeen) {
            checkFraming(parser);
          }
          return;
        }
        if (!headerSeen && parser.is_header_done()) {
          checkFraming(parser);
          headerSeen = true;
          parser.eager(true);
          continue;
        }
      }
      if (!fill()) {
        finish(parser);
        return;
      }
    }
  }
  bool nothingLeft() const { return buffer_.size() == 0; }

 private:
  bool fill() {
    const auto space = buffer_.prepare(kReadSize);
    const std::size_t got = connection_.read({static_cast<char*>(space.data()), space.size()}, deadline_);
    buffer_.commit(got);
    answered_ = answered_ || got > 0;
    return got > 0;
  }
  static void finish(Parser& parser) {
    boost::beast::error_code error;
    if (!parser.got_some()) {
      throw ExchangeError{Kind::truncated, "the connection was closed without an answer"};
    }
    parser.put_eof(error);
    if (error) {
      throwParseError(error);
    }
    if (!parser.is_done()) {
      throw ExchangeError{Kind::truncated, "the answer ended before it was complete"};
    }
  }

  Connection& connection_;
  const Deadline& deadline_;
  bool& answered_;
  boost::beast::flat_buffer& buffer_;
};

} // namespace

bool isIdempotent(const std::string& method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS" ||
         method == "PROPFIND" || method == "REPORT";
}

std::string serialize(const HttpRequest& request, const Url& url, const std::string& userAgent) {
  if (!isToken(request.method) || request.method == "CONNECT") {
    throw ExchangeError{Kind::malformed, "the request's method is not one"};
  }
  std::string out;
  out.reserve(512 + url.target.size() + request.body.size());
  out.append(request.method).append(" ").append(url.target).append(" HTTP/1.1\r\n");
  addHeader(out, "Host", url.authority());
  bool named = false;
  for (const auto& [name, value] : request.headers) {
    if (!isToken(name) || belongsToConnection(name)) {
      throw ExchangeError{Kind::malformed,
                          "the request may not set the header " + (isToken(name) ? name : "of that name")};
    }
    if (!isFieldValue(value)) {
      throw ExchangeError{Kind::malformed, "the request's header " + name + " holds control characters"};
    }
    named = named || equalsIgnoringCase(name, "user-agent");
    addHeader(out, name, value);
  }
  if (!named) {
    addHeader(out, "User-Agent", userAgent);
  }
  const bool expectsBody = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (!request.body.empty() || expectsBody) {
    addHeader(out, "Content-Length", std::to_string(request.body.size()));
  }
  out.append("\r\n").append(request.body);
  return out;
}

Received receive(Connection& connection, const std::string& method, std::size_t maxBody, const Deadline& deadline,
                 bool& answered) {
  ResponseReader reader(connection, deadline, answered);
  for (int interim = 0; interim < kInterimLimit; ++interim) {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(kHeaderLimit));
    parser.body_limit(maxBody);
    parser.skip(method == "HEAD");
    reader.readInto(parser);
    if (parser.get().result_int() / 100 == 1) {
      continue;
    }
    Received received;
    received.reusable = parser.keep_alive() && reader.nothingLeft();
    auto& message = parser.get();
    received.response.status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
      received.response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    received.response.body = std::move(message.body());
    return received;
  }
  throw ExchangeError{Kind::malformed, "the server sent interim answers only"};
}

} // namespace calbridge::net
