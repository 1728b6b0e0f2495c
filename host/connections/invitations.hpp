#pragma once
#include "connections/disconnection.hpp"
#include "connections/oauth_flow.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace calbridge::connections {

/// Has the person said that this provider sends nothing (any more)? `records` are all of the person's connections.
bool invitationsOff(store::Store& store, const std::vector<store::ConnectionRecord>& records,
                    const std::string& provider);

/// Connections that nobody makes: of providers that can `invitations`, to people who connect no calendar themselves.
/// Such a connection is a row like any other. Its account is the person's e-mail address, its credentials are the
/// secret of the unsubscribe link. Thread-safe; everything passed in is borrowed.
class Invitations {
 public:
  /// ms; for how long cancellations are tried after such a connection has ended.
  static constexpr TimeMs kClosingTime = TimeMs{24} * 3600 * 1000;

  /// `publicUrl` is server.public_url, with or without a trailing slash.
  Invitations(store::Store& store, const Providers& providers, const Vault& vault, Disconnection& disconnection,
              PersonLocks& locks, const Clock& clock, Random& random, Logger& log, std::string publicUrl);

  /// Is there a provider of that kind at all?
  bool any() const;
  /// Makes and ends the person's connection, so that it is there exactly when the role allows the provider, the person
  /// has no calendar connected and has not unsubscribed. What ends because a calendar was connected, or because the
  /// address is another one, takes its future entries back; what ends because it is not allowed or not wanted any more
  /// says nothing. Changes nothing when all is as it should be. Throws Error("store_unavailable").
  void reconcile(const Person& seen, const AllowedProviders& allowed);

  /// The person wants these messages again. Errors: not_found, provider_not_allowed.
  void turnOn(const Person& person, const AllowedProviders& allowed, const std::string& provider);
  /// The person wants them no more, until turnOn(). Errors: not_found.
  DisconnectResult turnOff(const Person& person, const std::string& provider, Entries entries);

  /// Whose link that is.
  struct Link {
    std::string personId;
    std::string provider;
    bool off = false; ///< used already
  };
  /// What an unsubscribe link's last part stands for; nullopt when it was never given out. Links of old messages stay
  /// good.
  std::optional<Link> find(std::string_view token);

  /// To whom a delivery goes, with fresh links. A Failure when it must not go: the connection has ended, the person has
  /// unsubscribed meanwhile, or there is no address that mail can be sent to.
  Outcome<Recipient> recipient(const store::DeliveryTask& task);
  /// Does the appointment stand although this entry is taken out?
  bool stands(const store::DeliveryTask& task);

 private:
  void issue(const Person& person, const std::string& provider);
  bool remember(const store::ConnectionRecord& record, const std::string& hash, bool wanted);
  void close(const store::ConnectionRecord& record, Entries entries, std::vector<std::int64_t>& ended);
  void endAtOnce(const std::vector<std::int64_t>& ended);
  void setOff(std::int64_t connectionId, bool off);
  const Provider& providerOf(const std::string& id) const;

  store::Store& store_;
  const Providers& providers_;
  const Vault& vault_;
  Disconnection& disconnection_;
  PersonLocks& locks_;
  const Clock& clock_;
  Random& random_;
  Logger& log_;
  const std::string publicUrl_;
};

} // namespace calbridge::connections
