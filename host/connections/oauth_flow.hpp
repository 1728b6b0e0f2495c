#pragma once
#include "connections/access_tokens.hpp"
#include "connections/person_locks.hpp"
#include "core/person.hpp"

#include <map>

namespace calbridge::connections {

/// Ids of the providers that a role may use (roles.json, `providers`); absent: all.
using AllowedProviders = std::optional<std::vector<std::string>>;

/// The provider of that id if this role may connect it now. Errors: not_found (none that has the capability),
/// provider_not_allowed, provider_not_configured (its detail names the missing settings).
Provider& usableProvider(const Providers& providers, const std::string& id, const char* capability,
                         const AllowedProviders& allowed);

/// Where the verifier of a started flow is sealed for.
SealedPlace verifierPlace(const store::OAuthState& state);

/// How a callback ended.
struct CallbackResult {
  std::string provider;
  std::string error;             ///< empty: connected; else a code of callbackProblems()
  std::string personId;          ///< of the flow; empty when its state was not accepted
  std::int64_t connectionId = 0; ///< connected only
  bool connected() const { return error.empty(); }
};

/// OAuth 2.0 authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636), up to the stored connection.
/// Thread-safe; everything passed in is borrowed.
class OAuthFlow {
 public:
  static constexpr TimeMs kStateLifetime = 600000; ///< ms

  OAuthFlow(store::Store& store, const Providers& providers, const Vault& vault, AccessTokens& tokens,
            PersonLocks& locks, const Clock& clock, Random& random, Logger& log);

  /// Starts a flow and returns the provider's authorization URL. The flow is bound to person, provider and
  /// `browserSecret`, the value of a cookie that the caller has set (at least 128 random bits); the store gets hashes,
  /// and the PKCE verifier sealed. Makes no HTTP. Errors: not_found (no such OAuth provider), provider_not_allowed,
  /// provider_not_configured (503), provider_error (the plugin gave no URL), store_unavailable.
  std::string begin(const Person& person, const AllowedProviders& allowed, const std::string& provider,
                    const std::string& browserSecret);

  /// Takes the provider's answer. `query` is the decoded query string, `browserSecret` the cookie's value (empty: none
  /// came). A state that is absent, used up, of another browser or of another provider gives state_mismatch, one that
  /// is too old state_expired; no token is asked for then. On success the connection is stored and back-filled.
  /// Throws Error("not_found") for something that is not an OAuth provider; everything else is a value.
  CallbackResult callback(const std::string& provider, const std::map<std::string, std::string>& query,
                          const std::string& browserSecret, const CallContext& context);

 private:
  std::string finish(const store::OAuthState& state, Provider& provider, const std::string& code,
                     const CallContext& context, std::optional<KeyRing::Use>& use, CallbackResult& result);
  void keepRefreshToken(Grant& grant, const store::OAuthState& state);

  store::Store& store_;
  const Providers& providers_;
  const Vault& vault_;
  AccessTokens& tokens_;
  PersonLocks& locks_;
  const Clock& clock_;
  Random& random_;
  Logger& log_;
};

} // namespace calbridge::connections
