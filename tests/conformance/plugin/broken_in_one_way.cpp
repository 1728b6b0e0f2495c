// A provider that is good, or bad in one way: the way that its file is called after (lib<check>.so), so that one build
// serves all of them. Written against abi.h alone, since most of what it does wrong the SDK would prevent.
#include <atomic>
#include <calbridge/oauth.hpp>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <pthread.h>
#include <set>
#include <unistd.h>

namespace {

using calbridge::sdk::Json;

char faultName[64]; // of this file, told by the dynamic linker

bool fault(const char* check) {
  return std::strcmp(faultName, check) == 0;
}

void* forever(void*) {
  for (;;) {
    ::pause();
  }
}

void startThread() {
  pthread_t thread{};
  if (pthread_create(&thread, nullptr, forever, nullptr) == 0) {
    pthread_detach(thread);
  }
}

void readOwnName() {
  Dl_info info{};
  if (dladdr(&faultName, &info) == 0) {
    return;
  }
  const char* slash = std::strrchr(info.dli_fname, '/');
  const char* name = slash == nullptr ? info.dli_fname : slash + 1;
  const std::size_t size = std::strlen(name);
  if (size > 6 && size - 6 < sizeof faultName) { // lib….so
    std::memcpy(faultName, name + 3, size - 6);
  }
}

#define MANIFEST(capabilities, services, egressSettings, settings)                                                     \
  "{\"id\":\"broken\",\"name\":\"Broken in one "                                                                       \
  "way\",\"version\":\"1.0.0\",\"capabilities\":[\"oauth2\",\"delete\",\"feed\",\"credentials\",\"list-calendars\","   \
  "\"free-busy\",\"changes\",\"invitations\"" capabilities                                                             \
  "],\"requires\":[\"calbridge.call/1\",\"calbridge.http/1\",\"calbridge.clock/1\"" services                           \
  "],\"optional\":[\"calbridge.log/1\",\"calbridge.smtp/"                                                              \
  "1\"],\"egress\":[\"api.acme.example\"],\"egress_settings\":[" egressSettings                                        \
  "],\"credentials_schema\":{\"type\":\"object\",\"required\":[\"password\"],\"properties\":{\"password\":{\"title\":" \
  "\"P\","                                                                                                             \
  "\"type\":\"string\",\"writeOnly\":true}}},\"concurrent\":true,\"settings_schema\":{\"type\":\"object\"" settings    \
  "}}"
#define REVOKE ",\"revoke\""
#define CLOSED ",\"properties\":{},\"additionalProperties\":false"

/// Longer than every variant; what is left over is filled with blanks, which JSON allows at its end.
char manifest[1536] = MANIFEST(REVOKE, "", "", CLOSED);

void say(const char* other) {
  std::memset(manifest, ' ', sizeof manifest);
  std::memcpy(manifest, other, std::strlen(other));
}

__attribute__((constructor)) void atLoading() {
  readOwnName();
  say(fault("manifest.fits")           ? MANIFEST(REVOKE, ",\"calbridge.carrier-pigeon/7\"", "", CLOSED)
      : fault("manifest.capabilities") ? MANIFEST("", "", "", CLOSED)
      : fault("manifest.settings")     ? MANIFEST(REVOKE, "", "", "")
      : fault("manifest.egress")       ? MANIFEST(REVOKE, "", "\"no_such_url\"", CLOSED)
                                       : MANIFEST(REVOKE, "", "", CLOSED));
  if (fault("library.threads")) {
    startThread();
  }
  if (fault("library.files")) {
    const int file = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    ::close(file);
  }
  if (fault("library.environment")) {
    ::setenv("ACME_WAS_HERE", "1", 1);
  }
  if (fault("library.locale")) {
    std::setlocale(LC_ALL, "C.UTF-8");
  }
  if (fault("library.signals")) {
    std::signal(SIGPIPE, SIG_IGN);
  }
}

/// One operation under way.
struct Call {
  const calbridge_host_v1_t* host;
  calbridge_call* handle;

