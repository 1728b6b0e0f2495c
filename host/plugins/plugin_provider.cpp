#include "plugins/plugin_provider.hpp"

#include "plugins/manifest.hpp"
#include "plugins/redaction.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <array>

namespace calbridge::plugins {
namespace {

/// What must not show up in what a plugin says about one connection: tokens, and each text within an opaque secret. Of
/// those, what stands under the name of an open field of the form (a server, a user's name) may show: without it no
/// message could say where it failed.
class Confidential {
 public:
  Confidential(const std::string& clientSecret, const std::vector<FormField>& form,
               std::initializer_list<std::string_view> tokens, const nlohmann::json& secret)
      : views_(tokens) {
    views_.push_back(clientSecret);
    if (secret.is_object()) {
      for (const auto& [name, value] : secret.items()) {
        const bool open = std::any_of(form.begin(), form.end(), [&key = name](const FormField& field) {
          return field.name == key && !field.secret;
        });
        if (!open) {
          collect(value);
        }
      }
    }
    views_.insert(views_.end(), texts_.begin(), texts_.end());
  }
  Confidential(const Confidential&) = delete;
  Confidential& operator=(const Confidential&) = delete;
  operator std::span<const std::string_view>() const { return views_; } // NOLINT: it is that list

 private:
  void collect(const nlohmann::json& value) {
    if (const auto* text = value.get_ptr<const std::string*>(); text != nullptr) {
      texts_.push_back(*text);
    }
    if (value.is_structured()) {
      for (const auto& inner : value) {
        collect(inner);
      }
    }
  }
  std::vector<std::string> texts_;
  std::vector<std::string_view> views_;
};

/// Null when there is none. It was checked when it came, and is sealed since.
nlohmann::json secretOf(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json::parse(text, nullptr, false);
}

} // namespace

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
  const Confidential secrets(clientSecret_, info_.form, {credentials.accessToken, credentials.refreshToken},
                             secretOf(credentials.secret));
  return failureFromWire(instance_->call(Operation::revoke, revokeToWire(credentials), context, secrets), secrets);
}

Outcome<PushReply> PluginProvider::push(const PushRequest& request, const CallContext& context) {
  const std::string_view unsubscribe = request.recipient ? request.recipient->unsubscribeUrl : std::string_view();
  const Confidential secrets(clientSecret_, info_.form, {request.accessToken, unsubscribe}, secretOf(request.secret));
  const Reply reply = instance_->call(Operation::push, toWire(request), context, secrets);
  return pushFromWire(reply, request.operation == PushRequest::Operation::upsert, secrets);
}

Outcome<FeedFrame> PluginProvider::feed(const FeedRequest& request, const CallContext& context) {
  return feedFromWire(instance_->call(Operation::feed, toWire(request), context, {}), {});
}

Outcome<Authentication> PluginProvider::authenticate(const nlohmann::json& credentials, const CallContext& context) {
  const Confidential secrets(clientSecret_, info_.form, {}, credentials);
  const auto wrong = info_.can("credentials") ? violations(nlohmann::json(info_.formSchema), credentials)
                                              : std::vector<SchemaViolation>(); // the plugin says that it cannot
  for (const SchemaViolation& violation : wrong)
    return Failure{Status::invalidRequest,
                   violation.pointer + ": " + presentable(violation.message, secrets, 300),
                   "invalid_form",
                   {}};
  const Reply reply = instance_->call(Operation::authenticate, authenticateToWire(credentials), context, secrets);
  return authenticationFromWire(reply, secrets);
}

Outcome<std::vector<Calendar>> PluginProvider::listCalendars(const Credentials& credentials,
                                                             const CallContext& context) {
  const Confidential secrets(clientSecret_, info_.form, {credentials.accessToken}, secretOf(credentials.secret));
  return calendarsFromWire(instance_->call(Operation::listCalendars, accessToWire(credentials), context, secrets),
                           secrets);
}

Outcome<std::vector<BusyTime>> PluginProvider::freeBusy(const Credentials& credentials, const std::string& calendar,
                                                        const BusyTime& within, const CallContext& context) {
  const Confidential secrets(clientSecret_, info_.form, {credentials.accessToken}, secretOf(credentials.secret));
  const std::string request = freeBusyToWire(credentials, calendar, within);
  return busyFromWire(instance_->call(Operation::freeBusy, request, context, secrets), secrets);
}

Outcome<ChangeList> PluginProvider::changes(const Credentials& credentials, const std::string& calendar,
                                            const std::string& syncToken, const CallContext& context) {
  const Confidential secrets(clientSecret_, info_.form, {credentials.accessToken}, secretOf(credentials.secret));
  const std::string request = changesToWire(credentials, calendar, syncToken);
  return changesFromWire(instance_->call(Operation::changes, request, context, secrets), secrets);
}

} // namespace calbridge::plugins
