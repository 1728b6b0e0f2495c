#pragma once
#include <array>
#include <functional>
#include <mutex>
#include <string>

namespace calbridge::connections {

/// Orders the beginning and the end of one person's connections within this process, so that ending an old connection
/// cannot destroy the credentials which a reconnection has just put into the same row. Held for store calls only, never
/// while a provider is asked. Thread-safe.
class PersonLocks {
 public:
  std::unique_lock<std::mutex> hold(const std::string& personId) {
    return std::unique_lock(stripes_[std::hash<std::string>{}(personId) % stripes_.size()]);
  }

 private:
  std::array<std::mutex, 64> stripes_;
};

} // namespace calbridge::connections
