#pragma once
#include "connections/oauth_flow.hpp"

namespace calbridge::connections {

/// Shown to the person once; not kept anywhere.
struct FeedUrls {
  std::string feedUrl;   ///< {public_url}/api/calendar/feed/{secret}.ics
  std::string webcalUrl; ///< the same with webcal://, which makes calendar programs subscribe
};

/// Connections of `feed` providers: no account at a provider, a secret URL instead. Thread-safe; everything passed in
/// is borrowed.
class FeedLinks {
 public:
  FeedLinks(store::Store& store, const Providers& providers, PersonLocks& locks, const Clock& clock, Random& random,
            Logger& log, std::string publicUrl);

  /// Connects, or renews the secret of a feed that is connected: the old URL is dead when this returns. Errors:
  /// not_found (no such feed provider), provider_not_allowed, provider_not_configured, store_unavailable.
  FeedUrls connect(const Person& person, const AllowedProviders& allowed, const std::string& provider);
  /// The live connection whose feed URL carries `secret`; nullopt when there is none (any more).
  std::optional<store::ConnectionRecord> find(std::string_view secret) const;

 private:
  store::Store& store_;
  const Providers& providers_;
  PersonLocks& locks_;
  const Clock& clock_;
  Random& random_;
  Logger& log_;
  const std::string publicUrl_;
};

} // namespace calbridge::connections
