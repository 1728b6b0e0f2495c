#include "plugins/scripted_host.hpp"
#include "plugins/isolated_run.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <stdexcept>

/// A call is nothing but the way back to the host.
struct calbridge_call {
  calbridge::testing::ScriptedHost* host;
};

namespace calbridge::testing {
namespace {

std::string text(calbridge_bytes bytes) {
  return bytes.size == 0 ? std::string() : std::string(bytes.data, bytes.size);
}
calbridge_bytes lend(const std::string& text) {
  return {text.data(), text.size()};
}

std::string nameOf(calbridge_status status) {
  static constexpr std::array<const char*, 12> kNames = {
      "ok",        "invalid_request", "reauth_required", "rate_limited", "not_found",   "conflict",
      "transient", "permanent",       "cancelled",       "deadline",     "unsupported", "internal"};
  return status >= 0 && status < 12 ? kNames[static_cast<std::size_t>(status)] : "unknown " + std::to_string(status);
}

bool sameIgnoringCase(const std::string& a, const std::string& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

const calbridge_call_service_v1_t kCallService = {sizeof(calbridge_call_service_v1_t), 0,
                                                  [](calbridge_call* call) { return call->host->remainingMs; },
                                                  [](calbridge_call*) -> std::int32_t { return 0; },
                                                  [](calbridge_call*) {
                                                    return calbridge_bytes{"test", 4};
                                                  }};

const calbridge_http_service_v1_t kHttpService = {
    sizeof(calbridge_http_service_v1_t), 0,
    [](calbridge_call* call, calbridge_bytes head, calbridge_bytes body, calbridge_bytes* responseHead,
       calbridge_bytes* responseBody) { return call->host->send(head, body, responseHead, responseBody); }};

const calbridge_log_service_v1_t kLogService = {
    sizeof(calbridge_log_service_v1_t), 0,
    [](calbridge_call* call, std::int32_t, calbridge_bytes message) { call->host->logged.push_back(text(message)); }};

const calbridge_clock_service_v1_t kClockService = {sizeof(calbridge_clock_service_v1_t), 0,
                                                    [](calbridge_call* call) { return call->host->nowMs; },
                                                    [](calbridge_call* call) { return call->host->nowMs; }};

const calbridge_kv_service_v1_t kKvService = {
    sizeof(calbridge_kv_service_v1_t), 0,
    [](calbridge_call* call, calbridge_bytes key, calbridge_bytes* value) { return call->host->kvGet(key, value); },
    [](calbridge_call* call, calbridge_bytes key, calbridge_bytes value) { return call->host->kvSet(key, value); }};

const calbridge_host_v1_t kHost = {
    sizeof(calbridge_host_v1_t), CALBRIDGE_MINOR,
    [](calbridge_call* call, calbridge_status status, calbridge_bytes body) { call->host->reply(status, body); },
    [](const calbridge_host_v1_t*, const char* id) -> const void* {
      const std::map<std::string, const void*> services = {{CALBRIDGE_CALL_SERVICE, &kCallService},
                                                           {CALBRIDGE_HTTP_SERVICE, &kHttpService},
                                                           {CALBRIDGE_LOG_SERVICE, &kLogService},
                                                           {CALBRIDGE_CLOCK_SERVICE, &kClockService},
                                                           {CALBRIDGE_KV_SERVICE, &kKvService}};
      const auto found = services.find(id);
      return found == services.end() ? nullptr : found->second;
    }};

std::map<std::string, std::string> fields(const std::string& form) {
  std::map<std::string, std::string> out;
  for (std::size_t at = 0; at < form.size();) {
    const std::size_t end = std::min(form.find('&', at), form.size());
    const std::string pair = form.substr(at, end - at);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    out[decoded(pair.substr(0, equals))] = equals < pair.size() ? decoded(pair.substr(equals + 1)) : std::string();
    at = end + 1;
  }
  return out;
}

} // namespace

std::string decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::map<std::string, std::string> queryOf(const std::string& url) {
  const std::size_t mark = url.find('?');
  return mark == std::string::npos ? std::map<std::string, std::string>() : fields(url.substr(mark + 1));
}

std::string Request::header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (sameIgnoringCase(key, name)) {
      return value;
    }
  }
  return {};
}

std::map<std::string, std::string> Request::form() const {
  return fields(body);
}

ScriptedHost::ScriptedHost(const std::filesystem::path& library) : path_(library) {
  library_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    throw std::runtime_error(dlerror());
  }
  plugin_ = static_cast<const calbridge_plugin_v1_t*>(dlsym(library_, CALBRIDGE_SYMBOL));
  if (plugin_ == nullptr || plugin_->magic != CALBRIDGE_MAGIC) {
    throw std::runtime_error("the library is no plugin");
  }
}

ScriptedHost::ScriptedHost(ScriptedHost& first) : plugin_(first.plugin_), instance_(first.instance_), first_(&first) {}

/// The library stays loaded, as it does in the real host.
ScriptedHost::~ScriptedHost() {
  if (instance_ != nullptr && first_ == nullptr) {
    plugin_->destroy(instance_);
  }
}

