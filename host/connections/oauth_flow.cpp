#include "connections/oauth_flow.hpp"
#include "connections/callback_problem.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace calbridge::connections {
namespace {

std::string valueOf(const std::map<std::string, std::string>& query, const char* name) {
  const auto found = query.find(name);
  return found != query.end() ? found->second : std::string();
}

bool isLive(const store::ConnectionRecord& record) {
  return record.state == "connected" || record.state == "needs_reconnection";
}

} // namespace

SealedPlace verifierPlace(const store::OAuthState& state) {
  return {"oauth_states", state.stateHash, state.personId, state.provider};
}

Provider& usableProvider(const Providers& providers, const std::string& id, const char* capability,
                         const AllowedProviders& allowed) {
  Provider* provider = providers.find(id);
  if (!provider || !provider->info().can(capability))
    throw Error("not_found", "there is no such calendar provider to connect");
  const auto& info = provider->info();
  if (allowed && std::find(allowed->begin(), allowed->end(), id) == allowed->end())
    throw Error("provider_not_allowed", info.label + " is not available for your role");
  if (!info.configured) {
    std::string missing;
    for (const auto& name : info.missing)
      missing += (missing.empty() ? "" : ", ") + name;
    throw Error("provider_not_configured", info.label + " is not set up on this server yet", "missing: " + missing);
  }
  return *provider;
}

OAuthFlow::OAuthFlow(store::Store& store, const Providers& providers, const Vault& vault, AccessTokens& tokens,
                     PersonLocks& locks, const Clock& clock, Random& random, Logger& log)
    : store_(store), providers_(providers), vault_(vault), tokens_(tokens), locks_(locks), clock_(clock),
      random_(random), log_(log) {}

std::string OAuthFlow::begin(const Person& person, const AllowedProviders& allowed, const std::string& provider,
                             const std::string& browserSecret) {
  Provider& chosen = usableProvider(providers_, provider, "oauth2", allowed);
  if (browserSecret.size() < 16)
    throw Error("invalid_request", "connecting needs a browser that keeps cookies");

  const std::string stateToken = random_.token(32);
  std::string verifier = random_.token(32); // 43 characters, RFC 7636 section 4.1
  ConnectRequest request;
  request.redirectUri = chosen.info().redirectUri;
  request.state = stateToken;
  request.codeChallenge = pkceChallenge(verifier);
  for (const auto& record : store_.connectionsOf(person.id))
    if (record.provider == provider && isLive(record)) {
      request.loginHint = record.account; // reconnecting: most likely the same account
      break;
    }
  const auto outcome = chosen.connect(request, {});
  if (const auto* failure = std::get_if<Failure>(&outcome))
    throw Error("provider_error", chosen.info().label + " cannot be connected at the moment",
                std::string(toString(failure->status)) + " " + failure->code + ": " + failure->message);

  store::OAuthState state;
  state.stateHash = sha256Hex(stateToken);
  state.browserHash = sha256Hex(browserSecret);
  state.personId = person.id;
  state.provider = provider;
  state.createdAt = clock_.now();
  state.expiresAt = state.createdAt + kStateLifetime;
  const auto use = vault_.use();
  state.sealedVerifier = vault_.seal(verifier, verifierPlace(state));
  wipe(verifier);
  store_.addOAuthState(state);
  return std::get<std::string>(outcome);
}

