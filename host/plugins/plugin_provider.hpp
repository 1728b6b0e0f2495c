#pragma once
#include "core/provider.hpp"
#include "plugins/call_services.hpp"
#include "plugins/operation.hpp"

#include <memory>
#include <string>

namespace calbridge::plugins {

/// A Provider over a plugin instance: structs to bytes, bytes to structs. Thread-safe as the instance is.
class PluginProvider final : public Provider, public ReportsCondition {
 public:
  /// `clock` is borrowed. `clientSecret` is blotted out of whatever the plugin says.
  PluginProvider(ProviderInfo info, std::string clientSecret, std::unique_ptr<PluginInstance> instance,
                 const Clock& clock)
      : info_(std::move(info)), clientSecret_(std::move(clientSecret)), instance_(std::move(instance)), clock_(clock) {}

  const ProviderInfo& info() const override { return info_; }
  ProviderCondition condition() const override { return instance_->condition(); }
  Outcome<std::string> connect(const ConnectRequest& request, const CallContext& context) override;
  Outcome<Grant> exchange(const ExchangeRequest& request, const CallContext& context) override;
  Outcome<Grant> refresh(const std::string& refreshToken, const CallContext& context) override;
  std::optional<Failure> revoke(const Credentials& credentials, const CallContext& context) override;
  Outcome<PushReply> push(const PushRequest& request, const CallContext& context) override;
  Outcome<FeedFrame> feed(const FeedRequest& request, const CallContext& context) override;
  Outcome<Authentication> authenticate(const nlohmann::json& credentials, const CallContext& context) override;
  Outcome<std::vector<Calendar>> listCalendars(const Credentials& credentials, const CallContext& context) override;
  Outcome<std::vector<BusyTime>> freeBusy(const Credentials& credentials, const std::string& calendar,
                                          const BusyTime& within, const CallContext& context) override;
  Outcome<ChangeList> changes(const Credentials& credentials, const std::string& calendar, const std::string& syncToken,
                              const CallContext& context) override;

 private:
  ProviderInfo info_;
  std::string clientSecret_;
  std::unique_ptr<PluginInstance> instance_;
  const Clock& clock_;
};

} // namespace calbridge::plugins
