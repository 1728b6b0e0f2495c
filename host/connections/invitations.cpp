#include "connections/invitations.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/mail_address.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::connections {
namespace {

// Values of such a connection; a plugin's own have a prefix that keeps them apart.
constexpr auto kOff = "invitations.off";     ///< since when, RFC 3339
constexpr auto kLinks = "invitations.links"; ///< SHA-256 of the links' secrets, 64 characters each, the newest last
constexpr std::size_t kHash = 64;
constexpr std::size_t kKeptLinks = 16;
constexpr std::size_t kSecret = 43; ///< 32 bytes in base64url
/// The account of somebody whom no mail reaches; deliveries to it fail and say so.
constexpr auto kNoAddress = "none";

bool isLive(const store::ConnectionRecord& record) {
  return record.state == "connected" || record.state == "needs_reconnection";
}

std::string accountOf(const Person& person) {
  return isMailAddress(person.email) ? comparableAddress(person.email) : kNoAddress;
}

bool contains(const AllowedProviders& allowed, const std::string& provider) {
  return !allowed || std::find(allowed->begin(), allowed->end(), provider) != allowed->end();
}

Failure ended() {
  return {Status::reauthRequired, "these messages have ended for this person", "not_connected", {}};
}

} // namespace

bool invitationsOff(store::Store& store, const std::vector<store::ConnectionRecord>& records,
                    const std::string& provider) {
  return std::any_of(records.begin(), records.end(), [&](const auto& record) {
    return record.provider == provider && store.connectionValue(record.id, kOff);
  });
}

Invitations::Invitations(store::Store& store, const Providers& providers, const Vault& vault,
                         Disconnection& disconnection, PersonLocks& locks, const Clock& clock, Random& random,
                         Logger& log, std::string publicUrl)
    : store_(store), providers_(providers), vault_(vault), disconnection_(disconnection), locks_(locks), clock_(clock),
      random_(random), log_(log),
      publicUrl_(publicUrl.ends_with('/') ? publicUrl.substr(0, publicUrl.size() - 1) : std::move(publicUrl)) {}

bool Invitations::any() const {
  const auto all = providers_.all();
  return std::any_of(all.begin(), all.end(), [](const Provider* one) { return one->info().can("invitations"); });
}

const Provider& Invitations::providerOf(const std::string& id) const {
  const Provider* provider = providers_.find(id);
  if (!provider || !provider->info().can("invitations"))
    throw Error("not_found", "there is no such calendar provider");
  return *provider;
}

void Invitations::reconcile(const Person& seen, const AllowedProviders& allowed) {
  const auto isInvitation = [&](const std::string& id) {
    const Provider* provider = providers_.find(id);
    return provider && provider->info().can("invitations");
  };
  std::vector<std::int64_t> toEnd;
  for (const Provider* provider : providers_.all()) {
    if (!provider->info().can("invitations"))
      continue;
    const std::string& id = provider->info().id;
    const auto lock = locks_.hold(seen.id);
    const auto now = store_.person(seen.id); // what was seen may be old, and another address would be written to
    if (!now)
      break;
    const Person& person = *now;
    const auto records = store_.connectionsOf(person.id);
    // A calendar that waits for its person to reconnect is still that person's calendar.
    const bool calendar = std::any_of(records.begin(), records.end(), [&](const auto& record) {
      return isLive(record) && !isInvitation(record.provider);
    });
    const bool silent = !contains(allowed, id) || invitationsOff(store_, records, id);
    bool there = false;
    for (const auto& record : records) {
      if (record.provider != id || !isLive(record))
        continue;
      if (!silent && !calendar && record.accountId == accountOf(person))
        there = true;
      else
        close(record, silent ? Entries::keep : Entries::remove, toEnd);
    }
    if (!silent && !calendar && !there)
      issue(person, id);
  }
  endAtOnce(toEnd);
}

void Invitations::turnOn(const Person& person, const AllowedProviders& allowed, const std::string& provider) {
  const auto& info = providerOf(provider).info();
  if (!contains(allowed, provider))
    throw Error("provider_not_allowed", info.label + " is not available for your role");
  for (const auto& record : store_.connectionsOf(person.id))
    if (record.provider == provider)
      setOff(record.id, false);
  reconcile(person, allowed);
}

DisconnectResult Invitations::turnOff(const Person& person, const std::string& provider, Entries entries) {
  providerOf(provider);
  DisconnectResult result;
  std::vector<std::int64_t> toEnd;
  {
    const auto lock = locks_.hold(person.id);
    auto records = store_.connectionsOf(person.id);
    const bool known =
        std::any_of(records.begin(), records.end(), [&](const auto& r) { return r.provider == provider; });
    if (!known) { // the wish needs a row to be kept with
      issue(person, provider);
      records = store_.connectionsOf(person.id);
    }
    for (const auto& record : records) {
      if (record.provider != provider)
        continue;
      setOff(record.id, true); // first: what is under way then sends nothing any more
      if (isLive(record)) {
        result.wasConnected = result.wasConnected || known;
        close(record, entries, toEnd);
        result.removing += store_.removalsLeft(record.id);
      }
    }
  }
  endAtOnce(toEnd);
  log_.info("invitations turned off", {{"provider", provider}, {"person", person.id}});
  return result;
}

