#include "http/auth/password_hash.hpp"

#include "core/error.hpp"

#include <argon2.h>
#include <array>
#include <charconv>
#include <optional>

namespace calbridge::http {
namespace {

constexpr std::size_t kSaltBytes = 16; // RFC 9106 section 3.1
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kMaxPasswordBytes = 1024;
constexpr std::size_t kMinPasswordCharacters = 8;
constexpr PasswordCost kLeastCost{};
constexpr PasswordCost kMostCost{.memoryKib = 1024 * 1024, .iterations = 100, .lanes = 64};

/// The number of code points, or nullopt when the text is not UTF-8 (RFC 3629).
std::optional<std::size_t> countCharacters(std::string_view text) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++characters) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    std::size_t more = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      more = 2;
      low = lead == 0xE0 ? 0xA0 : low;
      high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      more = 3;
      low = lead == 0xF0 ? 0x90 : low;
      high = lead == 0xF4 ? 0x8F : high;
    } else if (lead >= 0x80) {
      return std::nullopt;
    }
    for (; more > 0; --more, low = 0x80, high = 0xBF) {
      if (i >= text.size())
        return std::nullopt;
      const auto next = static_cast<unsigned char>(text[i++]);
      if (next < low || next > high)
        return std::nullopt;
    }
  }
  return characters;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix))
    return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool takeNumber(std::string_view& text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc())
    return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

/// The cost that an encoded argon2id hash names; nullopt for anything else than that.
std::optional<PasswordCost> costOf(std::string_view encoded) {
  PasswordCost cost;
  const bool readable = take(encoded, "$argon2id$v=19$m=") && takeNumber(encoded, cost.memoryKib) &&
                        take(encoded, ",t=") && takeNumber(encoded, cost.iterations) && take(encoded, ",p=") &&
                        takeNumber(encoded, cost.lanes) && take(encoded, "$");
  return readable ? std::optional(cost) : std::nullopt;
}

[[noreturn]] void fail(int code) {
  throw Error("password_hash_failed", "the password could not be processed now; try again later",
              std::string("argon2id: ") + argon2_error_message(code));
}

} // namespace

/// The right to compute, taken for as long as it lives.
class PasswordHasher::Turn {
 public:
  explicit Turn(PasswordHasher& hasher) : hasher_(hasher) {
    std::unique_lock lock(hasher_.mutex_);
    if (hasher_.running_ >= hasher_.limits_.running) {
      if (hasher_.waiting_ >= hasher_.limits_.waiting)
        refuse();
      ++hasher_.waiting_;
      const bool free = hasher_.freed_.wait_for(lock, hasher_.limits_.wait,
                                                [this] { return hasher_.running_ < hasher_.limits_.running; });
      --hasher_.waiting_;
      if (!free)
        refuse();
    }
    ++hasher_.running_;
  }
  ~Turn() {
    {
      std::lock_guard lock(hasher_.mutex_);
      --hasher_.running_;
    }
    hasher_.freed_.notify_one();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  [[noreturn]] static void refuse() {
    throw Error("login_busy", "too many people are logging in at this moment; try again in a few seconds");
  }

  PasswordHasher& hasher_;
};

void checkNewPassword(std::string_view password) {
  const auto refuse = [](const char* why) { throw Error("invalid_password", why, {}, "/password"); };
  if (password.size() > kMaxPasswordBytes)
    refuse("the password is too long: at most 1024 bytes");
  const auto characters = countCharacters(password);
  if (!characters)
    refuse("the password is not valid UTF-8");
  if (*characters < kMinPasswordCharacters)
    refuse("the password is too short: at least 8 characters");
}

PasswordHasher::PasswordHasher(Random& random, PasswordCost cost, PasswordLimits limits)
    : cost_(cost), limits_(limits), random_(random) {
  if (cost.memoryKib < kLeastCost.memoryKib || cost.iterations < kLeastCost.iterations || cost.lanes < kLeastCost.lanes)
    throw Error("invalid_configuration",
                "the password cost is too low: at least 19456 KiB of memory, 2 iterations and 1 lane");
  if (cost.memoryKib > kMostCost.memoryKib || cost.iterations > kMostCost.iterations || cost.lanes > kMostCost.lanes)
    throw Error("invalid_configuration",
                "the password cost is too high: at most 1048576 KiB of memory, 100 iterations and 64 lanes");
  if (limits.running == 0)
    throw Error("invalid_configuration", "at least one password must be allowed to be processed at a time");
  nobody_ = hash(random_.token());
}

std::string PasswordHasher::hash(std::string_view password) {
  checkNewPassword(password);
  std::array<std::uint8_t, kSaltBytes> salt{};
  random_.fill(salt);
  std::string encoded(
      argon2_encodedlen(cost_.iterations, cost_.memoryKib, cost_.lanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  const Turn turn(*this);
  const int code =
      argon2id_hash_encoded(cost_.iterations, cost_.memoryKib, cost_.lanes, password.data(), password.size(),
                            salt.data(), salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (code != ARGON2_OK)
    fail(code);
  encoded.resize(encoded.find('\0')); // the length counts a terminator
  return encoded;
}

bool PasswordHasher::verify(std::string_view password, const std::string& encoded) {
  if (password.size() > kMaxPasswordBytes)
    return false; // says nothing about the account: nobody has such a password
  const auto cost = costOf(encoded);
  const bool usable = cost && cost->memoryKib <= kMostCost.memoryKib && cost->iterations <= kMostCost.iterations &&
                      cost->lanes <= kMostCost.lanes;
  const Turn turn(*this);
  if (usable) {
    const int code = argon2id_verify(encoded.c_str(), password.data(), password.size());
    if (code == ARGON2_OK)
      return true;
    if (code == ARGON2_VERIFY_MISMATCH)
      return false;
    if (code == ARGON2_MEMORY_ALLOCATION_ERROR || code == ARGON2_THREAD_FAIL)
      fail(code);
  }
  const int code = argon2id_verify(nobody_.c_str(), password.data(), password.size());
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR || code == ARGON2_THREAD_FAIL)
    fail(code);
  return false;
}

bool PasswordHasher::needsRehash(const std::string& encoded) const {
  const auto cost = costOf(encoded);
  return !cost || cost->memoryKib < cost_.memoryKib || cost->iterations < cost_.iterations ||
         cost->lanes != cost_.lanes;
}

} // namespace calbridge::http
