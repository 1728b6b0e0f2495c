#pragma once
#include <string>
#include <string_view>

/// The little of RFC 3986 that following a server's references takes. Pure functions.
namespace calbridge::caldav {

/// "https://dav.example.com:8443" of an absolute URL, without its path; empty for something else.
std::string originOf(std::string_view url);
/// Path and query of an absolute URL, "/" at least.
std::string targetOf(std::string_view url);
/// Without scheme and port, in lower case.
std::string hostOf(std::string_view url);

/// What a person typed, as URL: with https:// where no scheme was typed, without blanks around it, query or fragment.
/// Empty when no URL can be made of it.
std::string typedUrl(std::string_view text);

/// `reference` (absolute, "//host/…", "/path" or relative) as seen from `base`. What may not stand in a URL is
/// percent-encoded: servers write names of people and calendars into their references as they are. Empty for another
/// scheme than http and https.
std::string resolved(std::string_view base, std::string_view reference);

/// Do both name the same resource, however their characters are encoded?
bool sameUrl(std::string_view a, std::string_view b);
/// Is `url` a direct member of the collection?
bool isIn(std::string_view url, std::string_view collection);
/// With a slash at its end.
std::string asCollection(std::string url);

/// May a password typed for `origin`'s host be sent to `url` as well? To the same host, to names below it, and to its
/// sisters under the domain that both belong to (caldav.example.com and p12-caldav.example.com), but never from https
/// to http. Domains under which anybody can register ("co.uk") unite nobody: a sister there is refused.
bool trusts(std::string_view origin, std::string_view url);

} // namespace calbridge::caldav
