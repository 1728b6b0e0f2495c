#pragma once
#include "core/provider.hpp"

#include <cstdint>
#include <string>

namespace calbridge {

/// How the plugin behind a provider is doing, where it runs in a process of its own.
struct ProviderCondition {
  bool isolated = false;     ///< it does
  std::int64_t restarts = 0; ///< of that process, since the host started
  bool quarantined = false;  ///< it ended so often in a row that only now and then one call is let through
  std::string reason;        ///< how it ended last, in words; for whoever operates the host
};

/// What a Provider is besides, if there is something behind it that can be in a condition. Thread-safe.
class ReportsCondition {
 public:
  virtual ~ReportsCondition() = default;
  virtual ProviderCondition condition() const = 0;
};

/// That of any provider; a good one where nothing can be told.
inline ProviderCondition conditionOf(const Provider& provider) {
  const auto* reporting = dynamic_cast<const ReportsCondition*>(&provider);
  return reporting != nullptr ? reporting->condition() : ProviderCondition{};
}

} // namespace calbridge
