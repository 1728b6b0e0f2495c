#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <unordered_map>

namespace calbridge::delivery {

/// What one provider may be asked for; 0: without a limit.
struct RateLimits {
  int perMinute = 0;           ///< requests of all accounts together
  int perAccountPerMinute = 0; ///< requests for one connection
};

/// A quota of so many requests in any minute, as a token bucket: it holds a tenth of them, for bursts, and regains the
/// other nine tenths in a minute, so that no window of a minute ever sees more than the quota. One thread at a time.
class TokenBucket {
 public:
  TokenBucket(int perMinute, TimeMs now);

  bool ready(TimeMs now);
  /// The first of them only when it is ready; more than it holds is a debt, paid before it is ready again.
  void take(TimeMs now, int count = 1);
  /// When one is there (again).
  TimeMs readyAt(TimeMs now);
  bool full(TimeMs now) const;
  /// Another quota from now on. What it holds beyond the new burst is lost; a debt stays.
  void changeTo(int perMinute, TimeMs now);

 private:
  void refill(TimeMs now);
  double tokensAt(TimeMs now) const;

  double capacity_;
  double perMs_;
  double tokens_;
  TimeMs filledAt_;
};

/// The quotas of one provider: of the whole application and of every account. One thread at a time.
class RateLimiter {
 public:
  RateLimiter(RateLimits limits, TimeMs now);

  /// Takes one request out of both quotas when both have one; otherwise takes nothing.
  bool take(std::int64_t connectionId, TimeMs now);
  /// A push that take() let go made so many requests more than one: they are taken out of both quotas afterwards.
  void charge(std::int64_t connectionId, int requests, TimeMs now);
  /// So many hosts work for the application: each keeps to its part of the application's quota. An account's quota is
  /// not shared, since a connection belongs to one host at a time.
  void share(int hosts, TimeMs now);
  /// When something that take() refused since the last call may go; none when it refused nothing.
  std::optional<TimeMs> nextTry(TimeMs now);

 private:
  void forgetIdle(TimeMs now);
  void refuse(TimeMs until);

  const RateLimits limits_;
  std::optional<TokenBucket> all_;
  std::unordered_map<std::int64_t, TokenBucket> accounts_; ///< those that are not full
  std::size_t forgetBeyond_;
  int hosts_ = 1;
  std::optional<TimeMs> refusedUntil_;
};

} // namespace calbridge::delivery
