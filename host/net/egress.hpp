#pragma once
#include "core/http_client.hpp"
#include "core/url.hpp"

#include <Poco/Net/IPAddress.h>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::net {

/// May `url` be asked at all? Entries are "host" (the scheme's own port), "host:port" or "*.example.com" (any name
/// below it, not itself). Plain http is for loopback only. Null or an empty list allows nothing. Returns why not.
std::optional<std::string> refusal(const Url& url, const std::vector<std::string>* allowedHosts);

/// The same for a server that somebody typed.
std::optional<std::string> refusal(const Url& url, const TypedServers& servers);

/// May a connection to a server that somebody typed go to this resolved address? Returns why not.
std::optional<std::string> addressRefusal(const Url& url, const Poco::Net::IPAddress& address,
                                          const TypedServers& servers);

/// May a connection for `url` go to this resolved address? Plain http must end at loopback, whatever the name resolved
/// to; `publicOnly` refuses everything that is not a global unicast address. Returns why not.
std::optional<std::string> addressRefusal(const Url& url, const Poco::Net::IPAddress& address, bool publicOnly);

/// 127.0.0.0/8, ::1 and their IPv4-mapped forms (Poco's isLoopback() does not see through ::ffff:).
bool isLoopbackAddress(const Poco::Net::IPAddress& address);
/// Neither loopback, private, link-local, shared (RFC 6598), multicast, reserved nor a transition form around one of
/// these.
bool isPublicAddress(const Poco::Net::IPAddress& address);

} // namespace calbridge::net
