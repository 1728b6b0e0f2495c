#include "sandbox.hpp"

#include "core/digest.hpp"
#include "core/error.hpp"

namespace calbridge::sandbox {

namespace {

constexpr std::size_t kLogged = 20000;

http::ServerOptions edgeOptions(const SandboxOptions& options) {
  http::ServerOptions edge;
  edge.listen = {options.listen};
  edge.maxConnections = 8192;
  edge.maxConnectionsPerAddress = 8192;
  edge.maxBody = [](const http::RequestHead&) { return std::size_t{4} << 20; };
  edge.stopTimeout = std::chrono::milliseconds(2000);
  return edge;
}

/// A path and its query with everything secret replaced.
std::string redacted(const Request& request) {
  std::string text = request.path;
  char separator = '?';
  for (const auto& [name, value] : request.queryParameters()) {
    bool secret =
        name == "token" || name == "code" || name == "state" || name == "code_challenge" || name == "access_token";
    text += separator + name + "=" + (secret ? "[redacted]" : value);
    separator = '&';
  }
  return text;
}

} // namespace

std::string randomHex(Random& random) {
  std::array<std::uint8_t, 32> bytes{};
  random.fill(bytes);
  return hexEncode(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void Violations::add(Kind kind, const std::string& account, const std::string& what) {
  std::lock_guard lock(mutex_);
  auto& [entry, count] = seen_[std::string(toString(kind)) + "\n" + account + "\n" + what];
  if (count == 0)
    entry = {{"provider", toString(kind)}, {"account", account}, {"what", what}};
  ++count;
}

json Violations::list() const {
  std::lock_guard lock(mutex_);
  json all = json::array();
  for (auto& [key, item] : seen_) {
    json entry = item.first;
    entry["count"] = item.second;
    all.push_back(entry);
  }
  return all;
}

void Violations::clear() {
  std::lock_guard lock(mutex_);
  seen_.clear();
}

Sandbox::Sandbox(SandboxOptions options, Logger& logger)
    : options_(std::move(options)), clock_(options_.clock), accounts_(random_),
      grants_(settings_, clock_, random_, accounts_), services_{settings_, clock_,
                                                                random_,   accounts_,
                                                                grants_,   violations_,
                                                                schemas_,  options_.demoAccounts},
      faults_(services_), consent_(services_), googleTokens_(services_), outlookTokens_(services_),
      calendar_(services_), graph_(services_),
      server_(
          edgeOptions(options_), [this](Request& request) { return dispatch(request); }, logger, systemClock_) {
  reset();
}

Sandbox::~Sandbox() {
  stop();
}

void Sandbox::start() {
  server_.start();
}
void Sandbox::stop() {
  server_.stop();
}
std::string Sandbox::url() const {
  return "http://127.0.0.1:" + std::to_string(server_.ports().at(0));
}

void Sandbox::reset() {
  grants_.clear();
  accounts_.clear();
  violations_.clear();
  faults_.clear();
  calendar_.reset();
  clock_.reset();
  grants_.addClient(Kind::google, options_.google);
  grants_.addClient(Kind::outlook, options_.outlook);
  for (const std::string& email : options_.demoAccounts)
    accounts_.findOrMake(email.find("outlook") != std::string::npos ? Kind::outlook : Kind::google, email);
  std::lock_guard lock(logMutex_);
  log_.clear();
  counters_.clear();
}

Response Sandbox::dispatch(Request& request) {
  try {
    if (request.segments.empty())
      return Response::html(200, renderOverview(services_)).header("Cache-Control", "no-store");
    const std::string& first = request.segments[0];
    if (first == "google")
      return provider(Kind::google, request);
    if (first == "outlook")
      return provider(Kind::outlook, request);
    if (first == "control")
      return controlRoute(request);
    if (first == "consent" && request.method == "POST")
      return consent_.decide(request);
    return http::problem(404, "not_found", "there is nothing at " + request.path);
  } catch (const json::exception& e) {
    return http::problem(400, "malformed_body", e.what());
  } catch (const Error& e) {
    return http::problem(400, e.code(), e.message(), e.pointer());
  }
}

std::string Sandbox::ownerOf(const Request& request) const {
  std::string_view header = request.headers.get("Authorization");
  return header.starts_with("Bearer ") ? grants_.owner(std::string(header.substr(7))) : std::string();
}

Response Sandbox::provider(Kind kind, Request& request) {
  std::chrono::milliseconds delay(settings_.latencyMs.load());
  bool recorded = settings_.recordRequests && !(request.segments.size() > 1 && request.segments[1] == "accounts");
  std::string owner = recorded ? ownerOf(request) : std::string();
  auto fault = faults_.any() ? faults_.match(kind, request) : std::nullopt;
  if (fault)
    delay += std::chrono::milliseconds(fault->latencyMs);
  std::optional<Response> real;
  bool carriedOut = !fault || fault->after || fault->effect == Fault::Effect::none ||
                    fault->effect == Fault::Effect::truncate || fault->effect == Fault::Effect::drip;
  if (carriedOut)
    real = route(kind, request, delay);
  else if (delay.count() > 0)
    std::this_thread::sleep_for(delay);
  Response response = fault ? faults_.apply(*fault, kind, std::move(real)) : std::move(*real);
  if (recorded)
    record(kind, request, owner, response.takeOver ? 0 : response.status);
  return response;
}

Response Sandbox::route(Kind kind, Request& request, std::chrono::milliseconds delay) {
  std::span<const std::string> path = request.segments;
  auto rest = path.subspan(1);
  bool get = request.method == "GET";
  if (rest.size() == 2 && rest[0] == "accounts" && get) {
    auto account = accounts_.find(kind, rest[1]);
    if (!account)
      return http::problem(404, "no_account", "no account " + rest[1] + " has been used yet");
    return Response::html(200, renderAccount(services_, *account)).header("Cache-Control", "no-store");
  }
  auto slow = [&](Response response) {
    if (delay.count() > 0)
      std::this_thread::sleep_for(delay);
    return response;
  };
  if (kind == Kind::google) {
    if (rest.size() == 4 && rest[0] == "o" && rest[1] == "oauth2" && rest[2] == "v2" && rest[3] == "auth" && get)
      return consent_.authorize(kind, request);
    if (rest.size() == 1 && rest[0] == "token")
      return slow(googleTokens_.token(request));
    if (rest.size() == 1 && rest[0] == "revoke")
      return slow(googleTokens_.revoke(request));
    if ((rest.size() == 3 && rest[0] == "oauth2" && rest[1] == "v3" && rest[2] == "userinfo") ||
        (rest.size() == 2 && rest[0] == "v1" && rest[1] == "userinfo"))
      return slow(googleTokens_.userInfo(request));
    if (rest.size() > 2 && rest[0] == "calendar" && rest[1] == "v3")
      return calendar_.handle(request, rest.subspan(2), delay);
  } else {
    if (rest.size() == 4 && rest[1] == "oauth2" && rest[2] == "v2.0" && rest[3] == "authorize" && get)
      return consent_.authorize(kind, request);
    if (rest.size() == 4 && rest[1] == "oauth2" && rest[2] == "v2.0" && rest[3] == "token")
      return slow(outlookTokens_.token(request));
    if (!rest.empty() && rest[0] == "v1.0")
      return graph_.handle(request, rest.subspan(1), delay);
  }
  return http::problem(404, "not_found", "this sandbox has nothing at " + request.path);
}

void Sandbox::record(Kind kind, const Request& request, const std::string& account, int status) {
  json entry{{"time", formatRfc3339(clock_.now())}, {"provider", toString(kind)}, {"method", request.method},
             {"path", redacted(request)},           {"account", account},         {"status", status}};
  bool api =
      request.path.find("/calendar/v3/") != std::string::npos || request.path.find("/v1.0/") != std::string::npos;
  if (api && !request.body.empty())
    entry["body"] =
        json::parse(request.body, nullptr, false).is_discarded() ? json(request.body) : json::parse(request.body);
  if (auto match = request.headers.find("If-Match"))
    entry["if_match"] = *match;
  std::lock_guard lock(logMutex_);
  ++counters_[std::string(toString(kind)) + " " + request.method + " " + std::to_string(status)];
  log_.push_back(std::move(entry));
  if (log_.size() > kLogged)
    log_.pop_front();
}

json Sandbox::control(const std::string& method, const std::string& pathAndQuery, const json& body) {
  Request request;
  request.method = method;
  std::size_t question = pathAndQuery.find('?');
  request.path = pathAndQuery.substr(0, question);
  if (question != std::string::npos)
    request.query = pathAndQuery.substr(question + 1);
  for (std::size_t at = 1; at <= request.path.size();) {
    std::size_t slash = std::min(request.path.find('/', at), request.path.size());
    request.segments.push_back(http::percentDecode(request.path.substr(at, slash - at)).value_or(""));
    at = slash + 1;
  }
  if (!body.is_null())
    request.body = body.dump();
  Response response = dispatch(request);
  json answer = response.body.empty() ? json() : json::parse(response.body, nullptr, false);
  if (response.status > 299)
    throw Error(answer.value("code", "failed"),
                method + " " + pathAndQuery + ": " + answer.value("detail", response.body));
  return answer;
}

} // namespace calbridge::sandbox
