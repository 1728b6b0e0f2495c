#pragma once
#include "core/logger.hpp"
#include "faults.hpp"
#include "http/edge/server.hpp"

namespace calbridge::sandbox {

struct SandboxOptions {
  std::string listen = "127.0.0.1:0";
  const Clock* clock = nullptr; ///< borrowed; null: the machine's. Moved further by control("POST", "/control/clock")
  Client google{
      "sandbox-google-client", "sandbox-google-secret", {"http://localhost:8000/api/calendar/google/callback/"}};
  Client outlook{
      "sandbox-outlook-client", "sandbox-outlook-secret", {"http://localhost:8000/api/calendar/outlook/callback/"}};
  std::vector<std::string> demoAccounts{
      "john@gmail.example", "sarah@gmail.example", "sarah@outlook.example",
      "mia@outlook.example"}; ///< offered on the consent pages of the provider that they name
};

/// Google's and Microsoft's stand-in on one listener: OAuth, Calendar v3, Graph, pages, and /control/ (see README.md).
/// Thread-safe.
class Sandbox {
 public:
  Sandbox(SandboxOptions options, Logger& logger);
  ~Sandbox();

  /// Throws Error("listen_failed").
  void start();
  void stop();
  /// "http://127.0.0.1:PORT", after start().
  std::string url() const;
  Settings& settings() { return settings_; }
  /// What /control/ answers, without a socket. Throws Error with the problem's code when that is no success.
  json control(const std::string& method, const std::string& pathAndQuery, const json& body = {});
  /// For handing out tokens without the pages (benchmarks).
  Grants& grants() { return grants_; }
  /// Registers or replaces an application.
  void addClient(Kind kind, Client client) { grants_.addClient(kind, std::move(client)); }

 private:
  class MovedClock final : public Clock {
   public:
    explicit MovedClock(const Clock* base) : base_(base ? *base : system_) {}
    TimeMs now() const override { return base_.now() + moved_.load(); }
    TimeMs monotonic() const override { return base_.monotonic() + moved_.load(); }
    void move(TimeMs by) { moved_ += by; }
    void reset() { moved_ = 0; }

   private:
    SystemClock system_;
    const Clock& base_;
    std::atomic<TimeMs> moved_{0};
  };

  Response dispatch(Request& request);
  Response provider(Kind kind, Request& request);
  Response route(Kind kind, Request& request, std::chrono::milliseconds delay);
  Response controlRoute(Request& request);
  Response accountRoute(Kind kind, const std::string& method, std::span<const std::string> rest, const json& body);
  void record(Kind kind, const Request& request, const std::string& account, int status);
  std::string ownerOf(const Request& request) const;
  void reset();

  SandboxOptions options_;
  SystemClock systemClock_;
  MovedClock clock_;
  SystemRandom random_;
  Settings settings_;
  Accounts accounts_;
  Grants grants_;
  Violations violations_;
  Schemas schemas_;
  Services services_;
  Faults faults_;
  Consent consent_;
  GoogleTokens googleTokens_;
  OutlookTokens outlookTokens_;
  GoogleCalendar calendar_;
  Graph graph_;
  std::mutex logMutex_;
  std::deque<json> log_;
  std::map<std::string, std::uint64_t> counters_;
  http::Server server_;
};

} // namespace calbridge::sandbox
