#pragma once
#include "connections/calendar_choice.hpp"
#include "connections/connection_values.hpp"
#include "connections/disconnection.hpp"
#include "connections/feed_links.hpp"
#include "connections/invitations.hpp"
#include "connections/oauth_flow.hpp"
#include "connections/overview.hpp"
#include "connections/password_flow.hpp"
#include "connections/provider_status.hpp"

#include <functional>

namespace calbridge::connections {

/// The whole room, wired once: what http and delivery are given. Everything passed in is borrowed and must outlive it.
/// Thread-safe.
class Connections {
 public:
  /// `publicUrl` is server.public_url, without a trailing slash or with one.
  Connections(store::Store& store, const Providers& providers, const Vault& vault, const Clock& clock, Random& random,
              Logger& log, const std::string& publicUrl)
      : store_(store), providers_(providers), tokens_(store, providers, vault, locks_, clock, log),
        oauth_(store, providers, vault, tokens_, locks_, clock, random, log),
        passwords_(store, providers, vault, tokens_, locks_, clock, log), calendars_(store, providers, tokens_),
        feeds_(store, providers, locks_, clock, random, log, publicUrl),
        disconnection_(store, providers, vault, tokens_, locks_, clock, log),
        invitations_(store, providers, vault, disconnection_, locks_, clock, random, log, publicUrl) {}

  AccessTokens& tokens() { return tokens_; }
  OAuthFlow& oauth() { return oauth_; }
  PasswordFlow& passwords() { return passwords_; }
  CalendarChoice& calendars() { return calendars_; }
  FeedLinks& feeds() { return feeds_; }
  Disconnection& disconnection() { return disconnection_; }
  Invitations& invitations() { return invitations_; }
  /// Whom to tell when somebody's connections, role or address may have changed: e-mail invitations depend on them.
  /// Before the first changed(); `changed` must not throw.
  void onChange(std::function<void(const std::string& personId)> changed) { changed_ = std::move(changed); }
  void changed(const std::string& personId) const { changed_(personId); }
  /// What a plugin may keep for that connection; for CallContext::keyValues.
  ConnectionValues values(std::int64_t connectionId) { return {store_, valueLocks_, connectionId}; }
  /// See providerStatuses().
  std::vector<ProviderStatus> status(const std::string& personId, const AllowedProviders& allowed) {
    return providerStatuses(store_, providers_, personId, allowed);
  }
  /// Everybody's connections, for admins; see connections::overview().
  Overview overview(const std::string& after, std::size_t limit) {
    return connections::overview(store_, providers_, after, limit);
  }

 private:
  store::Store& store_;
  const Providers& providers_;
  PersonLocks locks_;
  ValueLocks valueLocks_;
  AccessTokens tokens_;
  OAuthFlow oauth_;
  PasswordFlow passwords_;
  CalendarChoice calendars_;
  FeedLinks feeds_;
  Disconnection disconnection_;
  Invitations invitations_;
  std::function<void(const std::string&)> changed_ = [](const std::string&) {};
};

} // namespace calbridge::connections
