#include "connections/overview.hpp"
#include "core/error.hpp"
#include "core/provider_condition.hpp"
#include "core/time.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::connections {
namespace {

std::string nameOf(const store::DeadGrantPlace& place) {
  return std::to_string(place.since) + "-" + std::to_string(place.connectionId);
}

/// The reverse of nameOf().
store::DeadGrantPlace placeOf(const std::string& name) {
  store::DeadGrantPlace place;
  if (name.empty())
    return place;
  const char* const end = name.data() + name.size();
  const auto since = std::from_chars(name.data(), end, place.since);
  if (since.ec == std::errc{} && since.ptr != end && *since.ptr == '-') {
    const auto id = std::from_chars(since.ptr + 1, end, place.connectionId);
    if (id.ec == std::errc{} && id.ptr == end && place.since >= 0 && place.connectionId >= 0)
      return place;
  }
  throw Error("invalid_field", "`after` must be the `next` of an earlier answer", {}, "/after");
}

std::string labelOf(const Providers& providers, const std::string& id) {
  const Provider* provider = providers.find(id);
  return provider ? provider->info().label : id;
}

void count(ProviderTally& tally, const store::ConnectionTally& counted) {
  tally.connected = counted.live;
  tally.failing = counted.failing;
  tally.needsReconnection = counted.needsReconnection;
}

} // namespace

Overview overview(store::Store& store, const Providers& providers, const std::string& after, std::size_t limit) {
  const auto place = placeOf(after);
  Overview overview;
  for (const Provider* provider : providers.all()) {
    const auto& info = provider->info();
    overview.providers.push_back(
        {.provider = info.id, .label = info.label, .configured = info.configured, .quarantine = {}});
    if (auto condition = conditionOf(*provider); condition.quarantined)
      overview.providers.back().quarantine = std::move(condition.reason);
  }
  for (const auto& counted : store.connectionTallies()) {
    auto& all = overview.providers;
    auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& tally) { return tally.provider == counted.provider; });
    if (found == all.end())
      found = all.insert(all.end(), {.provider = counted.provider, .label = counted.provider, .quarantine = {}});
    count(*found, counted);
  }
  auto grants = store.deadGrants(place, limit + 1);
  if (grants.size() > limit) {
    grants.resize(limit);
    overview.next = nameOf({grants.back().since, grants.back().connectionId});
  }
  for (auto& grant : grants) {
    Need need{.grant = std::move(grant), .label = {}, .account = {}};
    need.label = labelOf(providers, need.grant.provider);
    const Provider* provider = providers.find(need.grant.provider);
    if (!provider || !provider->info().can("feed"))
      need.account = need.grant.account.empty() ? need.grant.accountId : need.grant.account;
    overview.needs.push_back(std::move(need));
  }
  return overview;
}

nlohmann::json toJson(const Overview& overview) {
  using nlohmann::json;
  const auto textOrNull = [](const std::optional<std::string>& text) { return text ? json(*text) : json(); };
  json providers = json::array(), needs = json::array();
  for (const auto& tally : overview.providers)
    providers.push_back({{"provider", tally.provider},
                         {"label", tally.label},
                         {"configured", tally.configured},
                         {"connected", tally.connected},
                         {"failing", tally.failing},
                         {"needs_reconnection", tally.needsReconnection},
                         {"quarantine", textOrNull(tally.quarantine)}});
  for (const auto& need : overview.needs)
    needs.push_back({{"person", need.grant.personId},
                     {"name", need.grant.personName},
                     {"email", need.grant.email},
                     {"role", need.grant.role},
                     {"provider", need.grant.provider},
                     {"label", need.label},
                     {"account", textOrNull(need.account)},
                     {"needs", "reconnect"},
                     {"since", formatRfc3339(need.grant.since)},
                     {"reason", need.grant.reason.empty() ? json() : json(need.grant.reason)},
                     {"pending", need.grant.pending}});
  return {{"providers", std::move(providers)}, {"connections", std::move(needs)}, {"next", textOrNull(overview.next)}};
}

} // namespace calbridge::connections