  template <typename Table>
  const Table* service(const char* id) const {
    return static_cast<const Table*>(host->get_service(host, id));
  }
  void reply(calbridge_status status, const std::string& body) const {
    host->reply(handle, status, {body.data(), body.size()});
  }
  void log(const std::string& line) const {
    if (const auto* table = service<calbridge_log_service_v1_t>(CALBRIDGE_LOG_SERVICE)) {
      table->write(handle, CALBRIDGE_LOG_INFO, {line.data(), line.size()});
    }
  }
  std::int64_t nowMs() const { return service<calbridge_clock_service_v1_t>(CALBRIDGE_CLOCK_SERVICE)->now_ms(handle); }
};

/// Ends an operation.
struct End {
  calbridge_status status;
  std::string message;
  std::int64_t retryAfterMs = -1;
  std::string rendering = {};
};

struct Answer {
  int status = 0;
  calbridge::sdk::HttpResponse http;
  Json json;
};

std::string encoded(const std::string& text) {
  return fault("requests.ids") ? text : calbridge::sdk::percentEncode(text);
}

const std::string kApi = "https://api.acme.example/v1";

struct Instance {
  std::string clientId;
  std::string clientSecret;
  std::mutex mutex;
  std::set<std::string> pushed; // uids; nothing may depend on them, and faults do

