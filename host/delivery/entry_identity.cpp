#include "delivery/entry_identity.hpp"
#include "core/digest.hpp"

namespace calbridge::delivery {
namespace {

/// 128 bits of a hash in the form of a version 8 UUID (RFC 9562 section 5.8).
std::string uuidOf(std::string_view text) {
  std::string hex = sha256Hex(text).substr(0, 32);
  hex[12] = '8';
  hex[16] = '8';
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

} // namespace

EntryIdentity::EntryIdentity(store::Store& store, Random& random) {
  constexpr const char* kKey = "installation_id";
  const auto known = store.meta(kKey);
  installation_ = known ? *known : store.metaOnce(kKey, random.token(16));
  firstAttempt_ = store.meta(kRestoredKey) ? 2 : 1;
}

/// Each part with its length: no two entries share a text, whatever characters ids contain.
std::string EntryIdentity::name(std::string_view person, std::string_view appointment,
                                std::string_view provider) const {
  std::string text = installation_;
  for (const auto part : {person, appointment, provider})
    text.append("/").append(std::to_string(part.size())).append(":").append(part);
  return text;
}

std::string EntryIdentity::uid(std::string_view person, std::string_view appointment, std::string_view provider) const {
  return sha256Hex(name(person, appointment, provider)).substr(0, 40);
}

std::string EntryIdentity::idempotencyKey(std::string_view person, std::string_view appointment,
                                          std::string_view provider, int generation) const {
  return uuidOf(name(person, appointment, provider) + "/" + std::to_string(generation));
}

} // namespace calbridge::delivery
