#pragma once
#include "core/provider.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace calbridge::connections {

/// Why a connect flow did not end connected. `code` is stable and goes into the redirect's ?error=; `text` is for the
/// page, where "{provider}" stands for the provider's label.
struct CallbackProblem {
  std::string_view code;
  std::string_view text;
};

/// All of them; the last, provider_error, stands for everything unknown.
const std::vector<CallbackProblem>& callbackProblems();
/// Plain words for a code, with the provider's label filled in; for an unknown code those of provider_error, so
/// nothing that somebody wrote into a link is ever shown. The label must be escaped by the page.
std::string callbackProblemText(std::string_view code, std::string_view providerLabel);
/// Maps the provider's own `error=` (RFC 6749 section 4.1.2.1 and the providers' additions) to a stable code.
std::string_view problemOfProviderError(std::string_view error);
/// Maps a failed code exchange.
std::string_view problemOfExchange(const Failure& failure);

} // namespace calbridge::connections
