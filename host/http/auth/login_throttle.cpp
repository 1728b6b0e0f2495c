#include "http/auth/login_throttle.hpp"

#include "core/digest.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>

namespace calbridge::http {
namespace {

/// Hashed, so that a long name costs no more memory than a short one.
std::string accountKey(std::string_view account) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!account.empty() && blank(account.front()))
    account.remove_prefix(1);
  while (!account.empty() && blank(account.back()))
    account.remove_suffix(1);
  std::string lower(account);
  for (char& c : lower)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return sha256(lower);
}

/// An IPv6 host chooses freely within its /64, so the network is what counts.
std::string addressKey(std::string_view address) {
  const std::string text(address.substr(0, address.find('%')));
  std::array<char, 16> bytes{};
  return inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1 ? std::string(bytes.data(), 8) : text.substr(0, 64);
}

} // namespace

LoginThrottle::LoginThrottle(const Clock& clock, LoginThrottleOptions options) : clock_(clock), options_(options) {}

LoginThrottle::Tries& LoginThrottle::touch(Table& table, const std::string& key, TimeMs now) {
  if (const auto found = table.index.find(key); found != table.index.end()) {
    table.order.splice(table.order.begin(), table.order, found->second);
  } else {
    if (!table.order.empty() && table.order.size() >= options_.capacity) {
      table.index.erase(table.order.back().key);
      table.order.pop_back();
    }
    table.order.push_front(Tries{.key = key, .at = {}, .refused = false});
    table.index[key] = table.order.begin();
  }
  Tries& tries = table.order.front();
  while (!tries.at.empty() && tries.at.front() + options_.window.count() <= now)
    tries.at.pop_front();
  return tries;
}

TimeMs LoginThrottle::waitFor(const Tries& tries, std::size_t limit, TimeMs now) const {
  if (tries.at.size() < limit)
    return 0;
  // The try after this one has left the window is free again.
  const TimeMs first = tries.at.empty() ? now : tries.at[tries.at.size() - limit];
  return first + options_.window.count() - now;
}

std::chrono::seconds LoginThrottle::begin(std::string_view account, std::string_view address, bool* first) {
  const std::string accountName = accountKey(account);
  const std::string addressName = addressKey(address);
  const std::lock_guard lock(mutex_);
  const TimeMs now = clock_.monotonic();
  Tries& ofAccount = touch(accounts_, accountName, now);
  Tries& ofAddress = touch(addresses_, addressName, now);
  const TimeMs wait =
      std::max(waitFor(ofAccount, options_.perAccount, now), waitFor(ofAddress, options_.perAddress, now));
  if (wait > 0) {
    if (first != nullptr)
      *first = !ofAccount.refused && !ofAddress.refused;
    ofAccount.refused = ofAddress.refused = true;
    return std::chrono::seconds((wait + 999) / 1000);
  }
  ofAccount.refused = ofAddress.refused = false;
  ofAccount.at.push_back(now);
  ofAddress.at.push_back(now);
  return std::chrono::seconds(0);
}

void LoginThrottle::succeeded(std::string_view account, std::string_view address) {
  const std::string accountName = accountKey(account);
  const std::string addressName = addressKey(address);
  const std::lock_guard lock(mutex_);
  if (const auto found = accounts_.index.find(accountName); found != accounts_.index.end())
    found->second->at.clear();
  if (const auto found = addresses_.index.find(addressName);
      found != addresses_.index.end() && !found->second->at.empty())
    found->second->at.pop_back();
}

} // namespace calbridge::http
