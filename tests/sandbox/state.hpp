#pragma once
#include "core/random.hpp"
#include "core/time.hpp"

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace calbridge::sandbox {

using nlohmann::json;

/// Google or Microsoft: everything is kept once for each.
enum class Kind { google, outlook };
const char* toString(Kind kind); ///< "google" | "outlook": also the first part of the URL path

/// Behaviours that can be switched while running (PATCH /control/settings). Defaults are what the real services do.
struct Settings {
  std::atomic<bool> validate{true};               ///< bodies against the providers' schemas and rules
  std::atomic<bool> limits{true};                 ///< quotas and throttling
  std::atomic<bool> recordRequests{true};         ///< the log of requests
  std::atomic<int> latencyMs{0};                  ///< every API and token call takes at least that long
  std::atomic<int> googlePerUser{600};            ///< a minute, sliding
  std::atomic<int> googlePerProject{10000};       ///< a minute, sliding
  std::atomic<int> googleLimitStatus{403};        ///< 403 or 429: Google uses both
  std::atomic<bool> googleRevive{true};           ///< a deleted id can be brought back; else 403
  std::atomic<bool> googleTesting{false};         ///< app in "Testing": refresh tokens end after 7 days
  std::atomic<bool> zeroLength{false};            ///< Google takes entries that end when they start
  std::atomic<int> graphPerMailbox{10000};        ///< in ten minutes
  std::atomic<int> graphConcurrent{4};            ///< at a time in one mailbox
  std::atomic<int> graphRetryAfter{2};            ///< seconds that a throttled answer names
  std::atomic<int> graphDuplicateStatus{400};     ///< of a repeated transactionId: 400 (names the event) or 409
  std::atomic<bool> graphTransactionTaken{false}; ///< a transactionId stays taken after its event was deleted
  std::atomic<bool> strictRotation{false}; ///< Microsoft: the old refresh token dies when a new one is handed out
  std::atomic<int> accessTokenSeconds{3599};
  std::atomic<int> codeSeconds{600};
  std::atomic<int> liveRefreshTokens{100}; ///< per account and client; the oldest dies silently

  json toJson() const;
  /// Throws Error("invalid_setting") for an unknown name or a wrong type; then nothing has changed.
  void apply(const json& changes);
};

struct StoredEvent {
  json resource; ///< as GET answers it, without what depends on the request (ids' form, expansions)
  bool deleted = false;
  std::int64_t change = 0; ///< the account's change counter when it was last written
  TimeMs startUtc = 0;
  TimeMs endUtc = 0;
  std::string client;            ///< who made it; empty: the person by hand
  std::string transactionId;     ///< Microsoft
  json extended = json::array(); ///< Microsoft: singleValueExtendedProperties, told only when expanded
};

struct Calendar {
  std::string id;
  std::string name;
  std::string description;
  std::string timeZone = "UTC";
  bool primary = false;
  std::string client; ///< the app that made it; empty: the person
  std::int64_t change = 0;
  std::map<std::string, StoredEvent> events;                 ///< by id, Google's deleted ones included
  std::unordered_map<std::string, std::string> transactions; ///< Microsoft: transactionId → event
};

/// Counts things in a sliding span of time.
class SlidingWindow {
 public:
  /// Adds `units` unless that exceeds `limit` within the last `span` ms. False: refused, nothing added.
  bool take(TimeMs now, TimeMs span, std::int64_t limit, std::int64_t units = 1);
  void clear() { entries_.clear(), sum_ = 0; }

 private:
  std::deque<std::pair<TimeMs, std::int64_t>> entries_;
  std::int64_t sum_ = 0;
};

/// One person's account at one provider. `mutex` guards everything but the names.
struct Account {
  Kind kind = Kind::google;
  std::string email;
  std::string id; ///< Google's sub, Microsoft's object id
  std::string name;
  std::mutex mutex;
  std::map<std::string, Calendar> calendars;
  std::int64_t changes = 0;
  SlidingWindow calls;
  SlidingWindow bytes;
  int running = 0; ///< requests being answered
  std::set<std::string> deadTransactions;
  std::int64_t invitations = 0; ///< mails that the provider would have sent to attendees

  Calendar& primary();
};

/// All accounts of both providers; made on first use. Thread-safe.
class Accounts {
 public:
  explicit Accounts(Random& random) : random_(random) {}
  std::shared_ptr<Account> find(Kind kind, const std::string& email) const;
  std::shared_ptr<Account> findOrMake(Kind kind, const std::string& email);
  std::vector<std::shared_ptr<Account>> all(Kind kind) const;
  void clear();

 private:
  Random& random_;
  mutable std::shared_mutex mutex_;
  std::map<std::pair<Kind, std::string>, std::shared_ptr<Account>> accounts_;
};

} // namespace calbridge::sandbox
