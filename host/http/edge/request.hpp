#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace calbridge::http {

/// Header fields in the order in which they came, names compared without case (RFC 9110 section 5.1). One flat buffer,
/// so that reading a request allocates nothing once a connection is warm. Views stay valid until the next add or clear.
class Headers {
 public:
  void add(std::string_view name, std::string_view value);
  void clear();
  /// The first value of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  /// The first value of that name, or an empty view.
  std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view{}); }
  /// Every value of that name, in order.
  std::vector<std::string_view> all(std::string_view name) const;
  std::size_t size() const { return fields_.size(); }
  /// The i-th field as name and value; i < size().
  std::pair<std::string_view, std::string_view> at(std::size_t i) const;

 private:
  struct Field {
    std::uint32_t name, nameSize, value, valueSize;
  };
  std::string bytes_;
  std::vector<Field> fields_;
};

/// Decoded pairs of a query or of an application/x-www-form-urlencoded body, in order.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// Decodes %XX. nullopt for a malformed escape, for NUL or another control character, and for what is not UTF-8.
std::optional<std::string> percentDecode(std::string_view text);
/// Escapes everything but RFC 3986 unreserved characters.
std::string percentEncode(std::string_view text);
/// Reads `a=b&c=d` ("+" is a space). nullopt when a name or value does not decode; line breaks and tabs in values are
/// allowed, other control characters are not.
std::optional<Parameters> parseForm(std::string_view text);
/// The first value of that name in the pairs.
std::optional<std::string_view> find(const Parameters& parameters, std::string_view name);
/// ASCII comparison without case.
bool equalIgnoringCase(std::string_view a, std::string_view b);

/// One request, whole: its body has been read. The edge has checked that path and query decode; everything in here is
/// the client's word all the same. Belongs to the connection and is reused; the handler may move from the body.
struct Request {
  std::string method; ///< as sent, case-sensitive
  std::string target; ///< origin form as sent: "/a%20b?x=1"
  std::string path;   ///< decoded, begins with "/", holds no NUL, no control character and no dot segment
  std::vector<std::string> segments; ///< path between the slashes, each decoded by itself; a trailing slash adds none
  std::string query;                 ///< after "?", not decoded
  Headers headers;
  std::string body;
  std::string peerAddress;   ///< numeric, without port; IPv4-mapped IPv6 as IPv4. Behind a proxy this is the proxy's
  std::string clientAddress; ///< the same of the client itself, as far as trusted proxies tell; else peerAddress
  std::string host;          ///< what the client asked for: Host, or what a trusted proxy says that it was
  std::string requestId;     ///< made by the edge, unique in this process's life; goes on every log line
  bool secure = false;       ///< the client used TLS, with us or with a trusted proxy

  /// First value of a query parameter, decoded; nullopt when absent.
  std::optional<std::string> queryValue(std::string_view name) const;
  /// All query parameters, decoded.
  Parameters queryParameters() const;
};

/// What is known of a request before its body is read; for deciding how large that may be.
struct RequestHead {
  std::string_view method;
  std::string_view path; ///< decoded
  const Headers& headers;
};

} // namespace calbridge::http
