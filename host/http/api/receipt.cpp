#include "http/api/receipt.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

json timeOrNull(TimeMs time) {
  return time > 0 ? json(formatRfc3339(time)) : json(nullptr);
}
json textOrNull(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

} // namespace

json describeDelivery(const store::DeliveryRecord& delivery) {
  json lastError = nullptr;
  if (!delivery.errorCode.empty() || !delivery.errorMessage.empty())
    lastError = {{"code", delivery.errorCode}, {"message", delivery.errorMessage}};
  return {{"appointment", delivery.appointmentId},
          {"person", delivery.personId},
          {"provider", delivery.provider},
          {"action", delivery.wanted ? "upsert" : "delete"},
          {"state", delivery.state},
          {"attempts", delivery.tries},
          {"provider_event_id", textOrNull(delivery.providerEventId)},
          {"last_error", std::move(lastError)},
          {"wanted_revision", delivery.wantedRevision},
          {"applied_revision", delivery.appliedRevision},
          {"next_attempt_at", timeOrNull(delivery.dueAt)},
          {"delivered_at", timeOrNull(delivery.deliveredAt)}};
}

json receipt(store::Store& store, const store::EventRecord& event) {
  json routes = json::array(), placements = json::array(), deliveries = json::array(), unknown = json::array();
  json error = nullptr;
  bool stale = false;
  if (event.result.is_array()) {
    for (const auto& result : event.result) {
      if (result.contains("error")) {
        error = result["error"];
        continue;
      }
      const std::string appointment = result.at("appointment");
      stale |= result.at("stale").get<bool>();
      for (auto route : result.at("routes")) {
        route["appointment"] = appointment;
        routes.push_back(std::move(route));
      }
      for (auto person : result.at("unknown")) {
        person["appointment"] = appointment;
        person["reason"] = "the directory does not know this person: no entry";
        unknown.push_back(std::move(person));
      }
      for (const auto& decision : result.at("decisions")) {
        const std::string person = decision.at("person");
        json placement = decision;
        placement["appointment"] = appointment;
        placement["entry"] = nullptr;
        placement["present"] = false;
        if (const auto stored = store.placement("appointment", appointment, person)) {
          placement["present"] = stored->present;
          if (stored->present)
            placement["entry"] = toJson(stored->entry);
          for (const auto& delivery : store.deliveriesOfPlacement(stored->id)) {
            json described = describeDelivery(delivery);
            described["role"] = decision.at("role");
            described["entry"] = toJson(stored->entry);
            deliveries.push_back(std::move(described));
          }
        }
        placements.push_back(std::move(placement));
      }
    }
  }
  return {{"id", event.id},
          {"source", event.source},
          {"type", event.type},
          {"time", formatRfc3339(event.time)},
          {"received_at", formatRfc3339(event.receivedAt)},
          {"state", !event.routed ? "accepted"
                    : stale       ? "stale"
                                  : "routed"},
          {"stale", stale},
          {"error", std::move(error)},
          {"routes", std::move(routes)},
          {"placements", std::move(placements)},
          {"deliveries", std::move(deliveries)},
          {"unknown_people", std::move(unknown)}};
}

} // namespace calbridge::http
