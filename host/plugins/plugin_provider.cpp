#include "plugins/plugin_provider.hpp"

#include "plugins/wire.hpp"

#include <array>

namespace calbridge::plugins {

Outcome<std::string> PluginProvider::connect(const ConnectRequest& request, const CallContext& context) {
  const std::array<std::string_view, 2> secrets = {clientSecret_, request.state};
  return connectFromWire(instance_->call(Operation::connect, toWire(request), context, secrets), secrets);
}

Outcome<Grant> PluginProvider::exchange(const ExchangeRequest& request, const CallContext& context) {
  const std::array<std::string_view, 3> secrets = {clientSecret_, request.code, request.codeVerifier};
  const Reply reply = instance_->call(Operation::exchange, toWire(request), context, secrets);
  return grantFromWire(reply, clock_.now(), true, secrets);
}

Outcome<Grant> PluginProvider::refresh(const std::string& refreshToken, const CallContext& context) {
  const std::array<std::string_view, 2> secrets = {clientSecret_, refreshToken};
  const Reply reply = instance_->call(Operation::refresh, refreshToWire(refreshToken), context, secrets);
  return grantFromWire(reply, clock_.now(), false, secrets);
}

std::optional<Failure> PluginProvider::revoke(const Credentials& credentials, const CallContext& context) {
  const std::array<std::string_view, 3> secrets = {clientSecret_, credentials.accessToken, credentials.refreshToken};
  return failureFromWire(instance_->call(Operation::revoke, revokeToWire(credentials), context, secrets), secrets);
}

Outcome<PushReply> PluginProvider::push(const PushRequest& request, const CallContext& context) {
  const std::array<std::string_view, 2> secrets = {clientSecret_, request.accessToken};
  const Reply reply = instance_->call(Operation::push, toWire(request), context, secrets);
  return pushFromWire(reply, request.operation == PushRequest::Operation::upsert, secrets);
}

Outcome<FeedFrame> PluginProvider::feed(const FeedRequest& request, const CallContext& context) {
  return feedFromWire(instance_->call(Operation::feed, toWire(request), context, {}), {});
}

} // namespace calbridge::plugins
