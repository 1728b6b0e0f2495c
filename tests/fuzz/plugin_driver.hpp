#pragma once
#include "core/http_client.hpp"
#include "core/mailer.hpp"
#include "core/provider.hpp"
#include "fuzz/target.hpp"
#include "plugins/call_services.hpp"
#include "plugins/host_table.hpp"
#include "plugins/plugin_library.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::fuzz {

/// A bundled plugin's real library behind the host's real services. Only what is beyond the host is made up: the
/// network answers from a script, time stands still. Every call checks what holds for each of them: one answer, a
/// status of the closed list, JSON within its caps, no secret in what the plugin logs or gives as a reason.
class PluginDriver final : private HttpClient, private Mailer, private Logger {
 public:
  /// `settings` as `create` gets them. Dies when the plugin does not load or refuses them.
  PluginDriver(const std::string& path, const std::string& settings);
  ~PluginDriver() override;
  PluginDriver(const PluginDriver&) = delete;
  PluginDriver& operator=(const PluginDriver&) = delete;

  /// One exchange each, in their order; when they are used up, nobody answers any more.
  std::deque<HttpResult> script;
  /// The values that the plugin keeps for the one connection.
  std::map<std::string, std::string> values;
  /// What the plugin asked during the last call.
  std::vector<HttpRequest> requests;
  /// Hosts that it may ask ("127.0.0.1:1").
  std::vector<std::string> egress;
  /// It may ask any host: people type its servers.
  bool typedServers = false;
  /// What comes of its mails, in their order; when they are used up, each is taken.
  std::deque<MailFailure> mailScript;
  /// What it handed over during the last call, text and all.
  struct SentMail {
    std::string from;
    std::string to;
    std::string message;
  };
  std::vector<SentMail> mails;
  /// To whom it may write.
  std::string mailTo;
  /// Never to be seen in a reason, a code or the log.
  std::vector<std::string_view> secrets;

  plugins::Reply call(plugins::Operation operation, std::string_view request);

 private:
  HttpResult send(const HttpRequest& request, const HttpOptions& options) override;
  std::optional<MailFailure> send(const Mail& mail, const MailOptions& options) override;
  bool enabled(Level) const override { return true; }
  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override;
  void checkSecrets(std::string_view text, const char* what) const;

  struct FixedClock final : Clock {
    TimeMs now() const override { return 1796000000000; }
    TimeMs monotonic() const override { return 0; }
  };
  struct FixedRandom final : Random {
    void fill(std::span<std::uint8_t> out) override;
  };
  FixedClock clock_;
  FixedRandom random_;
  std::shared_ptr<const plugins::PluginLibrary> library_;
  plugins::HostServices host_;
  plugins::PluginIdentity identity_;
  void* self_ = nullptr;
};

/// An exchange as an input writes it: the title is the HTTP status with header fields behind it ("429 Retry-After: 5;
/// ETag: x"), or why there is no answer ("timeout", "connect", "truncated", "malformed", "egress"); the text is the
/// body.
HttpResult exchangeOf(const Section& section);

} // namespace calbridge::fuzz