std::optional<Invitations::Link> Invitations::find(std::string_view token) {
  const std::size_t dot = token.find('.');
  std::int64_t id = 0;
  if (dot == std::string_view::npos || token.size() - dot - 1 != kSecret ||
      std::from_chars(token.data(), token.data() + dot, id).ptr != token.data() + dot || id <= 0)
    return std::nullopt;
  const std::string secret(token.substr(dot + 1));
  const auto use = vault_.use();
  const auto record = store_.connection(id);
  const Provider* provider = record ? providers_.find(record->provider) : nullptr;
  if (!provider || !provider->info().can("invitations"))
    return std::nullopt;
  const std::string hash = sha256Hex(secret);
  const std::string links = store_.connectionValue(id, kLinks).value_or("");
  bool good = false;
  for (std::size_t at = 0; at + kHash <= links.size(); at += kHash)
    good = constantTimeEqual(std::string_view(links).substr(at, kHash), hash) || good;
  if (!good)
    return std::nullopt;
  return Link{record->personId, record->provider,
              invitationsOff(store_, store_.connectionsOf(record->personId), record->provider)};
}

Outcome<Recipient> Invitations::recipient(const store::DeliveryTask& task) {
  const auto use = vault_.use();
  const auto record = store_.connection(task.connectionId);
  if (!record || record->state == "disconnected")
    return ended();
  if (task.wanted && store_.connectionValue(record->id, kOff))
    return ended();
  if (!isMailAddress(record->account))
    return Failure{Status::permanent,
                   "this person has no e-mail address that mail can be sent to; correct it in the directory",
                   "no_address",
                   {}};
  const auto person = store_.person(record->personId);
  if (!person)
    return ended();
  Recipient recipient;
  try {
    auto credentials = openCredentials(vault_, *record);
    if (!remember(*record, sha256Hex(credentials.accessToken), task.wanted))
      return ended();
    recipient.unsubscribeUrl =
        publicUrl_ + "/api/calendar/unsubscribe/" + std::to_string(record->id) + "." + credentials.accessToken + "/";
    wipe(credentials);
  } catch (const Error& error) {
    if (error.code() != "vault_damaged")
      throw;
    log_.error("an unsubscribe link cannot be opened, and nothing is sent without one",
               {{"connection", std::to_string(record->id)}, {"detail", error.detail()}});
    return Failure{Status::internal, "the unsubscribe link cannot be read", error.code(), {}};
  }
  recipient.email = record->account;
  recipient.name = person->name;
  recipient.settingsUrl = publicUrl_ + "/settings/calendar";
  return recipient;
}

/// The link is good from now on, before anybody gets it. False: the person has turned these messages off meanwhile.
bool Invitations::remember(const store::ConnectionRecord& record, const std::string& hash, bool wanted) {
  std::string links = store_.connectionValue(record.id, kLinks).value_or("");
  if (links.ends_with(hash))
    return true;
  const auto lock = locks_.hold(record.personId); // turnOff() makes a row only to keep the wish with it
  if (wanted && store_.connectionValue(record.id, kOff))
    return false;
  links += hash;
  if (links.size() > kKeptLinks * kHash)
    links.erase(0, links.size() - kKeptLinks * kHash);
  store_.setConnectionValue(record.id, kLinks, links);
  return true;
}

bool Invitations::stands(const store::DeliveryTask& task) {
  for (const char* kind : {"appointment", "custom"})
    if (const auto placement = store_.placement(kind, task.appointmentId, task.personId);
        placement && placement->id == task.placementId)
      return placement->present;
  return false;
}

/// Makes the connection, with a link of its own. The person is locked.
void Invitations::issue(const Person& person, const std::string& provider) {
  Credentials credentials;
  credentials.accessToken = random_.token(32);
  store::ConnectionRecord fresh;
  fresh.personId = person.id;
  fresh.provider = provider;
  fresh.accountId = accountOf(person);
  fresh.account = person.email;
  fresh.createdAt = clock_.now();
  const auto use = vault_.use();
  const auto stored = store_.connect(
      fresh,
      [&](std::int64_t connectionId) {
        return sealCredentials(vault_, credentials, connectionId, person.id, provider);
      },
      fresh.createdAt);
  wipe(credentials);
  log_.info("invitations begin",
            {{"provider", provider}, {"person", person.id}, {"connection", std::to_string(stored.id)}});
}

void Invitations::close(const store::ConnectionRecord& record, Entries entries, std::vector<std::int64_t>& ended) {
  const bool remove = entries == Entries::remove;
  const TimeMs now = clock_.now();
  store_.beginClosing(record.id, remove, now, remove ? now + kClosingTime : now);
  if (!remove || store_.removalsLeft(record.id) == 0)
    ended.push_back(record.id);
  log_.info("invitations end", {{"provider", record.provider},
                                {"person", record.personId},
                                {"connection", std::to_string(record.id)},
                                {"entries", remove ? "remove" : "keep"}});
}

void Invitations::endAtOnce(const std::vector<std::int64_t>& ended) {
  for (const auto id : ended)
    disconnection_.finishClosing(id);
}

void Invitations::setOff(std::int64_t connectionId, bool off) {
  if (off != store_.connectionValue(connectionId, kOff).has_value())
    store_.setConnectionValue(connectionId, kOff, off ? formatRfc3339(clock_.now()) : "");
}

} // namespace calbridge::connections