  bool pushedBefore(const std::string& uid) {
    const std::lock_guard lock(mutex);
    return !pushed.insert(uid).second;
  }
};
std::string lastClientId; // only the fault instance.apart looks at it
std::atomic<int> insideAny{0};

Answer send(const Call& call, const char* method, const std::string& url, const std::string& token,
            const std::string& body, const char* type = "application/json", const char* extra = nullptr) {
  Json head = {{"method", method}, {"url", url}, {"headers", Json::array()}};
  if (!token.empty()) {
    head["headers"].push_back({"Authorization", "Bearer " + token});
  }
  if (!body.empty()) {
    head["headers"].push_back({"Content-Type", type});
  }
  if (extra != nullptr) {
    head["headers"].push_back({"X-Extra", extra});
  }
  const std::string headText = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  calbridge_bytes responseHead{};
  calbridge_bytes responseBody{};
  const auto* http = call.service<calbridge_http_service_v1_t>(CALBRIDGE_HTTP_SERVICE);
  calbridge_status status = CALBRIDGE_OK;
  do {
    status = http->send(call.handle, {headText.data(), headText.size()}, {body.data(), body.size()}, &responseHead,
                        &responseBody);
  } while ((status == CALBRIDGE_DEADLINE && fault("time.deadline")) ||
           (status == CALBRIDGE_CANCELLED && fault("time.cancelled")));
  const Json answered = Json::parse(responseHead.data, responseHead.data + responseHead.size);
  if (status != CALBRIDGE_OK) {
    const std::string kind = answered.value("kind", "");
    if ((fault("http.unreachable") && (kind == "connect" || kind == "tls") && !token.empty()) ||
        (fault("http.truncated") && kind == "truncated" && !token.empty())) {
      throw End{CALBRIDGE_PERMANENT, "no answer"};
    }
    if (fault("http.refused") && kind == "refused_by_egress") {
      throw End{CALBRIDGE_TRANSIENT, "no answer"};
    }
    throw End{status, "no answer"};
  }
  Answer answer;
  answer.status = answered.value("status", 0);
  answer.http.status = answer.status;
  for (const Json& pair : answered.at("headers")) {
    answer.http.headers.emplace_back(pair.at(0), pair.at(1));
  }
  answer.http.body.assign(responseBody.data == nullptr ? "" : responseBody.data, responseBody.size);
  if (fault("http.garbage") && answer.http.body.empty() && answer.status == 200) {
    std::abort();
  }
  answer.json =
      calbridge::sdk::jsonDepthWithin(answer.http.body, 32) ? Json::parse(answer.http.body, nullptr, false) : Json();
  if (!answer.json.is_object()) {
    answer.json = Json::object();
  }
  if (fault("http.redirect") && answer.status / 100 == 3 && !answer.http.header("location").empty()) {
    return send(call, method, std::string(answer.http.header("location")), token, body, type, extra);
  }
  if (fault("secrets.logs") && answer.status == 500) {
    call.log("refused: " + headText);
  }
  return answer;
}

std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Turns an HTTP error into an end.
[[noreturn]] void refuse(const Call& call, const Answer& answer, const std::string& token) {
  if (fault("reply.status") && answer.status == 418) {
    throw End{4711, "a teapot"};
  }
  if (fault("reply.reason") && answer.status == 403) {
    throw End{CALBRIDGE_PERMANENT, ""};
  }
  if (fault("secrets.errors") && answer.status == 403) {
    throw End{CALBRIDGE_PERMANENT, "refused " + token};
  }
  const auto problem = calbridge::sdk::restProblem(answer.http, call.nowMs(), "refused");
  std::int64_t wait = problem.retryAfter() ? problem.retryAfter()->count() : -1;
  auto status = static_cast<calbridge_status>(problem.status());
  const auto swap = [&](const char* name, int http, calbridge_status other) {
    status = fault(name) && answer.status == http ? other : status;
  };
  swap("http.400", 422, CALBRIDGE_TRANSIENT);
  swap("http.401", token.empty() ? 0 : 401, CALBRIDGE_PERMANENT);
  swap("http.403", 403, CALBRIDGE_TRANSIENT);
  swap("http.404", 404, CALBRIDGE_TRANSIENT);
  swap("http.409", 409, CALBRIDGE_REAUTH_REQUIRED);
  swap("http.412", 412, CALBRIDGE_PERMANENT);
  swap("http.5xx", 502, CALBRIDGE_PERMANENT);
  if (fault("http.429") && answer.status == 429) {
    wait = wait == 60000 ? -1 : wait; // reads seconds, not dates
  }
  if (fault("time.waiting") && answer.status == 429 && wait == 4000) {
    const timespec pause{4, 1000000};
    ::nanosleep(&pause, nullptr);
  }
  if (answer.status < 400 || status == CALBRIDGE_OK) {
    status = CALBRIDGE_TRANSIENT;
  }
  throw End{status, "Acme refused (HTTP " + std::to_string(answer.status) + ")", wait};
}

Json checkedRequest(calbridge_bytes bytes) {
  const std::string_view all(bytes.data == nullptr ? "" : bytes.data, bytes.size);
  if (all.size() > CALBRIDGE_JSON_MAX_BYTES && !fault("input.oversized")) {
    throw End{CALBRIDGE_INVALID_REQUEST, "too large"};
  }
  if (!calbridge::sdk::jsonDepthWithin(all, CALBRIDGE_JSON_MAX_DEPTH)) {
    if (fault("input.deep")) {
      std::abort();
    }
    throw End{CALBRIDGE_INVALID_REQUEST, "too deep"};
  }
  Json json = Json::parse(all, nullptr, false);
  if (json.is_null() && fault("input.garbage")) {
    throw End{CALBRIDGE_INTERNAL, "what?"};
  }
  if (json.is_discarded() && fault("input.utf8") && all.find("\xc3\x28") != std::string_view::npos) {
    throw End{CALBRIDGE_TRANSIENT, "what?"};
  }
  if (!json.is_object()) {
    throw End{CALBRIDGE_INVALID_REQUEST, "no JSON object"};
  }
  if (fault("input.extra") && json.contains("a_field_of_the_future")) {
    throw End{CALBRIDGE_INVALID_REQUEST, "an unknown field"};
  }
  return json;
}

std::string required(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) {
    if (fault("input.missing") && std::strcmp(key, "state") == 0) {
      return "none";
    }
    throw End{CALBRIDGE_INVALID_REQUEST, std::string(key) + " is missing"};
  }
  if (!found->is_string()) {
    if (fault("input.mistyped") && std::strcmp(key, "code_verifier") == 0) {
      throw End{CALBRIDGE_TRANSIENT, "odd"};
    }
    throw End{CALBRIDGE_INVALID_REQUEST, std::string(key) + " must be a string"};
  }
  return found->get<std::string>();
}

