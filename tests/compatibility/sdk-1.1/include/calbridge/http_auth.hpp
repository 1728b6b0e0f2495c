#pragma once
#include "calbridge/call.hpp"

#include <array>
#include <map>

/// Passwords over HTTP: Basic (RFC 7617) and Digest (RFC 7616), with the hashes that they need. Pure functions.
namespace calbridge::sdk {

/// RFC 4648 section 4, padded.
std::string base64Encode(std::string_view bytes);
/// RFC 1321, in lower-case hexadecimal. For protocols that ask for it; it protects nothing.
std::string md5Hex(std::string_view bytes);
/// FIPS 180-4, in lower-case hexadecimal.
std::string sha256Hex(std::string_view bytes);

/// One challenge of WWW-Authenticate (RFC 9110 section 11.6.1).
struct Challenge {
  std::string scheme;                            ///< lower case
  std::map<std::string, std::string> parameters; ///< names in lower case; values unquoted
};
/// All challenges of a response, from however many headers. What is malformed is left out.
std::vector<Challenge> challengesOf(const HttpResponse& response);

/// What a server's digest challenge fixes for the requests that follow.
struct DigestNonce {
  std::string realm;             ///< what the password is for
  std::string nonce;             ///< the server's, for a while
  std::string opaque;            ///< goes back as it came; may be empty
  std::string algorithm = "MD5"; ///< MD5, SHA-256, each also with "-sess"
  bool qop = false;              ///< the server speaks qop=auth
};
/// The strongest digest challenge that can be answered: SHA-256 before MD5, and no qop but auth.
std::optional<DigestNonce> digestOffered(const std::vector<Challenge>& challenges);
/// Does the server say that only the nonce was too old (RFC 7616 section 3.3)?
bool digestStale(const std::vector<Challenge>& challenges);

/// The value of Authorization.
std::string basicAuthorization(std::string_view username, std::string_view password);
/// The value of Authorization for one request. `target` is the request's path and query as sent; `count` says how often
/// the nonce has been used, from 1; `clientNonce` is random.
std::string digestAuthorization(const DigestNonce& nonce, std::string_view method, std::string_view target,
                                std::string_view username, std::string_view password, std::uint32_t count,
                                const std::string& clientNonce);

} // namespace calbridge::sdk

#include "calbridge/http_auth.ipp"
