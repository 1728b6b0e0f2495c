#include "connections/password_flow.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace calbridge::connections {
namespace {

/// Codes of plugins become codes of our API when they look like ours.
std::string stableCode(const std::string& code) {
  const bool fit = !code.empty() && code.size() <= 64 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  return fit ? code : "connection_failed";
}

/// The input that a person would look at first.
std::string fieldOf(const ProviderInfo& info, const Failure& failure) {
  const auto named = [&](auto&& matches) {
    const auto found = std::find_if(info.form.begin(), info.form.end(), matches);
    return found == info.form.end() ? std::string() : found->name;
  };
  switch (failure.status) {
  case Status::reauthRequired:
    return named([](const FormField& field) { return field.secret; });
  case Status::rateLimited:
  case Status::cancelled:
  case Status::internal:
    return {};
  default:
    return named([](const FormField& field) { return field.format == "uri"; });
  }
}

FormRefusal refusalOf(const ProviderInfo& info, const Failure& failure) {
  FormRefusal refusal;
  refusal.code = stableCode(failure.code);
  refusal.message = failure.message;
  refusal.field = fieldOf(info, failure);
  refusal.retryAfter = failure.retryAfter;
  switch (failure.status) {
  case Status::rateLimited:
    refusal.httpStatus = 429;
    break;
  case Status::transient:
  case Status::deadline:
  case Status::cancelled:
  case Status::internal:
    refusal.httpStatus = 502;
    break;
  default:
    break;
  }
  return refusal;
}

} // namespace

PasswordFlow::PasswordFlow(store::Store& store, const Providers& providers, const Vault& vault, AccessTokens& tokens,
                           PersonLocks& locks, const Clock& clock, Logger& log)
    : store_(store), providers_(providers), vault_(vault), tokens_(tokens), locks_(locks), clock_(clock), log_(log) {}

FormResult PasswordFlow::connect(const Person& person, const AllowedProviders& allowed, const std::string& provider,
                                 const nlohmann::json& values, const CallContext& context) {
  Provider& chosen = usableProvider(providers_, provider, "credentials", allowed);
  FormResult result;
  auto outcome = chosen.authenticate(values, context);
  if (const auto* failure = std::get_if<Failure>(&outcome)) {
    result.refusal = refusalOf(chosen.info(), *failure);
    log_.info("calendar not connected", {{"provider", provider},
                                         {"person", person.id},
                                         {"status", toString(failure->status)},
                                         {"error", result.refusal->code}});
    return result;
  }
  auto& made = std::get<Authentication>(outcome);
  Credentials credentials;
  credentials.secret = std::move(made.secret);
  result.account = std::move(made.account);
  try {
    const auto lock = locks_.hold(person.id);
    const auto storing = vault_.use();
    store::ConnectionRecord fresh;
    fresh.personId = person.id;
    fresh.provider = provider;
    fresh.accountId = result.account.id;
    fresh.account = result.account.label;
    fresh.createdAt = clock_.now();
    const auto seal = [&](std::int64_t connectionId) {
      return sealCredentials(vault_, credentials, connectionId, person.id, provider);
    };
    result.connectionId = store_.connect(fresh, seal, fresh.createdAt).id;
  } catch (...) {
    wipe(credentials);
    throw;
  }
  wipe(credentials);
  tokens_.forget(result.connectionId);
  log_.info("calendar connected",
            {{"provider", provider}, {"person", person.id}, {"connection", std::to_string(result.connectionId)}});
  return result;
}

} // namespace calbridge::connections
