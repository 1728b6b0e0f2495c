#include "store/postgresql/due_book.hpp"

namespace calbridge::store::postgresql {

void DueBook::place(std::int64_t connectionId, Entry& entry, std::optional<TimeMs> at) {
  if (entry.waits)
    order_.erase({entry.at, connectionId});
  entry.waits = at.has_value();
  entry.at = at.value_or(0);
  if (at)
    order_.emplace(*at, connectionId);
}

bool DueBook::lower(std::int64_t connectionId, TimeMs at, const std::string& provider) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[connectionId];
  entry.stamp = ++clock_;
  if (!provider.empty())
    entry.provider = provider;
  if (entry.waits && entry.at <= at)
    return false;
  place(connectionId, entry, at);
  return true;
}

void DueBook::forget(std::int64_t connectionId) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(connectionId);
  if (found == entries_.end())
    return;
  place(connectionId, found->second, std::nullopt);
  entries_.erase(found);
}

DueBook::Due DueBook::due(TimeMs now) const {
  const std::lock_guard lock(mutex_);
  Due due;
  due.stamp = clock_;
  for (const auto& [at, connectionId] : order_) {
    if (at > now)
      break;
    due.heads.push_back({connectionId, at, entries_.at(connectionId).provider});
  }
  return due;
}

void DueBook::correct(std::uint64_t stamp, std::int64_t connectionId, std::optional<TimeMs> at,
                      const std::string& provider) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(connectionId);
  if (found == entries_.end() || found->second.stamp > stamp)
    return;
  if (!provider.empty())
    found->second.provider = provider;
  place(connectionId, found->second, at);
  if (!at)
    entries_.erase(found); // a later commit makes another
}

std::optional<TimeMs> DueBook::firstAfter(TimeMs now) const {
  const std::lock_guard lock(mutex_);
  const auto found = order_.upper_bound({now, INT64_MAX});
  return found == order_.end() ? std::nullopt : std::optional(found->first);
}

void HeldClaims::add(const Key& key, std::int64_t fence, TimeMs until) {
  const std::lock_guard lock(mutex_);
  if (const auto former = claims_.find(key); former != claims_.end())
    drop(former);
  claims_[key] = {fence, until};
  order_.emplace(until, key);
  ++perConnection_[key.connectionId];
}

void HeldClaims::drop(std::map<Key, Claim>::iterator claim) {
  const auto connection = perConnection_.find(claim->first.connectionId);
  if (--connection->second == 0)
    perConnection_.erase(connection);
  order_.erase({claim->second.until, claim->first});
  claims_.erase(claim);
}

void HeldClaims::end(const Key& key, std::int64_t fence) {
  const std::lock_guard lock(mutex_);
  const auto found = claims_.find(key);
  if (found != claims_.end() && found->second.fence == fence)
    drop(found);
}

int HeldClaims::on(std::int64_t connectionId) const {
  const std::lock_guard lock(mutex_);
  const auto found = perConnection_.find(connectionId);
  return found == perConnection_.end() ? 0 : found->second;
}

std::set<std::int64_t> HeldClaims::expire(TimeMs now) {
  const std::lock_guard lock(mutex_);
  std::set<std::int64_t> connections;
  while (!order_.empty() && order_.begin()->first <= now) {
    const auto claim = claims_.find(order_.begin()->second);
    connections.insert(claim->first.connectionId);
    drop(claim);
  }
  return connections;
}

std::optional<TimeMs> HeldClaims::nextExpiry() const {
  const std::lock_guard lock(mutex_);
  return order_.empty() ? std::nullopt : std::optional(order_.begin()->first);
}

} // namespace calbridge::store::postgresql
