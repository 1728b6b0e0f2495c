#include "http/web/provider_card.hpp"
#include "http/web/time_words.hpp"
#include "http/web/words.hpp"

namespace calbridge::http {
namespace {

using connections::ProviderStatus;
using kainjow::mustache::data;

struct State {
  const char* tone; ///< class of the badge: good | attention | waiting | off
  const char* badge;
  std::string text; ///< a sentence, may be empty
};

State invitationState(const ProviderStatus& status) {
  if (status.invitations == "off")
    return {"off", "Off", "You get no messages about your appointments."};
  if (status.invitations == "not_needed")
    return {"off", "Not needed", "You have a calendar connected, so your appointments come without e-mail."};
  if (status.health == "failing")
    return {"attention", "Having trouble",
            "The last message could not be sent. We keep trying by ourselves, you need not do anything."};
  return {status.pending > 0 ? "waiting" : "good", "On",
          "No calendar is connected, so each appointment comes as an e-mail that your mail program can put into your "
          "calendar. Connect one, and this is not needed any more."};
}

State stateOf(const ProviderStatus& status) {
  const bool waiting = status.pending > 0;
  if (!status.invitations.empty())
    return invitationState(status);
  if (!status.connected) {
    if (!status.configured)
      return {"off", "Not configured",
              status.label + " is not set up on this server yet. Your administrator can add it; everything else works "
                             "without it."};
    if (status.feed)
      return {"off", "Not connected",
              "A private link for Apple Calendar on iPhone, iPad and Mac, and for every other calendar that can "
              "subscribe."};
    return {"off", "Not connected", "Your appointments will appear in your own calendar and stay up to date."};
  }
  if (!status.configured)
    return {"attention", "Paused",
            status.label + " is not set up on this server any more. Your administrator has to add it again."};
  if (status.health == "needs_reconnection") {
    std::string text = status.lastSyncError ? "" : status.label + " no longer lets us in. ";
    text += waiting ? entryCount(status.pending) + (status.pending == 1 ? " is" : " are") +
                          " kept for you and will be delivered once you reconnect."
                    : "Nothing is lost: reconnect, and it goes on.";
    return {"attention", "Reconnect needed", text};
  }
  if (status.health == "failing")
    return {"attention", "Having trouble",
            "The last try did not work. We keep trying by ourselves, you need not do anything."};
  if (waiting)
    return {"waiting", "Connected",
            entryCount(status.pending) + (status.pending == 1 ? " is" : " are") + " on the way."};
  return {"good", "Connected", "Everything is up to date."};
}

} // namespace

std::string providerIcon(const std::string& provider, const Assets& assets) {
  const std::string own = "provider-" + provider + ".svg";
  return assets.path(assets.has(own) ? own : "provider.svg");
}

data providerCard(const ProviderStatus& status, const std::vector<std::string>& missing, const Reader& reader,
                  const Assets& assets) {
  const State state = stateOf(status);
  data card;
  card.set("provider", status.provider);
  card.set("label", status.label);
  card.set("icon", providerIcon(status.provider, assets));
  card.set("tone", state.tone);
  card.set("badge", state.badge);
  card.set("text", state.text);
  card.set("feed", status.feed);
  card.set("connected", status.connected);
  card.set("pending", std::to_string(status.connected ? status.pending : 0));

  const bool reconnect = status.connected && status.needs == "reconnect" && status.configured;
  const bool types = status.connect == "credentials";
  const bool consents = !types && !status.feed && status.invitations.empty();
  card.set("can_connect", !status.connected && status.configured && consents);
  card.set("can_type", !status.connected && status.configured && types);
  card.set("can_retype", reconnect && types);
  card.set("can_choose", status.choosesCalendar);
  const bool invitations = !status.invitations.empty();
  card.set("invitations", invitations);
  card.set("can_turn_on", status.invitations == "off");
  card.set("can_turn_off", invitations && status.invitations != "off");
  card.set("can_get_link", !status.connected && status.configured && status.feed);
  card.set("can_reconnect", reconnect && consents);
  card.set("can_renew_link", status.connected && status.configured && status.feed);
  card.set("can_disconnect", status.connected && !invitations);
  card.set("has_actions", status.connected || status.configured);

  if (status.lastSyncError)
    card.set("reason", sentence(*status.lastSyncError));
  if (status.account && !status.account->empty())
    card.set("account", *status.account);
  if (status.calendar)
    card.set("calendar", *status.calendar);
  if (status.connected) {
    if (status.delivered > 0)
      card.set("delivered", entryCount(status.delivered));
    if (status.lastSyncAt) {
      card.set("last_sync", agoWords(reader.now, *status.lastSyncAt, reader.zone));
      card.set("last_sync_at", formatRfc3339(*status.lastSyncAt));
    }
  }
  if (reader.admin && !status.configured && !missing.empty()) {
    std::string names;
    for (const auto& name : missing)
      names += (names.empty() ? "" : ", ") + name;
    card.set("missing", names);
  }
  return card;
}

} // namespace calbridge::http
