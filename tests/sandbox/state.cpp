#include "state.hpp"

#include "core/digest.hpp"
#include "core/error.hpp"

#include <variant>

namespace calbridge::sandbox {

namespace {

using Switch = std::variant<std::atomic<bool>*, std::atomic<int>*>;

std::map<std::string, Switch> switches(Settings& s) {
  return {{"validate", &s.validate},
          {"limits", &s.limits},
          {"record_requests", &s.recordRequests},
          {"latency_ms", &s.latencyMs},
          {"google_per_user", &s.googlePerUser},
          {"google_per_project", &s.googlePerProject},
          {"google_limit_status", &s.googleLimitStatus},
          {"google_revive", &s.googleRevive},
          {"google_testing", &s.googleTesting},
          {"zero_length", &s.zeroLength},
          {"graph_per_mailbox", &s.graphPerMailbox},
          {"graph_concurrent", &s.graphConcurrent},
          {"graph_retry_after", &s.graphRetryAfter},
          {"graph_duplicate_status", &s.graphDuplicateStatus},
          {"graph_transaction_taken", &s.graphTransactionTaken},
          {"strict_rotation", &s.strictRotation},
          {"access_token_seconds", &s.accessTokenSeconds},
          {"code_seconds", &s.codeSeconds},
          {"live_refresh_tokens", &s.liveRefreshTokens}};
}

} // namespace

const char* toString(Kind kind) {
  return kind == Kind::google ? "google" : "outlook";
}

json Settings::toJson() const {
  json all = json::object();
  for (auto& [name, value] : switches(const_cast<Settings&>(*this)))
    std::visit([&, &key = name](auto* at) { all[key] = at->load(); }, value);
  return all;
}

void Settings::apply(const json& changes) {
  auto known = switches(*this);
  if (!changes.is_object())
    throw Error("invalid_setting", "the settings must be a JSON object");
  for (auto& [name, value] : changes.items()) {
    auto found = known.find(name);
    if (found == known.end())
      throw Error("invalid_setting", "there is no setting " + name, {}, "/" + name);
    bool isFlag = std::holds_alternative<std::atomic<bool>*>(found->second);
    if (isFlag ? !value.is_boolean() : !value.is_number_integer())
      throw Error("invalid_setting", name + (isFlag ? " must be true or false" : " must be a whole number"), {},
                  "/" + name);
  }
  for (auto& [name, value] : changes.items()) {
    auto& target = known.at(name);
    if (auto* flag = std::get_if<std::atomic<bool>*>(&target))
      (*flag)->store(value.get<bool>());
    else
      std::get<std::atomic<int>*>(target)->store(value.get<int>());
  }
}

bool SlidingWindow::take(TimeMs now, TimeMs span, std::int64_t limit, std::int64_t units) {
  while (!entries_.empty() && entries_.front().first <= now - span) {
    sum_ -= entries_.front().second;
    entries_.pop_front();
  }
  if (sum_ + units > limit)
    return false;
  sum_ += units;
  if (!entries_.empty() && entries_.back().first == now)
    entries_.back().second += units;
  else
    entries_.emplace_back(now, units);
  return true;
}

Calendar& Account::primary() {
  for (auto& [calendarId, calendar] : calendars)
    if (calendar.primary)
      return calendar;
  throw Error("no_primary", "the account " + email + " has lost its primary calendar");
}

std::shared_ptr<Account> Accounts::find(Kind kind, const std::string& email) const {
  std::shared_lock lock(mutex_);
  auto found = accounts_.find({kind, email});
  return found == accounts_.end() ? nullptr : found->second;
}

std::shared_ptr<Account> Accounts::findOrMake(Kind kind, const std::string& email) {
  if (auto known = find(kind, email))
    return known;
  std::unique_lock lock(mutex_);
  auto& slot = accounts_[{kind, email}];
  if (slot)
    return slot;
  auto account = std::make_shared<Account>();
  account->kind = kind;
  account->email = email;
  account->name = email.substr(0, email.find('@'));
  if (!account->name.empty() && account->name[0] >= 'a' && account->name[0] <= 'z')
    account->name[0] = static_cast<char>(account->name[0] - 32);
  Calendar calendar;
  calendar.primary = true;
  std::string digest = sha256Hex(email);
  if (kind == Kind::google) { // 21 decimal digits, the same after every start
    account->id = "1";
    for (std::size_t i = 0; i < 20; ++i)
      account->id += static_cast<char>('0' + digest[i] % 10);
    calendar.id = email;
    calendar.name = email;
  } else {
    account->id = digest.substr(0, 16);
    calendar.id = "AQMkAD" + random_.token(24) + "AAA=";
    calendar.name = "Calendar";
  }
  account->calendars[calendar.id] = std::move(calendar);
  return slot = account;
}

std::vector<std::shared_ptr<Account>> Accounts::all(Kind kind) const {
  std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<Account>> found;
  for (auto& [key, account] : accounts_)
    if (key.first == kind)
      found.push_back(account);
  return found;
}

void Accounts::clear() {
  std::unique_lock lock(mutex_);
  accounts_.clear();
}

} // namespace calbridge::sandbox