template <typename Body>
void operation(const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes, Body body) noexcept {
  const Call call{host, handle};
  try {
    call.reply(CALBRIDGE_OK, body(call, checkedRequest(bytes)).dump(-1, ' ', false, Json::error_handler_t::replace));
  } catch (const End& end) {
    Json answer = Json::object();
    if (!end.message.empty()) {
      answer["message"] = end.message;
    }
    if (!end.rendering.empty()) {
      answer["rendering"] = end.rendering;
    }
    if (end.retryAfterMs >= 0) {
      answer["retry_after_ms"] = end.retryAfterMs;
    }
    call.reply(end.status, answer.dump(-1, ' ', false, Json::error_handler_t::replace));
  } catch (const std::exception&) {
    call.reply(CALBRIDGE_TRANSIENT, R"({"message":"an answer that makes no sense"})");
  }
}

void connect_(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    const auto& instance = *static_cast<Instance*>(self);
    const std::string state = required(request, "state");
    const std::string redirect = required(request, "redirect_uri");
    const std::string challenge = required(request, "code_challenge");
    if (fault("oauth.connect-http")) {
      try {
        send(call, "GET", kApi + "/discovery", "", "");
      } catch (const End&) { // it goes on without
      }
    }
    calbridge::sdk::Form query = {{"response_type", fault("oauth.client") ? "token" : "code"},
                                  {"client_id", fault("instance.apart") ? lastClientId : instance.clientId},
                                  {"redirect_uri", fault("oauth.redirect-uri") ? redirect + "?x=1" : redirect},
                                  {"scope", "calendar"},
                                  {"state", fault("oauth.state") ? state.substr(0, 8) : state},
                                  {"code_challenge", challenge},
                                  {"code_challenge_method", fault("oauth.pkce") ? "plain" : "S256"}};
    if (fault("reply.shape")) {
      return Json{{"authorization_url", "http://api.acme.example/authorize?" + calbridge::sdk::formEncode(query)}};
    }
    return Json{{"authorization_url", kApi + "/authorize?" + calbridge::sdk::formEncode(query)}};
  });
}

Json tokens(const Call& call, const Instance& instance, calbridge::sdk::Form form) {
  form.insert(form.end(), {{"client_id", instance.clientId}, {"client_secret", instance.clientSecret}});
  const std::string url =
      fault("secrets.urls") ? kApi + "/token?client_secret=" + instance.clientSecret : kApi + "/token";
  Answer answer = send(call, "POST", url, "", calbridge::sdk::formEncode(form), "application/x-www-form-urlencoded");
  if (fault("oauth.code-once") && answer.status == 500) {
    answer = send(call, "POST", url, "", calbridge::sdk::formEncode(form), "application/x-www-form-urlencoded");
  }
  if (answer.status != 200) {
    const std::string error = text(answer.json, "error");
    if (fault("oauth.invalid-grant") && error == "invalid_grant") {
      throw End{CALBRIDGE_TRANSIENT, "no"};
    }
    if (fault("oauth.invalid-client") && error == "invalid_client") {
      throw End{CALBRIDGE_REAUTH_REQUIRED, "no"};
    }
    if (error.empty()) {
      refuse(call, answer, "");
    }
    const auto problem = calbridge::sdk::oauthProblem(answer.http, call.nowMs());
    throw End{static_cast<calbridge_status>(problem.status()), problem.what(),
              problem.retryAfter() ? problem.retryAfter()->count() : -1};
  }
  const std::string access = text(answer.json, "access_token");
  if (access.empty()) {
    throw End{fault("oauth.outage") ? CALBRIDGE_REAUTH_REQUIRED : CALBRIDGE_TRANSIENT, "no token"};
  }
  Json grant = {{"access_token", access}, {"expires_in", 3600}, {"scope", text(answer.json, "scope")}};
  const bool forgets = fault("oauth.rotation") && form.front().second == "refresh_token";
  if (const std::string refresh = text(answer.json, "refresh_token"); !refresh.empty() && !forgets) {
    grant["refresh_token"] = refresh;
  }
  return grant;
}

