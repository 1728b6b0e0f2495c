#include "store/sqlite/lease_book.hpp"

namespace calbridge::store::sqlite {

std::int64_t LeaseBook::lease(const DeliveryKey& key, TimeMs until) {
  leases_[key] = {++lastFence_, until, true};
  earliest_ = std::min(earliest_.value_or(until), until);
  return lastFence_;
}

bool LeaseBook::leased(const DeliveryKey& key) const {
  const auto found = leases_.find(key);
  return found != leases_.end() && found->second.held;
}

bool LeaseBook::current(const DeliveryKey& key, std::int64_t fence) const {
  const auto found = leases_.find(key);
  return found != leases_.end() && found->second.fence == fence;
}

bool LeaseBook::release(const DeliveryKey& key, std::int64_t fence) {
  const auto found = leases_.find(key);
  if (found == leases_.end() || found->second.fence != fence)
    return false;
  found->second.held = false;
  return true;
}

void LeaseBook::annul(const DeliveryKey& key) {
  if (const auto found = leases_.find(key); found != leases_.end()) {
    found->second.fence = ++lastFence_;
    found->second.held = false;
  }
}

void LeaseBook::expire(TimeMs now, const std::function<void(const DeliveryKey&)>& ended) {
  if (!earliest_ || *earliest_ > now)
    return;
  earliest_.reset();
  for (auto& [key, lease] : leases_) {
    if (!lease.held)
      continue;
    if (lease.until <= now) {
      lease.held = false;
      ended(key);
    } else {
      earliest_ = std::min(earliest_.value_or(lease.until), lease.until);
    }
  }
}

std::optional<TimeMs> LeaseBook::nextExpiry() const {
  return leases_.empty() ? std::nullopt : earliest_;
}

void DueSchedule::lower(std::int64_t connectionId, TimeMs at) {
  const auto found = heads_.find(connectionId);
  if (found != heads_.end() && found->second <= at)
    return;
  set(connectionId, at);
}

void DueSchedule::set(std::int64_t connectionId, std::optional<TimeMs> at) {
  const auto found = heads_.find(connectionId);
  if (found != heads_.end()) {
    if (at && found->second == *at)
      return;
    order_.erase({found->second, connectionId});
    heads_.erase(found);
  }
  if (!at)
    return;
  heads_.emplace(connectionId, *at);
  order_.emplace(*at, connectionId);
}

} // namespace calbridge::store::sqlite
