#pragma once
#include "services.hpp"

namespace calbridge::sandbox {

/// One injected misbehaviour; see README.md for the JSON.
struct Fault {
  enum class Effect { none, status, reset, truncate, garbage, hang, drip };
  std::string id;
  std::optional<Kind> provider;
  std::string method;  ///< empty: any
  std::string path;    ///< pattern with *, empty: any
  std::string account; ///< empty: any
  int skip = 0;        ///< so many matching requests pass first
  int count = 1;       ///< so many are hit; 0: until removed
  int hits = 0;
  bool after = false; ///< the request is carried out first: the write is committed
  Effect effect = Effect::status;
  int status = 503;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string reason; ///< makes the provider's own error body
  int latencyMs = 0;
  int intervalMs = 100; ///< drip: between two bytes
  int hangMs = 600'000;

  /// Throws Error("invalid_fault") that names the member.
  static Fault fromJson(const json& document);
  json toJson() const;
};

/// The active faults. Thread-safe; costs nothing while there are none.
class Faults {
 public:
  explicit Faults(Services& services) : s_(services) {}
  std::string add(Fault fault);
  json list() const;
  bool remove(const std::string& id);
  void clear();
  bool any() const { return any_.load(std::memory_order_relaxed); }
  /// The first fault that this request meets, counted.
  std::optional<Fault> match(Kind kind, const Request& request);
  /// What the client gets instead of `real`, which is empty unless the request was carried out.
  Response apply(const Fault& fault, Kind kind, std::optional<Response> real) const;

 private:
  std::string accountOf(const Request& request) const;
  Services& s_;
  mutable std::mutex mutex_;
  std::vector<Fault> faults_;
  std::atomic<bool> any_{false};
  int next_ = 0;
};

/// True when `text` fits a pattern in which * stands for anything.
bool fitsPattern(std::string_view pattern, std::string_view text);

} // namespace calbridge::sandbox
