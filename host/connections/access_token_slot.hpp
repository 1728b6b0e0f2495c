#pragma once
#include "connections/access_tokens.hpp"

#include <atomic>
#include <condition_variable>

/// What the two halves of AccessTokens share: who asks (access_tokens.cpp), and how a token is renewed
/// (token_renewal.cpp).
namespace calbridge::connections {

struct AccessTokens::Wish {
  bool afterRefusal = false;
  std::string refused;
};

/// What is known of one connection. `busy` is the right to change it and to talk to store and provider; the fields are
/// written by the thread that has it, under `mutex`, and read by it without.
struct AccessTokens::Slot {
  struct Unsaved {
    Credentials credentials;
    std::string personId;
    std::string provider;
    std::string sealed; ///< kept, so that the store knows a repeated attempt again
    std::int64_t expectedVersion = 0;
    int unproven = 0;
  };

  std::mutex mutex;
  std::condition_variable changed;
  bool busy = false;
  std::uint64_t flight = 0;           ///< counts finished ones
  std::optional<Failure> lastFailure; ///< of the last flight

  bool loaded = false;
  bool needsNone = false; ///< the provider works without tokens
  Credentials credentials;
  std::int64_t version = 0;
  int unproven = 0;                ///< renewals after refusals in a row, up to this token, of which none was accepted
  std::atomic<bool> proven{false}; ///< the provider has taken the token; by anybody
  TimeMs obtainedAt = 0;           ///< monotonic
  std::optional<Failure> held;
  TimeMs heldUntil = 0;           ///< monotonic
  std::optional<Unsaved> unsaved; ///< refreshed, but not stored yet; must not be used

  ~Slot() {
    wipe(credentials);
    if (unsaved)
      wipe(unsaved->credentials);
  }
};

/// The connection is gone.
inline Failure connectionEnded() {
  return {Status::reauthRequired, "this calendar is not connected any more", "not_connected", {}};
}

/// Is `sealed` under a master key of the database, as far as it has one? On PostgreSQL that may be another than this
/// host's, if this host was held up and taken for dead while another one changed the key.
std::optional<bool> hasDatabaseKey(store::Store& store, const std::string& sealed);

inline constexpr const char* kOutdated =
    "the database has another master key than this host; give it that key and restart it";

} // namespace calbridge::connections
