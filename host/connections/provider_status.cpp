#include "connections/provider_status.hpp"
#include "connections/calendar_choice.hpp"
#include "connections/invitations.hpp"
#include "core/provider_condition.hpp"

#include <algorithm>

namespace calbridge::connections {
namespace {

void addConnection(ProviderStatus& status, const store::ConnectionRecord& record, store::Store& store) {
  status.connected = true;
  if (!status.feed)
    status.account = record.account.empty() ? record.accountId : record.account;
  if (record.lastSyncAt > 0)
    status.lastSyncAt = record.lastSyncAt;
  const bool failing = !record.lastError.empty() && record.lastErrorAt > record.lastSyncAt;
  if (failing || (record.state == "needs_reconnection" && !record.lastError.empty()))
    status.lastSyncError = record.lastError;
  const auto counts = store.counts(record.id);
  status.pending = counts.pending;
  status.delivered = counts.delivered;
  if (record.state == "needs_reconnection") {
    status.health = "needs_reconnection";
    status.needs = "reconnect";
  } else if (status.configured) {
    status.health = failing ? "failing" : "ok";
  }
}

/// In words for the person; the reason is the operator's (overview.hpp).
void addQuarantine(ProviderStatus& status) {
  status.needs = "operator";
  if (status.connected)
    status.health = "failing";
  status.lastSyncError = "this server has a fault in its connection to " + status.label +
                         "; its administrator can see why, and nothing is lost meanwhile";
}

} // namespace

std::string connectKind(const ProviderInfo& info) {
  return info.can("oauth2") ? "oauth2" : info.can("credentials") ? "credentials" : info.can("feed") ? "feed" : "none";
}

std::vector<ProviderStatus> providerStatuses(store::Store& store, const Providers& providers,
                                             const std::string& personId, const AllowedProviders& allowed) {
  const auto records = store.connectionsOf(personId);
  std::vector<ProviderStatus> statuses;
  for (const Provider* provider : providers.all()) {
    const auto& info = provider->info();
    const auto live = std::find_if(records.begin(), records.end(), [&](const auto& record) {
      return record.provider == info.id && (record.state == "connected" || record.state == "needs_reconnection");
    });
    if (live == records.end() && allowed && std::find(allowed->begin(), allowed->end(), info.id) == allowed->end())
      continue;
    ProviderStatus status;
    status.provider = info.id;
    status.label = info.label;
    status.configured = info.configured;
    status.feed = info.can("feed");
    status.connect = connectKind(info);
    if (status.connect == "credentials")
      status.form = info.formSchema;
    if (status.connect == "credentials")
      for (const FormField& field : info.form)
        status.formOrder.push_back(field.name);
    status.disconnectUrl = info.disconnectUrl;
    status.health = info.configured ? "not_connected" : "not_configured";
    if (!info.configured)
      status.needs = "credentials";
    if (live != records.end())
      addConnection(status, *live, store);
    if (live != records.end() && info.can("list-calendars")) {
      status.choosesCalendar = info.configured && live->state == "connected";
      if (const auto name = chosenCalendarName(store, live->id); !name.empty())
        status.calendar = name;
    }
    if (status.configured && status.needs != "reconnect" && conditionOf(*provider).quarantined)
      addQuarantine(status);
    if (info.can("invitations"))
      status.invitations = invitationsOff(store, records, info.id) ? "off" : status.connected ? "on" : "not_needed";
    statuses.push_back(std::move(status));
  }
  return statuses;
}

nlohmann::json toJson(const ProviderStatus& status) {
  const auto timeOrNull = [](const std::optional<TimeMs>& time) {
    return time ? nlohmann::json(formatRfc3339(*time)) : nlohmann::json();
  };
  const auto textOrNull = [](const std::optional<std::string>& text) {
    return text ? nlohmann::json(*text) : nlohmann::json();
  };
  nlohmann::json json = {{"provider", status.provider},
                         {"label", status.label},
                         {"configured", status.configured},
                         {"connected", status.connected},
                         {"account", textOrNull(status.account)},
                         {"health", status.health},
                         {"needs", textOrNull(status.needs)},
                         {"last_sync_at", timeOrNull(status.lastSyncAt)},
                         {"last_sync_error", textOrNull(status.lastSyncError)},
                         {"pending", status.pending},
                         {"delivered", status.delivered},
                         {"connect", status.connect},
                         {"form", nlohmann::json(status.form)},
                         {"form_order", status.formOrder},
                         {"calendar", textOrNull(status.calendar)},
                         {"chooses_calendar", status.choosesCalendar}};
  if (!status.invitations.empty())
    json["invitations"] = status.invitations;
  return json;
}

} // namespace calbridge::connections
