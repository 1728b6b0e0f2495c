#pragma once
#include "state.hpp"

#include <optional>

namespace calbridge::sandbox {

/// An application as registered in the provider's console.
struct Client {
  std::string id;
  std::string secret;
  std::set<std::string> redirectUris; ///< compared exactly
};

/// What an authorize request asked, checked.
struct Authorization {
  Kind kind = Kind::google;
  std::string client;
  std::string redirectUri;
  std::vector<std::string> scopes;
  std::string state;
  bool hasState = false;
  std::string challenge;
  bool plainChallenge = false;
  bool offline = false;
  bool promptConsent = false;
  std::string loginHint;
  std::string nonce;
};

/// What a code stands for once the person has allowed it.
struct Code {
  Authorization asked;
  std::string email;
  std::vector<std::string> scopes; ///< granted
  TimeMs expires = 0;
  bool refresh = false; ///< a refresh token comes with it
  bool used = false;
};

struct AccessToken {
  std::shared_ptr<Account> account;
  std::string client;
  std::shared_ptr<const std::set<std::string>> scopes;
  TimeMs expires = 0;

  bool has(const std::string& scope) const { return scopes->contains(scope); }
};

struct RefreshToken {
  Kind kind = Kind::google;
  std::string email;
  std::string client;
  std::vector<std::string> scopes;
  TimeMs issued = 0;
  TimeMs lastUsed = 0;
  std::int64_t order = 0;
};

/// How the next authorize request is answered without a person (POST /control/authorize).
struct Decision {
  std::string account;
  std::string error; ///< empty: allow
  std::string description;
  std::optional<std::vector<std::string>> scopes; ///< granted; nullopt: all that was asked
  int count = 1;                                  ///< how many times; 0: until replaced
};

/// Clients, consents, codes and tokens of both providers (RFC 6749, RFC 7636). Thread-safe.
class Grants {
 public:
  Grants(Settings& settings, const Clock& clock, Random& random, Accounts& accounts);

  void addClient(Kind kind, Client client);
  std::optional<Client> client(Kind kind, const std::string& id) const;

  /// Keeps a request while the person looks at the consent page; returns its handle.
  std::string park(Authorization asked);
  /// Hands it out once.
  std::optional<Authorization> unpark(const std::string& handle);

  void decideNext(Kind kind, Decision decision);
  std::optional<Decision> takeDecision(Kind kind);

  /// The person allows: remembers the consent and makes a code.
  std::string allow(const Authorization& asked, const std::string& email, std::vector<std::string> scopes);

  enum class Redeem { ok, unknown, used, expired, otherClient, redirectUri, verifierMissing, verifierWrong };
  /// Uses a code up; a wrong attempt by its own client uses it up too.
  Redeem redeem(Kind kind, const std::string& code, const std::string& client, const std::string& redirectUri,
                const std::optional<std::string>& verifier, Code& out);

  std::string issueAccess(Kind kind, const std::string& email, const std::string& client,
                          const std::vector<std::string>& scopes);
  std::string issueRefresh(Kind kind, const std::string& email, const std::string& client,
                           const std::vector<std::string>& scopes);
  /// nullopt: never issued, revoked, unused or too old. Notes the use.
  std::optional<RefreshToken> useRefresh(Kind kind, const std::string& token, const std::string& client);
  void forgetRefresh(const std::string& token);
  /// nullopt when unknown, revoked or expired.
  std::optional<AccessToken> access(Kind kind, const std::string& token) const;

  /// Google's revoke: ends everything between that token's account and client. False: unknown token.
  bool revokeByToken(const std::string& token);
  /// The person withdraws consent for all clients.
  std::size_t revokeAccount(Kind kind, const std::string& email);
  std::size_t expireAccess(Kind kind, const std::string& email); ///< empty email: everybody's
  /// Whose code or token that is; for matching faults. Empty when unknown.
  std::string owner(const std::string& codeOrToken) const;
  std::size_t liveRefreshTokens(Kind kind, const std::string& email) const;
  void clear(); ///< all but clients

 private:
  void revokeGrant(Kind kind, const std::string& email, const std::string* client);

  Settings& settings_;
  const Clock& clock_;
  Random& random_;
  Accounts& accounts_;
  mutable std::shared_mutex mutex_;
  std::map<std::pair<Kind, std::string>, Client> clients_;
  std::map<std::string, Authorization> parked_;
  std::map<Kind, std::deque<Decision>> decisions_;
  std::unordered_map<std::string, Code> codes_;
  std::unordered_map<std::string, AccessToken> access_;
  std::unordered_map<std::string, RefreshToken> refresh_;
  std::set<std::tuple<Kind, std::string, std::string>> consents_; ///< kind, email, client: an offline consent was given
  std::int64_t issued_ = 0;
};

} // namespace calbridge::sandbox
