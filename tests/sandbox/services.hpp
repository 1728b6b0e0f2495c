#pragma once
#include "grants.hpp"
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"
#include "schema.hpp"

namespace calbridge::sandbox {

/// What calbridge must not do although the provider lets it: mails sent, headers forgotten. Thread-safe.
class Violations {
 public:
  void add(Kind kind, const std::string& account, const std::string& what);
  json list() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::pair<json, int>> seen_; ///< each once, counted
};

/// What every part of the sandbox works with; owned by Sandbox.
struct Services {
  Settings& settings;
  const Clock& clock;
  Random& random;
  Accounts& accounts;
  Grants& grants;
  Violations& violations;
  const Schemas& schemas;
  std::vector<std::string> demoAccounts; ///< offered on the consent page
};

using http::Request;
using http::Response;

/// The authorize endpoints and the consent page of both providers.
class Consent {
 public:
  explicit Consent(Services& services) : s_(services) {}
  Response authorize(Kind kind, const Request& request);
  /// The page's form: handle, decision, account or other, scope…
  Response decide(const Request& request);

 private:
  Response page(const Authorization& asked);
  Response answer(const Authorization& asked, const std::string& email, const std::vector<std::string>& scopes);
  Response refuse(const Authorization& asked, const std::string& error, const std::string& description);
  Services& s_;
};

/// POST /google/token, /google/revoke and the userinfo endpoint.
class GoogleTokens {
 public:
  explicit GoogleTokens(Services& services) : s_(services) {}
  Response token(const Request& request);
  Response revoke(const Request& request);
  Response userInfo(const Request& request);

 private:
  Response reply(const std::string& email, const std::string& client, const std::vector<std::string>& scopes,
                 bool refresh, const std::string& nonce);
  Services& s_;
};

/// POST /outlook/{tenant}/oauth2/v2.0/token.
class OutlookTokens {
 public:
  explicit OutlookTokens(Services& services) : s_(services) {}
  Response token(const Request& request);

 private:
  Response fail(int status, const char* error, int code, const std::string& description);
  Response reply(const std::string& email, const std::string& client, const std::vector<std::string>& granted,
                 const std::vector<std::string>& scopes, const std::string& nonce);
  Services& s_;
};

/// An unsigned stand-in for OpenID Connect's id_token: a JWT whose payload is right and whose signature nobody can
/// check.
std::string idToken(Services& services, const json& claims);

/// Google Calendar v3 below /google/calendar/v3.
class GoogleCalendar {
 public:
  explicit GoogleCalendar(Services& services) : s_(services) {}
  /// `rest`: the path's segments behind v3. `delay`: how long the admitted request takes.
  Response handle(Request& request, std::span<const std::string> rest, std::chrono::milliseconds delay);
  void reset();
  static Response error(int status, const std::string& reason, const std::string& message,
                        const std::string& domain = "global", const std::string& location = {},
                        const std::string& locationType = {});

 private:
  struct Call;
  Response events(Call& call, const std::string& calendarId, std::span<const std::string> rest);
  Response calendars(Call& call, std::span<const std::string> rest);
  Response calendarList(Call& call, std::span<const std::string> rest);
  Response insert(Call& call, Calendar& calendar, json body);
  Response change(Call& call, Calendar& calendar, const std::string& id, json body, bool patch);
  Response remove(Call& call, Calendar& calendar, const std::string& id);
  Response list(Call& call, Calendar& calendar);
  std::optional<Response> takeQuota(Call& call, int units);
  Services& s_;
  std::mutex projectMutex_;
  std::map<std::string, SlidingWindow> projects_; ///< by client
};

/// Microsoft Graph v1.0 below /outlook/v1.0.
class Graph {
 public:
  explicit Graph(Services& services) : s_(services) {}
  Response handle(Request& request, std::span<const std::string> rest, std::chrono::milliseconds delay);
  static Response error(Services& services, int status, const std::string& code, const std::string& message);

 private:
  struct Call;
  Response route(Call& call, std::span<const std::string> rest);
  Response me(Call& call);
  Response calendars(Call& call, std::span<const std::string> rest);
  Response events(Call& call, Calendar* calendar, std::span<const std::string> rest);
  Response calendarView(Call& call, Calendar& calendar);
  Response create(Call& call, Calendar& calendar);
  Response update(Call& call, Calendar& calendar, StoredEvent& event);
  Response list(Call& call, Calendar* calendar);
  std::optional<Response> admit(Call& call);
  Response fail(int status, const std::string& code, const std::string& message);
  Services& s_;
};

/// A person's own doings and the pages, for both providers.
std::string renderOverview(Services& services);
std::string renderAccount(Services& services, Account& account);
std::string escapeHtml(const std::string& text);
/// 64 hexadecimal digits of chance.
std::string randomHex(Random& random);

} // namespace calbridge::sandbox
