#include "url.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace calbridge::caldav {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// A name or address, and perhaps a port. User information ends here: @ is in no name.
bool isAuthority(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    // What an IPv6 address is written with (RFC 3986 section 3.2.2); whether it is one, the host finds out.
    const std::string_view address = text.substr(1, std::min(close, text.size()) - 1);
    if (close == std::string_view::npos || std::count(address.begin(), address.end(), ':') < 2 ||
        address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
      return false;
    }
    port = text.substr(close + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    port = text.substr(colon);
    const std::string_view name = text.substr(0, colon);
    const auto fits = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
             c == '_';
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), fits)) {
      return false;
    }
  }
  if (port.empty()) {
    return true;
  }
  std::uint16_t number = 0;
  const auto read = std::from_chars(port.data() + 1, port.data() + port.size(), number);
  return port.front() == ':' && read.ec == std::errc() && read.ptr == port.data() + port.size() && number != 0;
}

/// Where the path of an absolute http(s) URL begins; npos when it is none.
std::size_t pathStart(std::string_view url) {
  const std::string scheme = lower(url.substr(0, 8));
  const std::size_t host = scheme.starts_with("https://") ? 8 : scheme.starts_with("http://") ? 7 : std::string::npos;
  if (host == std::string::npos || host >= url.size()) {
    return std::string::npos;
  }
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  return isAuthority(url.substr(host, end - host)) ? end : std::string::npos;
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 0xFU]);
    }
  }
  return out;
}

int hexValue(char c) {
  const std::size_t at = kHex.find(c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool triple =
        text[i] == '%' && i + 2 < text.size() && hexValue(text[i + 1]) >= 0 && hexValue(text[i + 2]) >= 0;
    if (triple) {
      out.push_back(static_cast<char>(hexValue(text[i + 1]) * 16 + hexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

/// RFC 3986 section 5.2.4, for paths that begin with a slash.
std::string withoutDots(std::string_view path) {
  std::vector<std::string_view> kept;
  std::size_t at = 1;
  bool directory = false;
  for (;;) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    directory = segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) {
        kept.pop_back();
      }
    } else if (segment != ".") {
      kept.push_back(segment);
    }
    if (end >= path.size()) {
      break;
    }
    at = end + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) {
    out.append("/").append(segment);
  }
  return directory || out.empty() ? out + "/" : out;
}

/// The scheme's own port is left out, and the case of the name does not count.
std::string comparable(std::string_view url) {
  return originOf(url) + decoded(targetOf(url));
}

std::size_t labels(std::string_view host) {
  return static_cast<std::size_t>(std::count(host.begin(), host.end(), '.')) + 1;
}

/// "co.uk", "com.au", "ne.jp": two short labels under a country are nobody's own.
bool isPublicSuffix(std::string_view domain) {
  const std::size_t dot = domain.find('.');
  return dot == std::string_view::npos || (labels(domain) == 2 && domain.size() - dot - 1 == 2 && dot <= 3);
}

bool isAddress(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

} // namespace

std::string originOf(std::string_view url) {
  const std::size_t end = pathStart(url);
  if (end == std::string::npos) {
    return {};
  }
  std::string origin = lower(url.substr(0, end));
  const std::string_view port = origin.starts_with("https://") ? ":443" : ":80";
  if (origin.ends_with(port)) {
    origin.erase(origin.size() - port.size());
  }
  return origin;
}

std::string targetOf(std::string_view url) {
  const std::size_t start = pathStart(url);
  if (start == std::string::npos) {
    return "/";
  }
  const std::string_view rest = url.substr(start, std::min(url.find('#', start), url.size()) - start);
  return rest.empty() || rest.front() != '/' ? "/" + std::string(rest) : std::string(rest);
}

std::string hostOf(std::string_view url) {
  const std::string origin = originOf(url);
  const std::size_t start = origin.find("://");
  if (start == std::string::npos) {
    return {};
  }
  const std::string authority = origin.substr(start + 3);
  const std::size_t port = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
  return authority.substr(0, port);
}

std::string typedUrl(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return {};
  }
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  text = text.substr(0, text.find_first_of("?#"));
  const std::string url =
      text.find("://") == std::string_view::npos ? "https://" + std::string(text) : std::string(text);
  return originOf(url).empty() ? std::string() : originOf(url) + encoded(targetOf(url));
}

std::string resolved(std::string_view base, std::string_view reference) {
  const std::string scheme = originOf(base).starts_with("https:") ? "https:" : "http:";
  const std::size_t colon = reference.find("://");
  if (reference.starts_with("//")) {
    return resolved(base, scheme + std::string(reference));
  }
  if (colon != std::string_view::npos && colon < reference.find_first_of("/?#")) {
    const std::string origin = originOf(reference);
    return origin.empty() ? std::string() : origin + encoded(withoutDots(targetOf(reference)));
  }
  const std::string target = targetOf(base);
  const std::string path = target.substr(0, target.find('?'));
  reference = reference.substr(0, reference.find('#'));
  if (reference.empty()) {
    return originOf(base) + path;
  }
  const std::string joined =
      reference.front() == '/' ? std::string(reference) : path.substr(0, path.rfind('/') + 1) + std::string(reference);
  return originOf(base) + encoded(withoutDots(joined));
}

bool sameUrl(std::string_view a, std::string_view b) {
  return comparable(a) == comparable(b);
}

bool isIn(std::string_view url, std::string_view collection) {
  const std::string member = comparable(url);
  const std::string parent = comparable(asCollection(std::string(collection)));
  return member.size() > parent.size() && member.starts_with(parent) &&
         member.find('/', parent.size()) == std::string::npos;
}

std::string asCollection(std::string url) {
  if (!url.ends_with('/')) {
    url.push_back('/');
  }
  return url;
}

bool trusts(std::string_view origin, std::string_view url) {
  const std::string from = hostOf(origin);
  const std::string to = hostOf(url);
  if (originOf(origin).starts_with("https:") && !originOf(url).starts_with("https:")) {
    return false;
  }
  if (from.empty() || to.empty() || from == to) {
    return !from.empty() && from == to;
  }
  if (isAddress(from) || isAddress(to)) {
    return false;
  }
  if (to.ends_with("." + from)) {
    return labels(from) > 1;
  }
  const std::string domain = from.substr(std::min(from.find('.'), from.size() - 1) + 1);
  return labels(from) > 2 && !isPublicSuffix(domain) && (to == domain || to.ends_with("." + domain));
}

} // namespace calbridge::caldav