CallbackResult OAuthFlow::callback(const std::string& provider, const std::map<std::string, std::string>& query,
                                   const std::string& browserSecret, const CallContext& context) {
  Provider* chosen = providers_.find(provider);
  if (!chosen || !chosen->info().can("oauth2"))
    throw Error("not_found", "there is no such calendar provider to connect");
  CallbackResult result;
  result.provider = provider;
  const auto refused = [&](std::string_view problem) {
    result.error = problem;
    log_.info("calendar not connected", {{"provider", provider}, {"person", result.personId}, {"error", result.error}});
    return result;
  };

  const std::string stateToken = valueOf(query, "state");
  std::optional<KeyRing::Use> use(vault_.use());
  const auto state = stateToken.empty() ? std::nullopt : store_.takeOAuthState(sha256Hex(stateToken));
  if (!state || state->provider != provider || browserSecret.empty() ||
      !constantTimeEqual(state->browserHash, sha256Hex(browserSecret)))
    return refused("state_mismatch");
  if (state->expiresAt <= clock_.now())
    return refused("state_expired");
  if (!store_.person(state->personId))
    return refused("state_mismatch"); // erased meanwhile
  result.personId = state->personId;
  if (const auto error = valueOf(query, "error"); !error.empty())
    return refused(problemOfProviderError(error));
  const auto code = valueOf(query, "code");
  if (code.empty())
    return refused("provider_error");
  if (!chosen->info().configured)
    return refused("provider_not_configured");
  if (const auto problem = finish(*state, *chosen, code, context, use, result); !problem.empty())
    return refused(problem);
  log_.info("calendar connected",
            {{"provider", provider}, {"person", result.personId}, {"connection", std::to_string(result.connectionId)}});
  return result;
}

/// From the accepted callback to the stored connection; returns a problem's code or nothing.
std::string OAuthFlow::finish(const store::OAuthState& state, Provider& provider, const std::string& code,
                              const CallContext& context, std::optional<KeyRing::Use>& use, CallbackResult& result) {
  ExchangeRequest request{provider.info().redirectUri, code, ""};
  try {
    request.codeVerifier = vault_.open(state.sealedVerifier, verifierPlace(state));
  } catch (const Error& error) {
    log_.error("a connect flow cannot be continued", {{"provider", state.provider}, {"detail", error.detail()}});
    return "state_mismatch";
  }
  use.reset(); // not across the call to the provider
  auto outcome = provider.exchange(request, context);
  wipe(request.codeVerifier);
  wipe(request.code);
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    log_.warning("a code was not exchanged",
                 {{"provider", state.provider}, {"status", toString(failure->status)}, {"code", failure->code}});
    return std::string(problemOfExchange(*failure));
  }

  auto& grant = std::get<Grant>(outcome);
  if (grant.credentials.accessToken.empty() || grant.account.id.empty()) {
    log_.error("the provider's plugin gave a grant without token or account", {{"provider", state.provider}});
    wipe(grant.credentials);
    return "exchange_failed";
  }
  try {
    const auto lock = locks_.hold(state.personId);
    const auto storing = vault_.use();
    if (grant.credentials.refreshToken.empty())
      keepRefreshToken(grant, state);
    store::ConnectionRecord fresh;
    fresh.personId = state.personId;
    fresh.provider = state.provider;
    fresh.accountId = grant.account.id;
    fresh.account = grant.account.label.empty() ? grant.account.id : grant.account.label;
    fresh.createdAt = clock_.now();
    const auto seal = [&](std::int64_t connectionId) {
      return sealCredentials(vault_, grant.credentials, connectionId, state.personId, state.provider);
    };
    result.connectionId = store_.connect(fresh, seal, fresh.createdAt).id;
  } catch (const Error& error) {
    wipe(grant.credentials);
    log_.error("a connection could not be stored",
               {{"provider", state.provider}, {"code", error.code()}, {"detail", error.detail()}});
    return "not_stored";
  }
  wipe(grant.credentials);
  tokens_.forget(result.connectionId);
  return {};
}

/// A provider that gives a refresh token on first consent only (RFC 6749 section 5.1 makes it optional): the one of the
/// same account's working connection goes on.
void OAuthFlow::keepRefreshToken(Grant& grant, const store::OAuthState& state) {
  for (const auto& record : store_.connectionsOf(state.personId)) {
    if (record.provider != state.provider || record.accountId != grant.account.id || record.state != "connected")
      continue;
    try {
      auto former = openCredentials(vault_, record);
      grant.credentials.refreshToken = former.refreshToken;
      wipe(former);
    } catch (const Error& error) {
      if (error.code() != "vault_damaged")
        throw;
      log_.warning("former credentials cannot be opened", {{"connection", std::to_string(record.id)}});
    }
  }
}

} // namespace calbridge::connections
