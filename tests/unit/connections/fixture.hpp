#pragma once
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "core/provider_condition.hpp"
#include "fixed_providers.hpp"
#include "temporary_folder.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace calbridge::connections {

using testing::FixedProviders;
using testing::TemporaryFolder;

/// Moves only when told to.
class TestClock final : public Clock {
 public:
  TimeMs now() const override { return now_; }
  TimeMs monotonic() const override { return now_ + setBack_ - 1'000'000'000'000; }
  void advance(TimeMs ms) { now_ += ms; }
  /// The wall clock alone.
  void setBack(TimeMs ms) {
    setBack_ += ms;
    now_ -= ms;
  }

 private:
  std::atomic<TimeMs> now_{*parseRfc3339("2026-11-22T10:00:00Z")};
  std::atomic<TimeMs> setBack_{0};
};

/// Keeps every line with all its fields.
class RecordingLogger final : public Logger {
 public:
  bool enabled(Level) const override { return true; }
  void write(Level, std::string_view message, std::initializer_list<Field> fields) override {
    const std::scoped_lock lock(mutex_);
    text_ += message;
    for (const auto& [name, value] : fields)
      text_ += " " + std::string(name) + "=" + value;
    text_ += "\n";
  }
  std::string text() const {
    const std::scoped_lock lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// A provider that does what the test says and counts. By default every operation works, and refresh rotates.
class ScriptedProvider final : public Provider, public ReportsCondition {
 public:
  explicit ScriptedProvider(const std::string& id, std::set<std::string> capabilities, const Clock& clock)
      : clock_(clock) {
    info_.id = id;
    info_.label = id == "google" ? "Google Calendar" : id == "outlook" ? "Outlook" : "Apple Calendar";
    info_.capabilities = std::move(capabilities);
    info_.configured = true;
    info_.redirectUri = "http://localhost:8000/api/calendar/" + id + "/callback/";
    onExchange = [this](const ExchangeRequest&) { return Outcome<Grant>(grant("first", "refresh-0")); };
    onRefresh = [this](const std::string&) {
      const auto n = std::to_string(refreshes.load());
      return Outcome<Grant>(grant("renewed-" + n, "refresh-" + n));
    };
    onRevoke = [](const Credentials&) { return std::optional<Failure>(); };
  }

  /// Names of tokens carry a canary, so that a leak is found whatever the test.
  Grant grant(const std::string& access, const std::string& refresh, TimeMs lifetime = 3'600'000) const {
    return {{kCanary + ("-access-" + access), refresh.empty() ? "" : kCanary + ("-" + refresh), clock_.now() + lifetime,
             "calendar"},
            account};
  }
  static std::string token(const std::string& access) { return kCanary + ("-access-" + access); }
  static inline const std::string kCanary = "CANARYc0ffee";

  const ProviderInfo& info() const override { return info_; }
  ProviderCondition condition() const override { return condition_; }
  Outcome<std::string> connect(const ConnectRequest& request, const CallContext&) override {
    ++connects;
    lastConnect = request;
    if (connectFailure)
      return *connectFailure;
    return "https://provider.example/authorize?state=" + request.state;
  }
  Outcome<Grant> exchange(const ExchangeRequest& request, const CallContext&) override {
    ++exchanges;
    lastExchange = request;
    return onExchange(request);
  }
  Outcome<Grant> refresh(const std::string& refreshToken, const CallContext&) override {
    ++refreshes;
    {
      const std::scoped_lock lock(mutex_);
      refreshedWith.push_back(refreshToken);
    }
    return onRefresh(refreshToken);
  }
  std::optional<Failure> revoke(const Credentials& credentials, const CallContext& context) override {
    ++revokes;
    revokeTimeout = context.timeout;
    return onRevoke(credentials);
  }
  Outcome<PushReply> push(const PushRequest& request, const CallContext& context) override {
    return onPush ? onPush(request, context) : PushReply{};
  }
  Outcome<FeedFrame> feed(const FeedRequest&, const CallContext&) override { return FeedFrame{}; }

  ProviderInfo info_;
  ProviderCondition condition_;
  Account account{"account-1", "john@gmail.example"};
  std::atomic<int> connects{0}, exchanges{0}, refreshes{0}, revokes{0};
  std::optional<Failure> connectFailure;
  ConnectRequest lastConnect;
  ExchangeRequest lastExchange;
  std::vector<std::string> refreshedWith;
  std::chrono::milliseconds revokeTimeout{0};
  std::function<Outcome<Grant>(const ExchangeRequest&)> onExchange;
  std::function<Outcome<Grant>(const std::string&)> onRefresh;
  std::function<std::optional<Failure>(const Credentials&)> onRevoke;
  std::function<Outcome<PushReply>(const PushRequest&, const CallContext&)> onPush;

 private:
  const Clock& clock_;
  std::mutex mutex_;
};

inline std::string readFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The code of the Error that `action` throws; empty when it throws none.
template <typename Action>
std::string errorCode(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return {};
}

inline std::string tokenOf(const Outcome<std::string>& outcome) {
  if (const auto* failure = std::get_if<Failure>(&outcome))
    return std::string("failure: ") + toString(failure->status);
  return std::get<std::string>(outcome);
}

inline const Failure& failureOf(const Outcome<std::string>& outcome) {
  REQUIRE(std::holds_alternative<Failure>(outcome));
  return std::get<Failure>(outcome);
}

/// One node over a real SQLite store, with john and sarah in the directory.
struct Fixture {
  TemporaryFolder folder;
  TestClock clock;
  SystemRandom random;
  RecordingLogger log;
  std::unique_ptr<store::Store> store = store::openStore("sqlite:" + (folder.path / "calbridge.db").string());
  ScriptedProvider google{"google", {"oauth2", "revoke", "delete"}, clock};
  ScriptedProvider outlook{"outlook", {"oauth2", "delete"}, clock};
  ScriptedProvider ics{"ics", {"feed", "delete"}, clock};
  FixedProviders providers{{&google, &outlook, &ics}};
  KeyRing ring{{MasterKey(std::string(32, 'k'))}};
  Vault vault{ring, random};
  Connections node{*store, providers, vault, clock, random, log, "http://localhost:8000"};
  Person john{"john", "John Smith", "john@example.com", "customer", "Europe/London", {}};
  Person sarah{"sarah", "Sarah Jones", "sarah@example.com", "staff", "Europe/London", {}};
  const std::string browser = "cookie-of-this-browser-0123456789";

  Fixture() {
    store->putPerson(john, std::nullopt);
    store->putPerson(sarah, std::nullopt);
  }

  /// Starts a flow and gives the state that went to the provider.
  std::string begin(ScriptedProvider& provider, const Person& person) {
    node.oauth().begin(person, std::nullopt, provider.info().id, browser);
    return provider.lastConnect.state;
  }
  CallbackResult callback(const std::string& provider, const std::map<std::string, std::string>& query) {
    return node.oauth().callback(provider, query, browser, {});
  }
  /// A finished connection; returns its id.
  std::int64_t connect(ScriptedProvider& provider, const Person& person) {
    const auto state = begin(provider, person);
    const auto result = callback(provider.info().id, {{"state", state}, {"code", "code-1"}});
    REQUIRE(result.error == "");
    return result.connectionId;
  }
  store::ConnectionRecord record(std::int64_t id) {
    const auto found = store->connection(id);
    REQUIRE(found);
    return *found;
  }
  ProviderStatus status(const Person& person, const std::string& provider) {
    for (auto& status : node.status(person.id, std::nullopt))
      if (status.provider == provider)
        return status;
    FAIL("no status of " + provider);
    return {};
  }
  /// Puts an entry of tomorrow into the person's calendars and records it as delivered.
  void deliverEntry(const Person& person) {
    store::PlacementRecord placement;
    placement.kind = "custom";
    placement.appointmentId = random.uuid();
    placement.personId = person.id;
    placement.revision = 1;
    placement.decidedAt = clock.now();
    placement.entry.title = "Deep clean";
    placement.entry.time = {false,
                            "2026-11-23T09:00:00",
                            "2026-11-23T10:00:00",
                            "UTC",
                            *parseRfc3339("2026-11-23T09:00:00Z"),
                            *parseRfc3339("2026-11-23T10:00:00Z")};
    placement.contentHash = contentHash(placement.entry);
    store->putCustomEntry(placement, clock.now());
    recordAll(store::DeliveryOutcome::Kind::delivered);
  }
  /// Claims whatever is due and records it.
  std::size_t recordAll(store::DeliveryOutcome::Kind kind) {
    const auto claim = store->claimDeliveries(clock.now(), 100, 60000, [](auto, const auto&) { return true; });
    std::vector<store::DeliveryOutcome> outcomes;
    for (const auto& task : claim.tasks) {
      store::DeliveryOutcome outcome;
      outcome.placementId = task.placementId;
      outcome.connectionId = task.connectionId;
      outcome.fence = task.fence;
      outcome.kind = kind;
      outcome.revision = task.revision;
      outcome.contentHash = task.contentHash;
      outcome.providerEventId = "event-" + std::to_string(task.placementId);
      outcome.at = clock.now();
      outcomes.push_back(outcome);
    }
    store->recordOutcomes(outcomes);
    return outcomes.size();
  }
};

} // namespace calbridge::connections