Outcome ScriptedHost::create(const Json& settings) {
  calbridge_call call{this};
  const std::string bytes = settings.dump();
  replies_.clear();
  const char* isolation = std::getenv("CALBRIDGE_TEST_ISOLATION");
  if (isolation != nullptr && std::string(isolation) == "isolated") {
    isolated_ = std::make_unique<IsolatedRun>(path_);
    if (isolated_->create(*this, bytes)) {
      return {"ok", Json::object()};
    }
    isolated_.reset();
    return finish();
  }
  instance_ = plugin_->create(&kHost, &call, lend(bytes));
  if (instance_ != nullptr) {
    return {"ok", Json::object()};
  }
  return finish();
}

void ScriptedHost::expect(std::string method, std::string url, int status, std::string body, Headers headers) {
  script_.push_back({std::move(method), std::move(url), CALBRIDGE_OK,
                     Json{{"status", status}, {"headers", std::move(headers)}}, std::move(body)});
}

void ScriptedHost::expectFailure(std::string method, std::string url, calbridge_status status, std::string kind,
                                 bool sent) {
  script_.push_back({std::move(method),
                     std::move(url),
                     status,
                     Json{{"message", "no answer"}, {"kind", std::move(kind)}, {"sent", sent}},
                     {}});
}

Outcome ScriptedHost::runBytes(calbridge_operation operation, const std::string& bytes) {
  if ((instance_ == nullptr && isolated() == nullptr) || operation == nullptr) {
    throw std::logic_error("there is no such instance or operation");
  }
  calbridge_call call{this};
  replies_.clear();
  requests.clear();
  surprises_.clear();
  if (IsolatedRun* run = isolated()) {
    run->call(*this, *plugin_, operation, bytes);
  } else {
    operation(instance_, &kHost, &call, lend(bytes));
  }
  for (const Exchange& unused : script_) {
    surprises_.push_back("never asked for: " + unused.method + " " + unused.url);
  }
  script_.clear();
  return finish();
}

Outcome ScriptedHost::finish() {
  if (first_ == nullptr) { // Catch2's assertions are for the main thread
    CHECK(surprises_ == std::vector<std::string>());
  } else if (!surprises_.empty()) {
    throw std::logic_error(surprises_.front());
  }
  if (replies_.size() != 1) {
    throw std::logic_error("the plugin replied " + std::to_string(replies_.size()) + " times");
  }
  return {nameOf(replies_[0].first), Json::parse(replies_[0].second)};
}

void ScriptedHost::reply(calbridge_status status, calbridge_bytes body) {
  replies_.emplace_back(status, text(body));
}

calbridge_status ScriptedHost::send(calbridge_bytes head, calbridge_bytes body, calbridge_bytes* responseHead,
                                    calbridge_bytes* responseBody) {
  const Json json = Json::parse(text(head));
  Request request{json.at("method"), json.at("url"), json.value("headers", Headers()), text(body)};
  const std::string line = request.method + " " + request.url;
  requests.push_back(std::move(request));
  Exchange next{
      {}, {}, CALBRIDGE_PERMANENT, Json{{"message", "not in the script"}, {"kind", "script"}, {"sent", false}}, {}};
  if (answerAll) {
    auto [status, answer] = answerAll(requests.back());
    next = {{}, {}, CALBRIDGE_OK, Json{{"status", status}, {"headers", Json::array()}}, std::move(answer)};
  } else if (script_.empty()) {
    surprises_.push_back("unexpected: " + line);
  } else if (script_.front().method + " " + script_.front().url != line) {
    surprises_.push_back("got:      " + line + "\n  expected: " + script_.front().method + " " + script_.front().url);
    script_.clear();
  } else {
    next = std::move(script_.front());
    script_.pop_front();
  }
  responseHead_ = next.head.dump();
  responseBody_ = next.body;
  *responseHead = lend(responseHead_);
  *responseBody = lend(responseBody_);
  return next.failure;
}

calbridge_status ScriptedHost::kvGet(calbridge_bytes key, calbridge_bytes* value) {
  ScriptedHost& owner = first_ != nullptr ? *first_ : *this;
  if (owner.onKvGet) {
    owner.onKvGet();
  }
  if (!owner.belongsToConnection) {
    return CALBRIDGE_UNSUPPORTED;
  }
  const std::lock_guard lock(owner.kvMutex_);
  const auto found = owner.kv.find(text(key));
  if (found == owner.kv.end()) {
    return CALBRIDGE_NOT_FOUND;
  }
  lent_ = found->second;
  *value = lend(lent_);
  return CALBRIDGE_OK;
}

calbridge_status ScriptedHost::kvSet(calbridge_bytes key, calbridge_bytes value) {
  ScriptedHost& owner = first_ != nullptr ? *first_ : *this;
  if (!owner.belongsToConnection) {
    return CALBRIDGE_UNSUPPORTED;
  }
  const std::lock_guard lock(owner.kvMutex_);
  if (value.size == 0) {
    owner.kv.erase(text(key));
  } else {
    owner.kv[text(key)] = text(value);
  }
  return CALBRIDGE_OK;
}

} // namespace calbridge::testing
