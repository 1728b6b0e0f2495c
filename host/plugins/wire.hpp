#pragma once
#include "core/provider.hpp"
#include "plugins/operation.hpp"

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

/// Core structs to the JSON of the boundary and back. Pure; the shapes are in sdk/README.md.
namespace calbridge::plugins {

std::string settingsToWire(const std::string& clientId, const std::string& clientSecret,
                           const nlohmann::json& settings);
std::string toWire(const ConnectRequest& request);
std::string toWire(const ExchangeRequest& request);
std::string refreshToWire(const std::string& refreshToken);
std::string revokeToWire(const Credentials& credentials);
std::string toWire(const PushRequest& request);
std::string toWire(const FeedRequest& request);
std::string authenticateToWire(const nlohmann::json& credentials);
/// Who asks: the access token or the secret, whichever there is.
std::string accessToWire(const Credentials& credentials);
std::string freeBusyToWire(const Credentials& credentials, const std::string& calendar, const BusyTime& within);
std::string changesToWire(const Credentials& credentials, const std::string& calendar, const std::string& syncToken);

/// Each reads a plugin's reply. A status other than ok, and an ok whose body breaks the rules, is a Failure. Secrets
/// are blotted out of what the plugin says.
Outcome<std::string> connectFromWire(const Reply& reply, std::span<const std::string_view> secrets);
/// `now` makes an instant of expires_in. `account`: it must name the account, too.
Outcome<Grant> grantFromWire(const Reply& reply, TimeMs now, bool account, std::span<const std::string_view> secrets);
/// `identified`: the reply must carry the provider's id of the entry.
Outcome<PushReply> pushFromWire(const Reply& reply, bool identified, std::span<const std::string_view> secrets);
Outcome<FeedFrame> feedFromWire(const Reply& reply, std::span<const std::string_view> secrets);
Outcome<Authentication> authenticationFromWire(const Reply& reply, std::span<const std::string_view> secrets);
/// At most 1,000.
Outcome<std::vector<Calendar>> calendarsFromWire(const Reply& reply, std::span<const std::string_view> secrets);
Outcome<std::vector<BusyTime>> busyFromWire(const Reply& reply, std::span<const std::string_view> secrets);
Outcome<ChangeList> changesFromWire(const Reply& reply, std::span<const std::string_view> secrets);
/// Empty when the status is ok.
std::optional<Failure> failureFromWire(const Reply& reply, std::span<const std::string_view> secrets);

} // namespace calbridge::plugins
