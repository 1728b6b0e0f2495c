#pragma once
#include "core/address_range.hpp"
#include "http/edge/request.hpp"

#include <optional>
#include <string>
#include <vector>

namespace calbridge::http {

/// What the proxies in front of us say about the client's own connection.
struct Forwarding {
  std::string client;         ///< numeric address: the last one in the chain that no trusted proxy has
  std::optional<bool> secure; ///< did that client use https? nullopt: nobody says
  std::string host;           ///< the Host that it asked for; empty: nobody says
};

/// Reads `Forwarded` (RFC 7239), or `X-Forwarded-For`, `-Proto` and `-Host`, of a request that a trusted proxy sent.
/// The chain is followed from its end, the only part that is not the client's word, as long as its addresses are
/// trusted ones; what is malformed, hidden or unknown ends it. nullopt when there is neither header. When both are
/// there and name different clients, only the proxy itself counts: one of the two was sent by the client and passed on
/// unread.
std::optional<Forwarding> readForwarding(const Headers& headers, const IpAddress& peer,
                                         const std::vector<AddressRange>& trusted);

} // namespace calbridge::http
