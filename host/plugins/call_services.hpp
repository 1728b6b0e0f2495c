#pragma once
#include "calbridge/abi.h"
#include "core/http_client.hpp"
#include "core/logger.hpp"
#include "core/mailer.hpp"
#include "core/provider.hpp"
#include "core/random.hpp"
#include "core/time.hpp"
#include "plugins/service_port.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::plugins {

/// What the host lends to its plugins. Borrowed; outlives them all.
struct HostServices {
  HttpClient& http;
  Logger& logger;
  Clock& clock;
  Random& random;
  Mailer* mailer = nullptr; ///< null: this installation sends no mail, and there is no smtp service
};

/// What the host knows about one configured plugin.
struct PluginIdentity {
  std::string id;                  ///< of the provider, for log lines
  std::vector<std::string> egress; ///< hosts that it may talk to
  /// Further ones, which people type; none for a plugin that asks for none.
  std::optional<TypedServers> typedServers{};
};

/// The services of one call, as values and bytes. One thread at a time.
class CallServices final : public ServicePort {
 public:
  /// Everything is borrowed for the call. With `http` false the http service answers unsupported.
  CallServices(const HostServices& host, const PluginIdentity& plugin, const CallContext& context,
               std::span<const std::string_view> secrets, bool http);

  std::int64_t remainingMs() const;
  bool cancelled() const;

  ServiceAnswer ask(const ServiceQuestion& question) noexcept override;
  std::string_view requestId() const override { return context_.requestId; }
  bool mail() const override { return host_.mailer != nullptr; }
  void complain(Logger::Level level, std::string_view what) noexcept override;

  /// The http service of abi.h. Both results live in this object until the next service call.
  calbridge_status send(std::string_view head, std::string_view body, std::string_view& responseHead,
                        std::string_view& responseBody);
  /// The smtp service of abi.h. The result lives in this object until the next service call.
  calbridge_status sendMail(std::string_view envelope, std::string_view message, std::string_view& response);
  /// A line of the plugin's for the host's log; of one call a thousand at most.
  void log(std::int32_t level, std::string_view message);
  std::int64_t nowMs() const { return host_.clock.now(); }
  std::int64_t monotonicMs() const { return host_.clock.monotonic(); }
  void fill(std::span<std::uint8_t> out) { host_.random.fill(out); }
  calbridge_status getValue(std::string_view key, std::string_view& value);
  calbridge_status setValue(std::string_view key, std::string_view value);

 private:
  ServiceAnswer answer(const ServiceQuestion& question);
  void write(Logger::Level level, std::string_view line);
  calbridge_status fail(calbridge_status status, std::string_view message, std::string_view kind, bool sent,
                        std::string_view& responseHead);

  calbridge_status mailFailed(calbridge_status status, const char* kind, const MailFailure& failure,
                              std::string_view& response);

  const HostServices& host_;
  const PluginIdentity& plugin_;
  const CallContext& context_;
  std::span<const std::string_view> secrets_;
  bool http_;
  std::int64_t deadline_; ///< on the monotonic clock
  int lines_ = 0;         ///< in the log
  HttpResponse response_;
  std::string head_;
  std::string value_;
};

} // namespace calbridge::plugins
