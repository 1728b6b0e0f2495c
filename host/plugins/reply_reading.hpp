#pragma once
#include "plugins/redaction.hpp"
#include "plugins/wire.hpp"

/// How the documents of the boundary are read, for those who read them. Pure.
namespace calbridge::plugins {

using Secrets = std::span<const std::string_view>;

constexpr std::size_t kLongestMessage = 1000;

/// What an ok reply breaks.
struct Breach {
  std::string what;
};

/// Throws Breach.
nlohmann::json readObject(const Reply& reply);
/// Moves a text out of `object`; empty when it may be absent. `at` is the pointer of that object. Throws Breach.
std::string text(nlohmann::json& object, const char* key, bool required, const std::string& at = {});

/// Runs `read` over an ok reply's object; everything else is a Failure.
template <typename T, typename Read>
Outcome<T> outcome(const Reply& reply, Secrets secrets, Read read) {
  if (auto failure = failureFromWire(reply, secrets)) {
    return std::move(*failure);
  }
  try {
    nlohmann::json object = readObject(reply);
    return read(object);
  } catch (const Breach& breach) {
    return Failure{Status::internal, presentable(breach.what, secrets, kLongestMessage), "", {}};
  }
}

} // namespace calbridge::plugins
