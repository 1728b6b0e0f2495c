#include "google_rules.hpp"
#include "graph_rules.hpp"
#include "sandbox.hpp"

#include "core/error.hpp"

namespace calbridge::sandbox {

namespace {

std::optional<Kind> kindOf(const json& name) {
  if (name == "google")
    return Kind::google;
  return name == "outlook" ? std::optional(Kind::outlook) : std::nullopt;
}

Kind neededKind(const json& body) {
  auto kind = body.contains("provider") ? kindOf(body["provider"]) : std::nullopt;
  if (!kind)
    throw Error("invalid_provider", "provider must be google or outlook", {}, "/provider");
  return *kind;
}

std::string neededText(const json& body, const char* name) {
  if (!body.contains(name) || !body[name].is_string() || body[name].get_ref<const std::string&>().empty())
    throw Error("invalid_body", std::string(name) + " must be a non-empty string", {}, std::string("/") + name);
  return body[name];
}

json summary(Account& account, const Grants& grants) {
  std::lock_guard lock(account.mutex);
  json calendars = json::array();
  for (auto& [id, calendar] : account.calendars) {
    auto live =
        std::count_if(calendar.events.begin(), calendar.events.end(), [](auto& item) { return !item.second.deleted; });
    calendars.push_back({{"id", id},
                         {"name", calendar.name},
                         {"primary", calendar.primary},
                         {"time_zone", calendar.timeZone},
                         {"client", calendar.client},
                         {"events", live}});
  }
  return {{"provider", toString(account.kind)},
          {"email", account.email},
          {"id", account.id},
          {"name", account.name},
          {"calendars", calendars},
          {"invitations", account.invitations},
          {"live_refresh_tokens", grants.liveRefreshTokens(account.kind, account.email)}};
}

json describe(const Calendar& calendar, const std::string& id, const StoredEvent& event) {
  return {{"calendar", calendar.id},
          {"id", id},
          {"deleted", event.deleted},
          {"client", event.client},
          {"start_utc", formatRfc3339(event.startUtc)},
          {"end_utc", formatRfc3339(event.endUtc)},
          {"extended", event.extended},
          {"resource", event.resource}};
}

} // namespace

Response Sandbox::controlRoute(Request& request) {
  std::span<const std::string> path = request.segments;
  auto rest = path.subspan(1);
  const std::string& method = request.method;
  json body;
  if (!request.body.empty()) {
    body = json::parse(request.body, nullptr, false);
    if (body.is_discarded())
      return http::problem(400, "malformed_body", "the body is not JSON");
  }
  std::string what = rest.empty() ? std::string() : rest[0];
  auto is = [&](const char* wantedMethod, const char* wanted, std::size_t size = 1) {
    return method == wantedMethod && what == wanted && rest.size() == size;
  };
  auto done = [] { return Response::json(200, {{"done", true}}); };

  if (is("POST", "reset")) {
    reset();
    return done();
  }
  if (is("GET", "settings"))
    return Response::json(200, settings_.toJson());
  if (is("PATCH", "settings")) {
    settings_.apply(body);
    return Response::json(200, settings_.toJson());
  }
  if (is("POST", "clients")) {
    Client client{neededText(body, "client_id"), neededText(body, "client_secret"), {}};
    for (const json& uri : body.value("redirect_uris", json::array()))
      client.redirectUris.insert(uri.get<std::string>());
    grants_.addClient(neededKind(body), std::move(client));
    return done();
  }
  if (is("POST", "authorize")) {
    Decision decision;
    std::string choice = body.value("decision", std::string("allow"));
    decision.error = choice == "allow" ? "" : choice == "deny" ? "access_denied" : choice;
    decision.description = body.value("description", std::string());
    decision.account = body.value("account", std::string());
    decision.count = body.value("count", 1);
    if (body.contains("scopes"))
      decision.scopes = body["scopes"].get<std::vector<std::string>>();
    grants_.decideNext(neededKind(body), std::move(decision));
    return done();
  }
  if (is("POST", "faults"))
    return Response::json(201, {{"id", faults_.add(Fault::fromJson(body))}});
  if (is("GET", "faults"))
    return Response::json(200, faults_.list());
  if (is("DELETE", "faults")) {
    faults_.clear();
    return done();
  }
  if (is("DELETE", "faults", 2))
    return faults_.remove(rest[1]) ? done() : http::problem(404, "not_found", "there is no fault " + rest[1]);
  if (is("POST", "revoke"))
    return Response::json(200, {{"ended", grants_.revokeAccount(neededKind(body), neededText(body, "account"))}});
  if (is("POST", "expire-access-tokens")) {
    std::size_t count = 0;
    for (Kind kind : {Kind::google, Kind::outlook})
      if (!body.contains("provider") || neededKind(body) == kind)
        count += grants_.expireAccess(kind, body.is_object() ? body.value("account", std::string()) : std::string());
    return Response::json(200, {{"expired", count}});
  }
  if (is("POST", "clock")) {
    if (!body.is_object() || !body.contains("advance_ms") || !body["advance_ms"].is_number_integer())
      return http::problem(400, "invalid_body", "advance_ms must be a whole number", "/advance_ms");
    clock_.move(body["advance_ms"].get<TimeMs>());
    return Response::json(200, {{"now", formatRfc3339(clock_.now())}});
  }
  if (is("GET", "requests")) {
    std::lock_guard lock(logMutex_);
    return Response::json(200, json(log_));
  }
  if (is("DELETE", "requests")) {
    std::lock_guard lock(logMutex_);
    log_.clear();
    counters_.clear();
    return done();
  }
  if (is("GET", "counters")) {
    std::lock_guard lock(logMutex_);
    return Response::json(200, json(counters_));
  }
  if (is("GET", "violations"))
    return Response::json(200, violations_.list());
  if (auto kind = kindOf(what); kind && rest.size() >= 2 && rest[1] == "accounts")
    return accountRoute(*kind, method, rest.subspan(2), body);
  return http::problem(404, "not_found", "there is no control " + method + " " + request.path);
}

/// What a person does by hand, and what a test wants to see, below /control/{provider}/accounts.
Response Sandbox::accountRoute(Kind kind, const std::string& method, std::span<const std::string> rest,
                               const json& body) {
  if (rest.empty() && method == "GET") {
    json all = json::array();
    for (auto& account : accounts_.all(kind))
      all.push_back(summary(*account, grants_));
    return Response::json(200, all);
  }
  auto missing = [](const std::string& thing) { return http::problem(404, "not_found", "there is no " + thing); };
  if (rest.empty())
    return http::problem(405, "method_not_allowed", "accounts are made by using them");
  auto account = accounts_.find(kind, rest[0]);
  if (!account)
    return missing("account " + rest[0]);
  if (rest.size() == 1 && method == "GET")
    return Response::json(200, summary(*account, grants_));
  std::lock_guard lock(account->mutex);
  if (rest.size() == 3 && rest[1] == "calendars" && method == "DELETE")
    return account->calendars.erase(rest[2]) > 0 ? Response::json(200, {{"done", true}})
                                                 : missing("calendar " + rest[2]);
  if (rest.size() < 2 || rest[1] != "events")
    return missing("such control");
  if (rest.size() == 2 && method == "GET") {
    json all = json::array();
    for (auto& [id, calendar] : account->calendars)
      for (auto& [key, event] : calendar.events)
        all.push_back(describe(calendar, key, event));
    return Response::json(200, all);
  }
  if (rest.size() == 2 && method == "POST") { // an entry that the person made
    Calendar& calendar = account->primary();
    StoredEvent event;
    event.resource = body.is_object() ? body : json::object();
    std::string id = event.resource.value("id", randomHex(random_).substr(0, 26));
    event.resource["id"] = id;
    if (kind == Kind::google) {
      if (auto wrong = checkGoogleEvent(event.resource, calendar, settings_, event))
        return std::move(*wrong);
      event.resource.emplace("status", "confirmed");
      event.resource.emplace("summary", "");
    } else {
      if (auto wrong = checkGraphEvent(event.resource, event))
        return http::problem(wrong->status, wrong->code, wrong->message);
      event.resource.emplace("subject", "");
      event.resource.emplace("body", json{{"contentType", "html"}, {"content", ""}});
    }
    event.change = ++account->changes;
    event.resource["etag"] = event.resource["@odata.etag"] = "\"hand" + std::to_string(event.change) + "\"";
    json answer = describe(calendar, id, event);
    calendar.events[id] = std::move(event);
    return Response::json(201, answer);
  }
  if (rest.size() != 3 || (method != "PATCH" && method != "DELETE"))
    return missing("such control");
  std::string key = rest[2];
  if (kind == Kind::outlook && key.size() > 10 && (key.starts_with("AAkALg") || key.starts_with("AAMkAG")))
    key = key.substr(6, key.size() - 10);
  for (auto& [id, calendar] : account->calendars) {
    auto found = calendar.events.find(key);
    if (found == calendar.events.end())
      continue;
    StoredEvent& event = found->second;
    event.change = ++account->changes;
    calendar.change = event.change;
    std::string etag = "\"hand" + std::to_string(event.change) + "\"";
    event.resource[kind == Kind::google ? "etag" : "@odata.etag"] = kind == Kind::google ? etag : "W/" + etag;
    event.resource[kind == Kind::google ? "updated" : "lastModifiedDateTime"] = formatRfc3339(clock_.now());
    if (method == "PATCH") {
      mergePatch(event.resource, body);
    } else if (kind == Kind::google) {
      event.deleted = true;
      event.resource["status"] = "cancelled";
    } else {
      calendar.events.erase(found);
    }
    return Response::json(200, {{"done", true}});
  }
  return missing("event " + rest[2]);
}

} // namespace calbridge::sandbox
