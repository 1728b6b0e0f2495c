#include "connections/callback_problem.hpp"

#include <algorithm>
#include <array>

namespace calbridge::connections {
namespace {

using namespace std::string_view_literals;

struct Mapping {
  std::string_view from;
  std::string_view to;
};

// RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6, and what Google and Microsoft add.
constexpr std::array kProviderErrors{
    Mapping{"access_denied", "access_denied"},
    Mapping{"consent_required", "access_denied"},
    Mapping{"interaction_required", "access_denied"},
    Mapping{"login_required", "access_denied"},
    Mapping{"account_selection_required", "access_denied"},
    Mapping{"admin_policy_enforced", "admin_policy_enforced"},
    Mapping{"org_internal", "org_internal"},
    Mapping{"insufficient_scope", "insufficient_scope"},
    Mapping{"invalid_scope", "client_misconfigured"},
    Mapping{"deleted_client", "client_misconfigured"},
    Mapping{"disabled_client", "client_misconfigured"},
    Mapping{"invalid_client", "client_misconfigured"},
    Mapping{"unauthorized_client", "client_misconfigured"},
    Mapping{"redirect_uri_mismatch", "client_misconfigured"},
    Mapping{"invalid_resource", "client_misconfigured"},
    Mapping{"unsupported_response_type", "client_misconfigured"},
    Mapping{"temporarily_unavailable", "provider_unavailable"},
    Mapping{"server_error", "provider_unavailable"},
};

} // namespace

const std::vector<CallbackProblem>& callbackProblems() {
  static const std::vector<CallbackProblem> problems{
      {"access_denied",
       "You did not allow access to {provider}, so nothing was connected. You can try again any time."},
      {"admin_policy_enforced", "Your organisation's administrator does not allow {provider} to be connected. Ask them "
                                "to approve this application, then try again."},
      {"org_internal", "{provider} lets only members of one organisation connect here. Sign in with your account of "
                       "that organisation."},
      {"insufficient_scope", "Access to the calendar was not ticked, so nothing could be delivered. Connect {provider} "
                             "again and allow everything that is asked for."},
      {"state_mismatch", "This connection attempt was not started in this browser, or was used already. Please start "
                         "again from this page."},
      {"state_expired", "Connecting took longer than ten minutes. Please start again from this page."},
      {"exchange_failed", "{provider} did not accept the sign-in. Please try again."},
      {"provider_unavailable", "{provider} cannot be reached at the moment. Please try again in a few minutes."},
      {"provider_not_configured", "{provider} is not set up on this server yet. Please tell your administrator."},
      {"client_misconfigured",
       "This server's registration at {provider} is not right. Please tell your administrator."},
      {"not_stored", "The connection could not be saved. Please try again in a few minutes."},
      {"provider_error", "{provider} reported a problem, so nothing was connected. Please try again."},
  };
  return problems;
}

std::string callbackProblemText(std::string_view code, std::string_view providerLabel) {
  const auto& problems = callbackProblems();
  const auto found = std::find_if(problems.begin(), problems.end(), [&](const auto& p) { return p.code == code; });
  std::string text(found != problems.end() ? found->text : problems.back().text);
  constexpr auto place = "{provider}"sv;
  const auto label = providerLabel.empty() ? "the calendar service"sv : providerLabel;
  if (const auto at = text.find(place); at != std::string::npos) {
    text.replace(at, place.size(), label);
    if (at == 0 && providerLabel.empty())
      text.front() = 'T';
  }
  return text;
}

std::string_view problemOfProviderError(std::string_view error) {
  for (const auto& mapping : kProviderErrors)
    if (mapping.from == error)
      return mapping.to;
  return "provider_error";
}

std::string_view problemOfExchange(const Failure& failure) {
  switch (failure.status) {
  case Status::rateLimited:
  case Status::transient:
  case Status::deadline:
  case Status::cancelled:
    return "provider_unavailable";
  default:
    break;
  }
  if (failure.code == "insufficientPermissions")
    return "insufficient_scope";
  const auto named = problemOfProviderError(failure.code);
  return named == "provider_error" ? "exchange_failed" : named;
}

} // namespace calbridge::connections