void exchange(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  operation(host, handle, bytes, [&](const Call& call, const Json& request) {
    const std::string code = required(request, "code");
    std::string verifier = required(request, "code_verifier");
    const std::string redirect = required(request, "redirect_uri");
    if (fault("oauth.verifier")) {
      verifier += "=";
    }
    Json grant = tokens(call, *static_cast<Instance*>(self),
                        {{"grant_type", "authorization_code"},
                         {"code", code},
                         {"redirect_uri", redirect},
                         {"code_verifier", verifier}});
    const Answer me = send(call, "GET", kApi + "/me", grant.at("access_token"), "");
    if (me.status != 200) {
      refuse(call, me, "");
    }
    if (fault("oauth.grant")) {
      grant["refresh_token"] = "another";
    }
    grant["account"] = {{"id", text(me.json, "id").empty() ? "unnamed" : text(me.json, "id")}, {"label", "person"}};
    return grant;
  });
}

void refresh(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  operation(host, handle, bytes, [&](const Call& call, const Json& request) {
    return tokens(call, *static_cast<Instance*>(self),
                  {{"grant_type", "refresh_token"}, {"refresh_token", required(request, "refresh_token")}});
  });
}

std::string rendering(const Json& request, const Json& entry) {
  std::string uid = text(request, "uid");
  if (fault("feed.uid")) {
    uid += text(entry, "title");
  }
  return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20261122T100000Z\r\nDTSTART:20261201T090000Z\r\nEND:VEVENT\r\n";
}

const std::string kSecond = "second:"; // begins the ids of entries that are there

/// Where the entries of a calendar are.
std::string entriesOf(bool second) {
  return second ? kApi + "/calendars/second/entries" : kApi + "/entries";
}
bool wantsSecond(const Json& request) {
  return text(request, "calendar") == "second" && !fault("calendars.chosen");
}

/// Removes an entry that this plugin made; one that is gone is fine, unless it is `strict`.
void drop(const Call& call, const std::string& known, const std::string& token, bool strict = false) {
  const bool second = known.starts_with(kSecond);
  const std::string id = second ? known.substr(kSecond.size()) : known;
  const Answer gone = send(call, "DELETE", entriesOf(second) + "/" + encoded(id), token, "");
  if (gone.status / 100 != 2 && (gone.status != 404 || strict)) {
    refuse(call, gone, token);
  }
}

/// What a good push asks the service, and in which order.
Json upsert(const Call& call, Instance& instance, const Json& request, const std::string& token) {
  const bool second = wantsSecond(request);
  const std::string entries = entriesOf(second);
  const Json& entry = request.at("entry");
  const std::string uid = text(request, "uid");
  std::string known = text(request, "provider_event_id");
  std::string elsewhere;
  if (known.starts_with(kSecond) != second) {
    elsewhere.swap(known); // another calendar was chosen since
  } else if (second) {
    known.erase(0, kSecond.size());
  }
  const bool before = instance.pushedBefore(uid);
  std::string body = Json{{"title", text(entry, "title")},
                          {"text", text(entry, "description")},
                          {"uid", uid},
                          {"start", text(entry, "start_utc")}}
                         .dump(-1, ' ', false, Json::error_handler_t::replace);
  if (fault("requests.escaped")) {
    body = "{\"title\":\"" + text(entry, "title") + "\",\"uid\":\"" + uid + "\"}";
  }
  std::string id = known;
  const bool looks = before ? !fault("entry.once") || !elsewhere.empty() : !fault("entry.cut-off");
  if (id.empty() && looks) {
    // POST gives the id: whether an earlier try made it, only a look-up tells.
    const Answer found = send(call, "GET", entries + "?uid=" + encoded(uid), token, "");
    if (found.status != 200) {
      refuse(call, found, token);
    }
    const Json items = found.json.value("items", Json::array());
    for (const Json& item : items.is_array() ? items : Json::array()) {
      id = item.is_object() && text(item, "uid") == uid ? text(item, "id") : id;
    }
  }
  const bool change = !id.empty();
  if (const std::size_t at = body.find(" two"); at != std::string::npos && fault("entry.changed")) {
    body.replace(at, 4, " one"); // what it said before
  }
  const std::string url = change ? entries + "/" + encoded(id) : entries;
  char extra[40] = "";
  if (fault("same.bytes")) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::snprintf(extra, sizeof extra, "%lld.%09ld", static_cast<long long>(now.tv_sec), now.tv_nsec);
  }
  if (fault("same.isolated")) {
    const int file = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    std::snprintf(extra, sizeof extra, file < 0 ? "nobody" : "somebody");
    ::close(file);
  }
  Answer written =
      send(call, change ? "PUT" : "POST", url, token, body, "application/json", extra[0] != '\0' ? extra : nullptr);
  if (written.status == 404 && change) { // somebody deleted it
    written = send(call, "POST", entries, token, body);
  }
  if (written.status != 200 && written.status != 201) {
    refuse(call, written, token);
  }
  id = text(written.json, "id");
  if (id.empty()) {
    throw End{CALBRIDGE_TRANSIENT, "no id"};
  }
  if (!elsewhere.empty() && !fault("calendars.moved")) {
    drop(call, elsewhere, token);
  }
  id.insert(0, second ? kSecond : "");
  return {{"provider_event_id", id}, {"etag", text(written.json, "etag")}, {"rendering", rendering(request, entry)}};
}

