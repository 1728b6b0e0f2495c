#pragma once
// Bodies of http_auth.hpp.
#include <bit>
#include <cctype>
#include <cmath>

namespace calbridge::sdk {

namespace detail {

inline std::string hexOf(const std::uint8_t* bytes, std::size_t size) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    out.push_back(kHex[bytes[i] >> 4U]);
    out.push_back(kHex[bytes[i] & 0xFU]);
  }
  return out;
}

/// `bytes` with the padding that MD5 and SHA-256 share: 0x80, zeros, the length in bits as 64-bit number.
inline std::string padded(std::string_view bytes, bool bigEndian) {
  std::string out(bytes);
  out.push_back('\x80');
  while (out.size() % 64 != 56) {
    out.push_back('\0');
  }
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (unsigned i = 0; i < 8; ++i) {
    out.push_back(static_cast<char>(bits >> (8 * (bigEndian ? 7 - i : i)) & 0xFFU));
  }
  return out;
}

inline std::uint32_t byteAt(const std::string& text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out + "\"";
}

/// Reads the value of one WWW-Authenticate header.
class ChallengeReader {
 public:
  explicit ChallengeReader(std::string_view text) : text_(text) {}

  void readInto(std::vector<Challenge>& out) {
    while (skip(" \t,"), at_ < text_.size()) {
      const std::string_view word = token();
      if (word.empty()) {
        return; // malformed: what follows cannot be told apart
      }
      const std::size_t before = at_;
      skip(" \t");
      const bool parameter = at_ < text_.size() && text_[at_] == '=' && !out.empty() && started_;
      if (!parameter) {
        at_ = before;
        out.push_back({lower(word), {}});
        started_ = true;
        skipToken68();
        continue;
      }
      ++at_;
      skip(" \t");
      out.back().parameters.emplace(lower(word), value());
    }
  }

 private:
  void skip(std::string_view what) {
    while (at_ < text_.size() && what.find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }
  std::string_view token() {
    static constexpr std::string_view kEnds = " \t,=\"()<>@;:\\/[]?{}";
    const std::size_t start = at_;
    while (at_ < text_.size() && kEnds.find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }
  /// "Negotiate YII…==": one word without a name, as some schemes have.
  void skipToken68() {
    const std::size_t before = at_;
    skip(" \t");
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  std::string_view("-._~+/").find(text_[at_]) != std::string_view::npos)) {
      ++at_;
    }
    skip("=");
    const std::size_t end = at_;
    skip(" \t");
    if (end == before || (at_ < text_.size() && text_[at_] != ',')) {
      at_ = before; // parameters follow, or nothing
    }
  }
  std::string value() {
    if (at_ >= text_.size() || text_[at_] != '"') {
      return std::string(token());
    }
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
      }
      out.push_back(text_[at_]);
    }
    ++at_;
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool started_ = false;
};

inline std::string parameterOf(const Challenge& challenge, const char* name) {
  const auto found = challenge.parameters.find(name);
  return found == challenge.parameters.end() ? std::string() : found->second;
}

} // namespace detail

inline std::string base64Encode(std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out.push_back(i + j <= bytes.size() ? kAlphabet[group >> (18 - 6 * j) & 0x3FU] : '=');
    }
  }
  return out;
}

inline std::string md5Hex(std::string_view bytes) {
  static constexpr std::array<int, 16> kShifts = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
  std::array<std::uint32_t, 4> state = {0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U};
  std::array<std::uint32_t, 64> sines{};
  for (std::size_t i = 0; i < 64; ++i) {
    sines[i] = static_cast<std::uint32_t>(std::floor(std::fabs(std::sin(static_cast<double>(i + 1))) * 4294967296.0));
  }
  const std::string text = detail::padded(bytes, false);
  for (std::size_t block = 0; block < text.size(); block += 64) {
    std::array<std::uint32_t, 16> words{};
    for (std::size_t i = 0; i < 64; ++i) {
      words[i / 4] |= detail::byteAt(text, block + i) << (8 * (i % 4));
    }
    auto [a, b, c, d] = state;
    for (std::size_t i = 0; i < 64; ++i) {
      std::uint32_t mixed = 0;
      std::size_t word = 0;
      switch (i / 16) {
      case 0:
        mixed = (b & c) | (~b & d);
        word = i;
        break;
      case 1:
        mixed = (d & b) | (~d & c);
        word = (5 * i + 1) % 16;
        break;
      case 2:
        mixed = b ^ c ^ d;
        word = (3 * i + 5) % 16;
        break;
      default:
        mixed = c ^ (b | ~d);
        word = 7 * i % 16;
      }
      const std::uint32_t turned = std::rotl(a + mixed + sines[i] + words[word], kShifts[i / 16 * 4 + i % 4]);
      a = d;
      d = c;
      c = b;
      b += turned;
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d};
  }
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(state[i / 4] >> (8 * (i % 4)) & 0xFFU);
  }
  return detail::hexOf(out.data(), out.size());
}

