#pragma once
#include "conformance/service_model.hpp"
#include "core/http_client.hpp"
#include "core/logger.hpp"
#include "core/mailer.hpp"
#include "core/provider.hpp"
#include "core/random.hpp"
#include "core/time.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <random>

/// What a plugin is lent while it is checked: nothing of it is real, everything is written down.
namespace calbridge::conformance {

/// Stands still unless it is moved. Thread-safe.
class FixedClock final : public Clock {
 public:
  TimeMs now() const override { return 1'796'000'000'000 + passed_; }
  TimeMs monotonic() const override { return 1'000'000 + passed_; }
  void pass(std::int64_t ms) { passed_ += ms; }

 private:
  std::atomic<std::int64_t> passed_{0};
};

/// The same bytes for the same seed. Thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

/// Keeps every line of host and plugin; not what an isolated plugin prints, which comes when it comes. Thread-safe.
class KeptLog final : public Logger {
 public:
  bool enabled(Level) const override { return true; }
  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override;
  std::vector<std::string> lines() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// The values of one connection, within the host's quota. Thread-safe.
class KeptValues final : public KeyValues {
 public:
  std::optional<std::string> get(const std::string& key) override;
  void set(const std::string& key, const std::string& value) override;
  std::map<std::string, std::string> all() const;
  void restore(std::map<std::string, std::string> values);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> values_;
};

/// One HTTP request of the plugin, and how it ended.
struct Exchange {
  HttpRequest request;
  std::string refused; ///< by the egress rules, and why
  int status = 0;      ///< 0: no response
};

/// The network: the service model behind the host's egress rules, and whatever a check does to requests on the way.
/// Thread-safe; the two hooks are called outside of its lock.
class MadeUpNetwork final : public HttpClient {
 public:
  MadeUpNetwork(const Script& script, std::string stem) : service(script, std::move(stem)) {}
  HttpResult send(const HttpRequest& request, const HttpOptions& options) override;

  std::vector<Exchange> exchanges() const;
  void forget();

  /// Instead of the service. `nth` counts this network's requests from 0.
  std::function<std::optional<HttpResult>(const HttpRequest& request, std::size_t nth)> instead;
  /// After the service has done what was asked, before the plugin hears of it.
  std::function<void(const HttpRequest& request, HttpResult& result, std::size_t nth)> afterwards;
  ServiceModel service;
  bool anyHost = false; ///< people type the server: any host over https

 private:
  mutable std::mutex mutex_;
  std::vector<Exchange> exchanges_;
};

/// A mail that reached the server.
struct HandedOver {
  std::string from;
  std::vector<std::string> to;
  std::string message;
};

/// The mail server: takes everything, unless a check does otherwise. Thread-safe; the hook is called outside of its
/// lock.
class MadeUpMail final : public Mailer {
 public:
  std::optional<MailFailure> send(const Mail& mail, const MailOptions& options) override;

  /// In order, refused ones too.
  std::vector<HandedOver> mails() const;
  /// A mail that the host did not let through, since it was not for the push's recipient.
  void forbid(const std::string& envelope);
  std::vector<std::string> forbidden() const;

  /// How the server refuses; nullopt: it takes the mail.
  std::function<std::optional<MailFailure>(const Mail& mail)> refuse;

 private:
  mutable std::mutex mutex_;
  std::vector<HandedOver> mails_;
  std::vector<std::string> forbidden_;
};

/// The failure of an exchange whose request may (or may not) have arrived.
HttpResult noAnswer(HttpFailure::Kind kind, bool sent);

} // namespace calbridge::conformance