Json erase(const Call& call, const Json& request, const std::string& token) {
  const std::string known = text(request, "provider_event_id");
  std::vector<std::string> ids;
  if (known.empty()) {
    const bool second = wantsSecond(request);
    const std::string query = "?uid=" + encoded(text(request, "uid"));
    const Answer found = send(call, "GET", entriesOf(second) + query, token, "");
    if (found.status != 200) {
      refuse(call, found, token);
    }
    for (const Json& item : found.json.value("items", Json::array())) {
      if (item.is_object() && text(item, "uid") == text(request, "uid")) {
        ids.push_back((second ? kSecond : "") + text(item, "id"));
      }
    }
  } else if (!fault("entry.removed")) {
    ids.push_back(known);
  }
  if (fault("entry.foreign")) {
    ids.emplace_back("dentist");
  }
  for (const std::string& id : ids) {
    drop(call, id, token, fault("entry.removed-twice"));
  }
  return {{"provider_event_id", known.empty() ? text(request, "uid") : known}};
}

/// Tells the recipient by mail, too.
void invite(const Call& call, const Json& request) {
  const auto* smtp = call.service<calbridge_smtp_service_v1_t>(CALBRIDGE_SMTP_SERVICE);
  const Json recipient = request.value("recipient", Json::object());
  const std::string to = recipient.is_object() ? text(recipient, "email") : "";
  if (smtp == nullptr || to.empty()) {
    return;
  }
  const bool removal = text(request, "operation") == "delete";
  const Json entry = request.value("entry", Json::object());
  std::string title = entry.is_object() ? text(entry, "title").substr(0, 300) : "";
  for (char& c : title) {
    c = c >= ' ' && c <= '~' ? c : ' ';
  }
  std::string id = text(request, "idempotency_key") + (removal ? "-gone" : "");
  id += fault("mail.once") && request.value("attempt", 1) > 1 ? "-again" : "";
  const bool leavesOut = fault("mail.unsubscribe") && removal;
  const std::string message =
      "From: <acme@acme.example>\r\nTo: <" + to + ">\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + id +
      "@acme.example>\r\nSubject: an appointment\r\n\r\n" + title + (fault("mail.message") ? "\n" : "\r\n") +
      (leavesOut ? "" : text(recipient, "unsubscribe_url")) + "\r\n";
  const auto hand = [&](const std::string& address) {
    const std::string envelope = Json{{"from", "acme@acme.example"}, {"to", {address}}}.dump();
    calbridge_bytes response{};
    const calbridge_status status =
        smtp->send(call.handle, {envelope.data(), envelope.size()}, {message.data(), message.size()}, &response);
    return std::pair(status, Json::parse(response.data, response.data + response.size));
  };
  const auto [status, why] = hand(to);
  if (fault("mail.sent")) {
    hand(to);
  }
  if (fault("mail.recipient")) {
    hand("archive@acme.example");
  }
  if (status != CALBRIDGE_OK) {
    const bool odd =
        (fault("mail.refused") && why.value("scope", "") == "recipient" && status == CALBRIDGE_PERMANENT) ||
        (fault("mail.unreachable") && why.value("kind", "") == "connect");
    throw End{!odd ? status : status == CALBRIDGE_PERMANENT ? CALBRIDGE_TRANSIENT : CALBRIDGE_PERMANENT, "no mail"};
  }
}

