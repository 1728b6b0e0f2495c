#include "faults.hpp"

#include "core/error.hpp"

namespace calbridge::sandbox {

namespace {

const std::map<std::string, Fault::Effect> kEffects{
    {"none", Fault::Effect::none},         {"status", Fault::Effect::status},   {"reset", Fault::Effect::reset},
    {"truncate", Fault::Effect::truncate}, {"garbage", Fault::Effect::garbage}, {"hang", Fault::Effect::hang},
    {"drip", Fault::Effect::drip}};

[[noreturn]] void wrong(const std::string& member, const std::string& what) {
  throw Error("invalid_fault", member + " " + what, {}, "/" + member);
}

std::string bytesOf(const Response& response, const Clock& clock) {
  std::string out, date = formatHttpDate(clock.now());
  http::serialize(response, http::Framing{.headRequest = false, .close = true, .date = date}, out);
  if (response.sharedBody)
    out += *response.sharedBody;
  return out;
}

} // namespace

bool fitsPattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

Fault Fault::fromJson(const json& document) {
  if (!document.is_object())
    throw Error("invalid_fault", "a fault is a JSON object");
  Fault fault;
  for (auto& [name, value] : document.items()) {
    auto text = [&, &key = name, &given = value]() -> std::string {
      if (!given.is_string())
        wrong(key, "must be a string");
      return given;
    };
    auto number = [&, &key = name, &given = value] {
      if (!given.is_number_integer() || given.get<std::int64_t>() < 0 || given.get<std::int64_t>() > 86'400'000)
        wrong(key, "must be a whole number from 0 to 86400000");
      return given.get<int>();
    };
    if (name == "provider") {
      if (text() != "google" && text() != "outlook")
        wrong(name, "must be google or outlook");
      fault.provider = text() == "google" ? Kind::google : Kind::outlook;
    } else if (name == "method") {
      fault.method = text();
    } else if (name == "path") {
      fault.path = text();
    } else if (name == "account") {
      fault.account = text();
    } else if (name == "skip") {
      fault.skip = number();
    } else if (name == "count") {
      fault.count = number();
    } else if (name == "when") {
      if (text() != "before" && text() != "after")
        wrong(name, "must be before or after");
      fault.after = text() == "after";
    } else if (name == "effect") {
      if (!kEffects.contains(text()))
        wrong(name, "must be none, status, reset, truncate, garbage, hang or drip");
      fault.effect = kEffects.at(text());
    } else if (name == "status") {
      fault.status = number();
      if (fault.status < 200 || fault.status > 599)
        wrong(name, "must be from 200 to 599");
    } else if (name == "headers") {
      if (!value.is_object())
        wrong(name, "must be an object of strings");
      for (auto& [header, content] : value.items())
        fault.headers.emplace_back(header, content.is_string() ? content.get<std::string>() : content.dump());
    } else if (name == "body") {
      fault.body = value.is_string() ? value.get<std::string>() : value.dump();
    } else if (name == "reason") {
      fault.reason = text();
    } else if (name == "latency_ms") {
      fault.latencyMs = number();
    } else if (name == "interval_ms") {
      fault.intervalMs = number();
    } else if (name == "hang_ms") {
      fault.hangMs = number();
    } else {
      wrong(name, "is no member of a fault");
    }
  }
  return fault;
}

json Fault::toJson() const {
  json shown{{"id", id},         {"method", method},       {"path", path}, {"account", account},
             {"skip", skip},     {"count", count},         {"hits", hits}, {"when", after ? "after" : "before"},
             {"status", status}, {"latency_ms", latencyMs}};
  if (provider)
    shown["provider"] = toString(*provider);
  for (auto& [name, value] : kEffects)
    if (value == effect)
      shown["effect"] = name;
  return shown;
}

std::string Faults::add(Fault fault) {
  std::lock_guard lock(mutex_);
  fault.id = "f" + std::to_string(++next_);
  faults_.push_back(fault);
  any_ = true;
  return fault.id;
}

json Faults::list() const {
  std::lock_guard lock(mutex_);
  json all = json::array();
  for (const Fault& fault : faults_)
    all.push_back(fault.toJson());
  return all;
}

bool Faults::remove(const std::string& id) {
  std::lock_guard lock(mutex_);
  bool found = std::erase_if(faults_, [&](const Fault& fault) { return fault.id == id; }) > 0;
  any_ = !faults_.empty();
  return found;
}

void Faults::clear() {
  std::lock_guard lock(mutex_);
  faults_.clear();
  any_ = false;
}

/// Whose token, code or refresh token the request carries.
std::string Faults::accountOf(const Request& request) const {
  std::string_view header = request.headers.get("Authorization");
  if (header.starts_with("Bearer "))
    return s_.grants.owner(std::string(header.substr(7)));
  if (auto form = http::parseForm(request.body))
    for (const char* name : {"code", "refresh_token", "token"})
      if (auto value = http::find(*form, name))
        return s_.grants.owner(std::string(*value));
  return {};
}

std::optional<Fault> Faults::match(Kind kind, const Request& request) {
  std::string account;
  std::lock_guard lock(mutex_);
  for (Fault& fault : faults_) {
    if ((fault.provider && *fault.provider != kind) || (!fault.method.empty() && fault.method != request.method) ||
        (!fault.path.empty() && !fitsPattern(fault.path, request.path)))
      continue;
    if (!fault.account.empty()) {
      if (account.empty())
        account = accountOf(request);
      if (account != fault.account)
        continue;
    }
    if (fault.count != 0 && fault.hits >= fault.count)
      continue; // used up; stays listed with its hits
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    ++fault.hits;
    return fault;
  }
  return std::nullopt;
}

Response Faults::apply(const Fault& fault, Kind kind, std::optional<Response> real) const {
  Response response;
  switch (fault.effect) {
  case Fault::Effect::none:
    return real ? std::move(*real) : http::problem(500, "no_answer", "nothing was carried out");
  case Fault::Effect::status: {
    if (!fault.reason.empty())
      response = kind == Kind::google
                     ? GoogleCalendar::error(fault.status, fault.reason, fault.reason,
                                             fault.status == 429 || fault.status == 403 ? "usageLimits" : "global")
                     : Graph::error(s_, fault.status, fault.reason, fault.reason);
    else if (!fault.body.empty() && (fault.body[0] == '{' || fault.body[0] == '['))
      response =
          Response{.status = fault.status, .headers = {{"Content-Type", "application/json"}}, .body = fault.body};
    else
      response = Response::text(fault.status, fault.body);
    for (const auto& [name, value] : fault.headers)
      response.header(name, value);
    return response;
  }
  case Fault::Effect::reset:
    response.takeOver = [](http::Wire& wire) { wire.reset(); };
    return response;
  case Fault::Effect::garbage:
    response.takeOver = [](http::Wire& wire) { wire.send("\x16\x03\x01 this is no HTTP \xff\xfe\r\n\r\n{{{\r\n"); };
    return response;
  case Fault::Effect::hang:
    response.takeOver = [time = std::chrono::milliseconds(fault.hangMs)](http::Wire& wire) { wire.wait(time); };
    return response;
  case Fault::Effect::truncate:
  case Fault::Effect::drip:
    break;
  }
  std::string bytes = bytesOf(real ? *real : Response::json(200, {{"kind", "nothing"}}), s_.clock);
  if (fault.effect == Fault::Effect::truncate) {
    std::size_t head = bytes.find("\r\n\r\n") + 4;
    bytes.resize(head + (bytes.size() - head) / 2); // the length that the head tells never comes
    response.takeOver = [bytes](http::Wire& wire) { wire.send(bytes); };
  } else {
    response.takeOver = [bytes, pause = std::chrono::milliseconds(fault.intervalMs)](http::Wire& wire) {
      for (char c : bytes)
        if (!wire.send(std::string_view(&c, 1)) || !wire.wait(pause))
          return;
    };
  }
  return response;
}

} // namespace calbridge::sandbox
