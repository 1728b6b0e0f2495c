#include "http/web/connections_page.hpp"
#include "core/url.hpp"
#include "http/web/time_words.hpp"
#include "http/web/words.hpp"

namespace calbridge::http {
namespace {

using connections::Need;
using connections::ProviderTally;
using kainjow::mustache::data;

/// "mailto:" with everything encoded that is not plain text (RFC 6068 section 2), but for the last @.
std::string mailTo(const std::string& address) {
  const auto at = address.rfind('@');
  if (at == std::string::npos)
    return {};
  return "mailto:" + percentEncode(address.substr(0, at)) + "@" + percentEncode(address.substr(at + 1));
}

struct Badge {
  const char* tone; ///< good | attention | waiting | off
  std::string text;
};

Badge badgeOf(const ProviderTally& tally) {
  if (tally.quarantine)
    return {"attention", "In quarantine"};
  if (tally.needsReconnection > 0)
    return {"attention", std::to_string(tally.needsReconnection) + " to reconnect"};
  if (!tally.configured)
    return {tally.connected > 0 ? "attention" : "off", tally.connected > 0 ? "Paused" : "Not configured"};
  if (tally.failing > 0)
    return {"waiting", std::to_string(tally.failing) + " having trouble"};
  if (tally.connected == 0)
    return {"off", "Nobody connected"};
  return {"good", "All well"};
}

std::string explained(const ProviderTally& tally) {
  if (tally.quarantine)
    return "Its plugin fails again and again: " + *tally.quarantine +
           ". It is tried now and then, and what waits is delivered once it works.";
  if (!tally.configured)
    return tally.connected > 0 ? "It is not set up on this server any more. Nothing is delivered until it is."
                               : "It is not set up on this server.";
  if (tally.failing > 0)
    return "Where there is trouble, the last try did not work. It is repeated without anybody doing anything.";
  return {};
}

data tallyWords(const ProviderTally& tally, const Assets& assets) {
  const Badge badge = badgeOf(tally);
  data words;
  words.set("provider", tally.provider);
  words.set("label", tally.label);
  words.set("icon", providerIcon(tally.provider, assets));
  words.set("tone", badge.tone);
  words.set("badge", badge.text);
  if (const auto text = explained(tally); !text.empty())
    words.set("text", text);
  words.set("connected", std::to_string(tally.connected));
  words.set("failing", std::to_string(tally.failing));
  words.set("dead", std::to_string(tally.needsReconnection));
  return words;
}

data needWords(const Need& need, const Reader& reader) {
  data words;
  words.set("key", std::to_string(need.grant.connectionId));
  words.set("person", need.grant.personId);
  words.set("name", need.grant.personName);
  words.set("role", need.grant.role);
  words.set("label", need.label);
  if (need.account)
    words.set("account", *need.account);
  words.set("reason", need.grant.reason.empty() ? need.label + " no longer lets us in." : sentence(need.grant.reason));
  words.set("since", agoWords(reader.now, need.grant.since, reader.zone));
  words.set("since_at", formatRfc3339(need.grant.since));
  if (need.grant.pending > 0)
    words.set("waiting", entryCount(need.grant.pending));
  if (const auto link = mailTo(need.grant.email); !link.empty())
    words.set("mail", link);
  return words;
}

} // namespace

std::string connectionsPage(const connections::Overview& overview, bool first, const Reader& reader,
                            const Assets& assets) {
  data tallies{data::type::list}, needs{data::type::list};
  for (const auto& tally : overview.providers)
    tallies.push_back(tallyWords(tally, assets));
  for (const auto& need : overview.needs)
    needs.push_back(needWords(need, reader));
  data page;
  page.set("zone_words", zoneWords(reader.zone));
  page.set("has_tallies", !tallies.is_empty_list());
  page.set("tallies", tallies);
  page.set("has_needs", !needs.is_empty_list());
  page.set("needs", needs);
  page.set("first", first);
  if (overview.next)
    page.set("next", "/admin/connections?after=" + percentEncode(*overview.next));
  return assets.render("connections.html", page);
}

} // namespace calbridge::http