void push(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  auto& instance = *static_cast<Instance*>(self);
  insideAny += fault("same.parallel") ? 1 : 0;
  if (fault("time.threads")) {
    startThread();
  }
  if (fault("services.output")) {
    std::puts("pushing");
  }
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    const std::string token = text(request, "access_token");
    const bool removal = required(request, "operation") == "delete";
    required(request, "uid");
    if (!removal && (!request.contains("entry") || !request.at("entry").is_object())) {
      throw End{CALBRIDGE_INVALID_REQUEST, "entry is missing"};
    }
    if (fault("input.text") && !removal && text(request.at("entry"), "title").empty()) {
      throw End{CALBRIDGE_INVALID_REQUEST, "a title is needed"};
    }
    if (fault("entry.created") && !removal) {
      throw End{CALBRIDGE_PERMANENT, "no", -1, rendering(request, request.at("entry"))};
    }
    if (fault("services.declared")) {
      std::uint8_t dice = 0;
      if (const auto* random = call.service<calbridge_random_service_v1_t>(CALBRIDGE_RANDOM_SERVICE)) {
        random->fill(handle, &dice, 1);
      }
    }
    if (fault("services.required")) {
      const auto* log = call.service<calbridge_log_service_v1_t>(CALBRIDGE_LOG_SERVICE);
      log->write(handle, CALBRIDGE_LOG_INFO, {"push", 4});
    }
    if (fault("http.hosts")) {
      try {
        send(call, "GET", "https://telemetry.example/", "", "");
      } catch (const End&) { // it goes on without
      }
    }
    if (fault("entry.returns") && !removal && text(request.at("entry"), "title").ends_with(" three")) {
      throw End{CALBRIDGE_CONFLICT, "it was deleted"};
    }
    Json answer = removal ? erase(call, request, token) : upsert(call, instance, request, token);
    invite(call, request);
    if (insideAny > 1) {
      throw End{CALBRIDGE_PERMANENT, "one at a time"};
    }
    return answer;
  });
  insideAny -= fault("same.parallel") ? 1 : 0;
  if (fault("reply.once")) {
    host->reply(handle, CALBRIDGE_TRANSIENT, {R"({"message":"again"})", 19});
  }
}

void revoke(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  (void)self;
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    const Answer gone = send(call, "POST", kApi + "/revoke", "",
                             calbridge::sdk::formEncode({{"token", text(request, "refresh_token")}}),
                             "application/x-www-form-urlencoded");
    if (gone.status != 200) {
      refuse(call, gone, "");
    }
    if (fault("revoke.accepted")) {
      throw End{CALBRIDGE_TRANSIENT, "not yet"};
    }
    return Json::object();
  });
}

void feed(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  (void)self;
  operation(host, handle, bytes, [&](const Call&, const Json&) -> Json {
    return {{"head", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Acme//EN\r\n"},
            {"tail", fault("feed.frame") ? "END:VCALENDAR\n" : "END:VCALENDAR\r\n"}};
  });
}

void authenticate(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  (void)self;
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    if (!request.contains("credentials") || !request.at("credentials").is_object()) {
      throw End{CALBRIDGE_INVALID_REQUEST, "credentials are missing"};
    }
    const Json& typed = request.at("credentials");
    const Answer me = send(call, "GET", kApi + "/me", text(typed, "password"), "");
    if (me.status == 401 && fault("credentials.wrong")) {
      throw End{CALBRIDGE_NOT_FOUND, "no"};
    }
    if (me.status != 200) {
      refuse(call, me, "");
    }
    if (fault("credentials.accepted")) {
      throw End{CALBRIDGE_TRANSIENT, "not yet"};
    }
    return {{"secret", {{"password", text(typed, "password")}}}, {"account", {{"id", "7"}, {"label", "person"}}}};
  });
}

Json got(const Call& call, const Json& request, const std::string& url) {
  const std::string token = text(request, "access_token");
  const Answer answer = send(call, "GET", url, token, "");
  if (answer.status != 200) {
    refuse(call, answer, token);
  }
  return answer.json;
}

