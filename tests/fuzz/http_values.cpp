/// Small texts that arrive inside of requests: forwarding headers, forms, percent-encoding, addresses, URLs, times.
/// The input is lines of "name: value"; unknown names are header fields.
///
/// Invariants: what a reader accepts it accepts again in its own writing, with the same value.
#include "core/address_range.hpp"
#include "core/time.hpp"
#include "core/url.hpp"
#include "fuzz/target.hpp"
#include "http/edge/forwarding.hpp"

#include <algorithm>

namespace calbridge::fuzz {
namespace {

void address(std::string_view text) {
  if (const auto parsed = IpAddress::parse(text)) {
    const auto again = IpAddress::parse(parsed->text());
    require(again == parsed && again->text() == parsed->text(), "an address reads its own writing", parsed->text());
  }
  std::string why;
  const auto range = AddressRange::parse(text, why);
  require(range || (!why.empty() && isUtf8(why)), "a range that is refused has a reason", why);
  if (const auto single = IpAddress::parse(text))
    require(range && range->contains(*single), "an address is a range of itself", text);
}

void form(std::string_view text) {
  const auto parameters = http::parseForm(text);
  if (!parameters)
    return;
  std::string written;
  for (const auto& [name, value] : *parameters) {
    require(isUtf8(name) && isUtf8(value), "a form gives UTF-8", name);
    require(!hasControls(name, "\r\n\t") && !hasControls(value, "\r\n\t"), "a form gives no controls", name);
    written += (written.empty() ? "" : "&") + http::percentEncode(name) + "=" + http::percentEncode(value);
  }
  require(http::parseForm(written) == parameters, "a form reads its own writing", written);
}

void escaped(std::string_view text) {
  if (const auto decoded = http::percentDecode(text)) {
    require(isUtf8(*decoded) && !hasControls(*decoded), "what is decoded is UTF-8 without controls", *decoded);
    require(http::percentDecode(http::percentEncode(*decoded)) == decoded, "decoding undoes encoding", *decoded);
  }
}

void url(std::string_view text) {
  const auto parsed = parseUrl(text);
  if (!parsed)
    return;
  require(parsed->target.starts_with('/') && !parsed->host.empty() && parsed->port != 0, "a URL is whole", text);
  require(!hasControls(parsed->host) && !hasControls(parsed->target), "a URL holds no controls", text);
  const bool v6 = parsed->host.find(':') != std::string::npos;
  const std::string written = parsed->scheme + "://" + (v6 ? "[" + parsed->host + "]" : parsed->host) + ":" +
                              std::to_string(parsed->port) + parsed->target;
  const auto again = parseUrl(written);
  require(again && again->host == parsed->host && again->port == parsed->port && again->target == parsed->target,
          "a URL reads its own writing", written);
}

void instant(std::string_view text) {
  if (const auto time = parseRfc3339(text)) {
    const std::string written = formatRfc3339(*time);
    require(parseRfc3339(written) == time, "an instant reads its own writing", written);
    constexpr TimeMs kDay = 86400000;
    const bool inside = parseRfc3339(formatRfc3339(*time - kDay)) && parseRfc3339(formatRfc3339(*time + kDay));
    for (const char* zone : {"UTC", "Europe/London", "Pacific/Kiritimati", "America/St_Johns"}) {
      if (!inside)
        break; // a zone's wall clock may be in a year that nobody can write
      const std::string local = utcToLocal(*time, zone);
      require(isLocalDateTime(local), "a zone's wall clock has the usual form", local);
    }
  }
  if (const auto time = parseHttpDate(text))
    require(parseHttpDate(formatHttpDate(*time)) == time, "an HTTP date reads its own writing", formatHttpDate(*time));
  if (isLocalDateTime(text))
    for (const char* zone : {"UTC", "Europe/London", "America/Sao_Paulo", "Australia/Lord_Howe"})
      require(localToUtc(text, zone).has_value(), "every wall clock reading is an instant", text);
}

} // namespace

void run(std::string_view input) {
  http::Headers headers;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos)
      continue;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 2);
    if (name == "address")
      address(value);
    else if (name == "form")
      form(value);
    else if (name == "escaped")
      escaped(value);
    else if (name == "url")
      url(value);
    else if (name == "time")
      instant(value);
    else if (name == "zone")
      require(!isTimeZone(std::string(value)) || localToUtc("2026-12-01T09:00:00", std::string(value)),
              "a time zone can be computed with", value);
    else
      headers.add(name, value);
  }
  const auto peer = *IpAddress::parse("10.0.0.1");
  std::string why;
  const std::vector trusted = {*AddressRange::parse("10.0.0.0/8", why), *AddressRange::parse("2001:db8::/32", why)};
  if (const auto forwarding = http::readForwarding(headers, peer, trusted)) {
    const auto client = IpAddress::parse(forwarding->client);
    require(client && client->text() == forwarding->client, "the client is a numeric address", forwarding->client);
  }
  const auto stranger = http::readForwarding(headers, *IpAddress::parse("192.0.2.1"), trusted);
  require(!stranger || (stranger->client == "192.0.2.1" && !stranger->secure && stranger->host.empty()),
          "somebody who is no trusted proxy is believed nothing");
}

} // namespace calbridge::fuzz
