#include "http/web/settings_page.hpp"
#include "connections/callback_problem.hpp"
#include "connections/connections.hpp"
#include "http/api/resources.hpp"
#include "http/web/account_form.hpp"
#include "http/web/entry_list.hpp"
#include "http/web/provider_card.hpp"
#include "http/web/time_words.hpp"
#include "routing/routing_policy.hpp"
#include "store/store.hpp"

#include <algorithm>
#include <set>

namespace calbridge::http {
namespace {

using connections::ProviderStatus;
using kainjow::mustache::data;

constexpr std::size_t kListed = 100;

std::string labelOf(const Services& services, const std::string& id) {
  const Provider* provider = services.providers.find(id);
  return provider ? provider->info().label : std::string();
}

void setNews(data& page, const Services& services, const std::vector<ProviderStatus>& statuses,
             const Arrival& arrival) {
  if (arrival.error) {
    page.set("bad_news",
             connections::callbackProblemText(*arrival.error, labelOf(services, arrival.provider.value_or(""))));
    return;
  }
  for (const auto& status : statuses)
    if (arrival.connected == status.provider && status.connected && status.health != "needs_reconnection")
      page.set("good_news", status.label + " Connected!");
}

/// Services that people look for where the feed is, and can connect to by typing.
data liveOffers(const Services& services, const std::vector<ProviderStatus>& statuses) {
  data offers{data::type::list};
  for (const auto& status : statuses) {
    const Provider* provider = services.providers.find(status.provider);
    if (!provider || status.connect != "credentials" || status.connected || !status.configured)
      continue;
    for (const FormPreset& preset : formPresets(provider->info())) {
      if (!preset.besideFeed)
        continue;
      data offer;
      offer.set("form", status.provider);
      offer.set("preset", preset.id);
      offer.set("name", preset.name);
      offers.push_back(offer);
    }
  }
  return offers;
}

std::string cards(const Services& services, const Assets& assets, const std::vector<ProviderStatus>& statuses,
                  const Reader& reader) {
  std::string html;
  for (const auto& status : statuses) {
    const Provider* provider = services.providers.find(status.provider);
    const auto missing = provider ? provider->info().missing : std::vector<std::string>();
    data card = providerCard(status, missing, reader, assets);
    card.set("form", provider && status.connect == "credentials"
                         ? assets.render("account_form.html", accountForm(provider->info()))
                         : std::string());
    if (status.feed && !status.connected)
      card.set("live", liveOffers(services, statuses));
    html += assets.render("provider_card.html", card);
  }
  return html;
}

/// Deliveries to connections that have ended are nobody's concern any more.
std::set<std::int64_t> liveConnections(const Services& services, const Person& person) {
  std::set<std::int64_t> live;
  for (const auto& connection : services.store.connectionsOf(person.id))
    if (connection.state == "connected" || connection.state == "needs_reconnection")
      live.insert(connection.id);
  return live;
}

/// What an admin is told of everybody's dead grants; empty when there are none.
std::string deadGrantWords(store::Store& store) {
  std::int64_t dead = 0;
  for (const auto& tally : store.connectionTallies())
    dead += tally.needsReconnection;
  if (dead == 0)
    return {};
  return dead == 1 ? "One calendar on this server waits for its owner to reconnect it."
                   : std::to_string(dead) + " calendars on this server wait for their owners to reconnect them.";
}

data upcoming(const Services& services, const std::vector<store::PlacementRecord>& placements, const Person& person,
              const Reader& reader) {
  const auto live = liveConnections(services, person);
  const auto deliveries = [&](std::int64_t placementId) {
    auto all = services.store.deliveriesOfPlacement(placementId);
    std::erase_if(all, [&](const auto& delivery) { return !live.contains(delivery.connectionId); });
    return all;
  };
  return entryList(placements, reader, deliveries, [&](const std::string& id) {
    const std::string label = labelOf(services, id);
    return label.empty() ? id : label;
  });
}

} // namespace

std::string settingsPage(const Services& services, const Assets& assets, const Person& person, const Arrival& arrival) {
  const Reader reader{.now = services.clock.now(), .zone = knownZone(person.timezone), .admin = isAdmin(person)};
  const auto statuses = services.connections.status(person.id, allowedProviders(services, person));
  auto placements = services.store.placementsOf(person.id, reader.now, kListed + 1);
  data page;
  if (placements.size() > kListed) {
    placements.resize(kListed);
    page.set("more", std::to_string(kListed));
  }
  page.set("name", person.name);
  page.set("role", person.role);
  page.set("zone", reader.zone);
  page.set("zone_words", zoneWords(reader.zone));
  if (reader.admin)
    if (const auto words = deadGrantWords(services.store); !words.empty())
      page.set("dead_grants", words);
  page.set("not_enabled", services.policy()->role(person.role) == nullptr);
  page.set("any_connected", std::any_of(statuses.begin(), statuses.end(), [](const auto& s) { return s.connected; }));
  page.set("has_cards", !statuses.empty());
  page.set("cards", cards(services, assets, statuses, reader));
  page.set("has_entries", !placements.empty());
  page.set("entries", assets.render("entries.html", data("entries", upcoming(services, placements, person, reader))));
  setNews(page, services, statuses, arrival);
  return assets.render("settings.html", page);
}

} // namespace calbridge::http