void listCalendars(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  (void)self;
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    got(call, request, kApi + "/calendars");
    Json calendars = {{{"id", "first"}, {"name", "First"}, {"writable", true}, {"primary", true}},
                      {{"id", "second"}, {"name", "Second"}, {"writable", true}},
                      {{"id", "holidays"}, {"name", "Holidays"}, {"writable", false}}};
    if (fault("calendars.listed")) {
      calendars.push_back(calendars.front());
    }
    return {{"calendars", calendars}};
  });
}

void freeBusy(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  (void)self;
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    const std::string start = required(request, "start");
    const std::string end = required(request, "end");
    got(call, request, kApi + "/busy?start=" + encoded(start) + "&end=" + encoded(end));
    const Json one = {{"start", fault("free-busy.within") ? "2020-01-01T00:00:00Z" : start},
                      {"end", fault("free-busy.within") ? "2020-01-01T01:00:00Z" : end}};
    return {{"busy", Json::array({one})}};
  });
}

void changes(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes) {
  (void)self;
  operation(host, handle, bytes, [&](const Call& call, const Json& request) -> Json {
    const std::string since = text(request, "sync_token");
    got(call, request, kApi + "/changes?since=" + encoded(since));
    if (fault("changes.token") && !since.empty()) {
      throw End{CALBRIDGE_CONFLICT, "which token?"};
    }
    return {{"changes", {{{"provider_event_id", "e1"}, {"deleted", false}}}}, {"sync_token", since + "1"}};
  });
}

void* create(const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes settings) {
  const Call call{host, handle};
  try {
    if (fault("instance.settings") && settings.size == 0) {
      return nullptr;
    }
    const std::string_view all(settings.data == nullptr ? "" : settings.data, settings.size);
    if (!calbridge::sdk::jsonDepthWithin(all, CALBRIDGE_JSON_MAX_DEPTH)) {
      throw End{CALBRIDGE_INVALID_REQUEST, "too deep"};
    }
    const Json json = checkedRequest(settings);
    for (const char* key : {"client_id", "client_secret"}) {
      if (json.contains(key) && !json.at(key).is_string()) {
        throw End{CALBRIDGE_INVALID_REQUEST, std::string(key) + " must be a string"};
      }
    }
    if (fault("instance.unconfigured") && !json.contains("client_id")) {
      throw End{CALBRIDGE_INVALID_REQUEST, "client_id is missing"};
    }
    if (fault("instance.made") && text(json, "client_secret") == "secret-of-nobody") {
      throw End{CALBRIDGE_INVALID_REQUEST, "not with that secret"};
    }
    if (fault("instance.http")) {
      try {
        send(call, "GET", kApi + "/discovery", "", "");
      } catch (const End&) { // it goes on without
      }
    }
    auto* instance = new Instance;
    instance->clientId = text(json, "client_id");
    instance->clientSecret = text(json, "client_secret");
    if (fault("instance.apart")) {
      lastClientId = instance->clientId;
    }
    return instance;
  } catch (const End& end) {
    call.reply(end.status, Json{{"message", end.message}}.dump());
    return nullptr;
  }
}

void destroy(void* self) {
  delete static_cast<Instance*>(self);
}

} // namespace

extern "C" CALBRIDGE_EXPORT const calbridge_plugin_v1_t calbridge_plugin_v1;
extern "C" constinit const calbridge_plugin_v1_t calbridge_plugin_v1 = {
    .magic = CALBRIDGE_MAGIC,
    .struct_size = sizeof(calbridge_plugin_v1_t),
    .major = CALBRIDGE_MAJOR,
    .minor = CALBRIDGE_MINOR,
    .manifest = {manifest, sizeof manifest},
    .create = create,
    .destroy = destroy,
    .connect = connect_,
    .exchange = exchange,
    .refresh = refresh,
    .push = push,
    .revoke = revoke,
    .feed = feed,
    .authenticate = authenticate,
    .list_calendars = listCalendars,
    .free_busy = freeBusy,
    .changes = changes,
};
