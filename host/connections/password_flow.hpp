#pragma once
#include "connections/oauth_flow.hpp"

namespace calbridge::connections {

/// Why what a person typed does not connect, for that person.
struct FormRefusal {
  int httpStatus = 422; ///< 422: what was typed is wrong; 429, 502: try again later
  std::string code;     ///< stable: the provider's own, or connection_failed
  std::string message;
  std::string field; ///< of the form, that the message is about; may be empty
  std::optional<std::chrono::milliseconds> retryAfter;
};

struct FormResult {
  std::optional<FormRefusal> refusal; ///< set: nothing was stored
  std::int64_t connectionId = 0;
  Account account;
};

/// Connecting by filling in a form (capability `credentials`): from the values to the stored connection. Thread-safe;
/// everything passed in is borrowed.
class PasswordFlow {
 public:
  PasswordFlow(store::Store& store, const Providers& providers, const Vault& vault, AccessTokens& tokens,
               PersonLocks& locks, const Clock& clock, Logger& log);

  /// `values` has been held against the provider's schema. Asks the provider (at most `context.timeout`), seals the
  /// secret that it makes of the values, and stores and back-fills the connection. Nothing of the values is logged.
  /// Errors: not_found (no such provider with a form), provider_not_allowed, provider_not_configured,
  /// store_unavailable.
  FormResult connect(const Person& person, const AllowedProviders& allowed, const std::string& provider,
                     const nlohmann::json& values, const CallContext& context);

 private:
  store::Store& store_;
  const Providers& providers_;
  const Vault& vault_;
  AccessTokens& tokens_;
  PersonLocks& locks_;
  const Clock& clock_;
  Logger& log_;
};

} // namespace calbridge::connections