inline std::string sha256Hex(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 64> kRounds = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::array<std::uint32_t, 8> state = {0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU,
                                        0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U};
  const std::string text = detail::padded(bytes, true);
  for (std::size_t block = 0; block < text.size(); block += 64) {
    std::array<std::uint32_t, 64> words{};
    for (std::size_t i = 0; i < 64; ++i) {
      words[i / 4] |= detail::byteAt(text, block + i) << (8 * (3 - i % 4));
    }
    for (std::size_t i = 16; i < 64; ++i) {
      const std::uint32_t x = words[i - 15];
      const std::uint32_t y = words[i - 2];
      words[i] = words[i - 16] + (std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3U)) + words[i - 7] +
                 (std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10U));
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint32_t first =
          h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + kRounds[i] + words[i];
      const std::uint32_t second =
          (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + first;
      d = c;
      c = b;
      b = a;
      a = first + second;
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d,
             state[4] + e, state[5] + f, state[6] + g, state[7] + h};
  }
  std::array<std::uint8_t, 32> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(state[i / 4] >> (8 * (3 - i % 4)) & 0xFFU);
  }
  return detail::hexOf(out.data(), out.size());
}

inline std::vector<Challenge> challengesOf(const HttpResponse& response) {
  std::vector<Challenge> out;
  for (const auto& [name, value] : response.headers) {
    if (detail::lower(name) == "www-authenticate") {
      detail::ChallengeReader(value).readInto(out);
    }
  }
  return out;
}

inline std::optional<DigestNonce> digestOffered(const std::vector<Challenge>& challenges) {
  std::optional<DigestNonce> best;
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme != "digest") {
      continue;
    }
    DigestNonce offer{detail::parameterOf(challenge, "realm"), detail::parameterOf(challenge, "nonce"),
                      detail::parameterOf(challenge, "opaque"), detail::parameterOf(challenge, "algorithm"), false};
    const std::string algorithm = detail::lower(offer.algorithm);
    const bool strong = algorithm.starts_with("sha-256");
    if (offer.nonce.empty() || !(algorithm.empty() || algorithm == "md5" || algorithm == "md5-sess" ||
                                 algorithm == "sha-256" || algorithm == "sha-256-sess")) {
      continue;
    }
    const std::string qop = detail::lower(detail::parameterOf(challenge, "qop"));
    for (std::size_t at = 0; at < qop.size();) {
      const std::size_t end = std::min(qop.find_first_of(", ", at), qop.size());
      offer.qop = offer.qop || qop.substr(at, end - at) == "auth";
      at = end + 1;
    }
    if (!qop.empty() && !offer.qop) {
      continue; // auth-int alone
    }
    if (!best || (strong && !detail::lower(best->algorithm).starts_with("sha-256"))) {
      best = std::move(offer);
    }
  }
  return best;
}

inline bool digestStale(const std::vector<Challenge>& challenges) {
  return std::any_of(challenges.begin(), challenges.end(), [](const Challenge& challenge) {
    return challenge.scheme == "digest" && detail::lower(detail::parameterOf(challenge, "stale")) == "true";
  });
}

inline std::string basicAuthorization(std::string_view username, std::string_view password) {
  return "Basic " + base64Encode(std::string(username) + ":" + std::string(password));
}

inline std::string digestAuthorization(const DigestNonce& nonce, std::string_view method, std::string_view target,
                                       std::string_view username, std::string_view password, std::uint32_t count,
                                       const std::string& clientNonce) {
  const std::string algorithm = detail::lower(nonce.algorithm);
  const auto hash = algorithm.starts_with("sha-256") ? sha256Hex : md5Hex;
  std::string first = hash(std::string(username) + ":" + nonce.realm + ":" + std::string(password));
  if (algorithm.ends_with("-sess")) {
    first = hash(first + ":" + nonce.nonce + ":" + clientNonce);
  }
  const std::string second = hash(std::string(method) + ":" + std::string(target));
  std::string uses = "00000000";
  for (std::size_t i = 0; i < 8; ++i) {
    uses[7 - i] = "0123456789abcdef"[count >> (4 * i) & 0xFU];
  }
  const std::string middle = nonce.qop ? nonce.nonce + ":" + uses + ":" + clientNonce + ":auth" : nonce.nonce;
  std::string out = "Digest username=" + detail::quoted(username) + ", realm=" + detail::quoted(nonce.realm) +
                    ", nonce=" + detail::quoted(nonce.nonce) + ", uri=" + detail::quoted(target) + ", response=\"" +
                    hash(first + ":" + middle + ":" + second) + "\"";
  if (!nonce.algorithm.empty()) {
    out += ", algorithm=" + nonce.algorithm;
  }
  if (nonce.qop) {
    out += ", qop=auth, nc=" + uses;
  }
  if (nonce.qop || algorithm.ends_with("-sess")) {
    out += ", cnonce=" + detail::quoted(clientNonce);
  }
  return nonce.opaque.empty() ? out : out + ", opaque=" + detail::quoted(nonce.opaque);
}

} // namespace calbridge::sdk
