#pragma once
#include "calbridge/json_scanner.hpp"

#include <algorithm>
#include <span>

/// The host's services as a plugin sees them. All of it is valid during one operation only, by one thread at a time.
namespace calbridge::sdk {

using Headers = std::vector<std::pair<std::string, std::string>>;

inline calbridge_bytes borrow(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view view(calbridge_bytes bytes) {
  return bytes.size == 0 ? std::string_view() : std::string_view(bytes.data, bytes.size);
}

struct HttpRequest {
  std::string method;
  std::string url;
  Headers headers;
  std::string body;
};

struct HttpResponse {
  int status = 0;
  Headers headers;
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
  /// The first header of that name (any case), or empty.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key.size() == name.size() && std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) {
            return (a >= 'A' && a <= 'Z' ? a + 32 : a) == (b >= 'A' && b <= 'Z' ? b + 32 : b);
          })) {
        return value;
      }
    }
    return {};
  }
  /// The body as JSON; throws Problem(transient) when it is not. An answer that claims success but is garbage is no
  /// success.
  Json json() const {
    return parseJson(body, Status::transient, "the provider's answer (HTTP " + std::to_string(status) + ")");
  }
};

/// No complete response came. `sent`: the server may have seen, and done, what was asked.
class HttpProblem : public Problem {
 public:
  HttpProblem(Status status, const std::string& message, std::string kind, bool sent)
      : Problem(status, message, "http_" + kind), kind_(std::move(kind)), sent_(sent) {}
  /// connect, tls, timeout, truncated, malformed, too_large, cancelled, refused_by_egress, invalid_request.
  const std::string& kind() const noexcept { return kind_; }
  bool sent() const noexcept { return sent_; }

 private:
  std::string kind_;
  bool sent_;
};

class Http {
 public:
  Http(const calbridge_http_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}

  /// Sends and waits. Returns whatever the server answered, 4xx and 5xx too; redirects are not followed. Throws
  /// HttpProblem.
  HttpResponse send(const HttpRequest& request) const {
    return send(request.method, request.url, request.headers, request.body);
  }
  HttpResponse send(std::string_view method, std::string_view url, const Headers& headers, std::string_view body) const;

  HttpResponse get(std::string_view url, const Headers& headers = {}) const { return send("GET", url, headers, {}); }
  HttpResponse del(std::string_view url, const Headers& headers = {}) const { return send("DELETE", url, headers, {}); }
  HttpResponse post(std::string_view url, std::string_view body, const Headers& headers) const {
    return send("POST", url, headers, body);
  }
  HttpResponse put(std::string_view url, std::string_view body, const Headers& headers) const {
    return send("PUT", url, headers, body);
  }
  HttpResponse patch(std::string_view url, std::string_view body, const Headers& headers) const {
    return send("PATCH", url, headers, body);
  }

 private:
  const calbridge_http_service_v1_t* table_;
  calbridge_call* call_;
};

class Log {
 public:
  Log(const calbridge_log_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  void debug(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_DEBUG, borrow(message)); }
  void info(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_INFO, borrow(message)); }
  void warning(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_WARNING, borrow(message)); }
  void error(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_ERROR, borrow(message)); }

 private:
  const calbridge_log_service_v1_t* table_;
  calbridge_call* call_;
};

class Clock {
 public:
  Clock(const calbridge_clock_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  /// Milliseconds since 1970, UTC.
  std::int64_t nowMs() const { return table_->now_ms(call_); }
  std::int64_t monotonicMs() const { return table_->monotonic_ms(call_); }

 private:
  const calbridge_clock_service_v1_t* table_;
  calbridge_call* call_;
};

class Random {
 public:
  Random(const calbridge_random_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  void fill(std::span<std::uint8_t> out) const { table_->fill(call_, out.data(), out.size()); }

 private:
  const calbridge_random_service_v1_t* table_;
  calbridge_call* call_;
};

/// Small values of this connection.
class KeyValues {
 public:
  KeyValues(const calbridge_kv_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  /// nullopt when absent, and where the call belongs to no connection.
  std::optional<std::string> get(std::string_view key) const {
    calbridge_bytes value{};
    const calbridge_status status = table_->get(call_, borrow(key), &value);
    return status == CALBRIDGE_OK ? std::optional<std::string>(view(value)) : std::nullopt;
  }
  /// An empty value erases. Throws Problem beyond the quota and where the call belongs to no connection.
  void set(std::string_view key, std::string_view value) const {
    if (const Status status = statusFrom(table_->set(call_, borrow(key), borrow(value))); status != Status::ok) {
      throw Problem(status, "the host did not keep the value of \"" + std::string(key) + "\"");
    }
  }

 private:
  const calbridge_kv_service_v1_t* table_;
  calbridge_call* call_;
};

/// One operation under way. A service that the host lacks throws Problem(unsupported) when it is asked for.
class Call {
 public:
  Call(const calbridge_host_v1_t* host, calbridge_call* call) : host_(host), call_(call) {}

  /// Is there such a service ("calbridge.kv/1")?
  bool has(const char* service) const { return host_->get_service(host_, service) != nullptr; }
  Http http() const { return {table<calbridge_http_service_v1_t>(CALBRIDGE_HTTP_SERVICE), call_}; }
  Log log() const { return {table<calbridge_log_service_v1_t>(CALBRIDGE_LOG_SERVICE), call_}; }
  Clock clock() const { return {table<calbridge_clock_service_v1_t>(CALBRIDGE_CLOCK_SERVICE), call_}; }
  Random random() const { return {table<calbridge_random_service_v1_t>(CALBRIDGE_RANDOM_SERVICE), call_}; }
  KeyValues kv() const { return {table<calbridge_kv_service_v1_t>(CALBRIDGE_KV_SERVICE), call_}; }

  std::chrono::milliseconds remaining() const {
    return std::chrono::milliseconds(table<calbridge_call_service_v1_t>(CALBRIDGE_CALL_SERVICE)->remaining_ms(call_));
  }
  bool cancelled() const { return table<calbridge_call_service_v1_t>(CALBRIDGE_CALL_SERVICE)->cancelled(call_) != 0; }
  /// Throws Problem(cancelled) or Problem(deadline) when there is no point in going on.
  void checkpoint() const {
    if (cancelled()) {
      throw Problem(Status::cancelled, "the host stopped this call");
    }
    if (remaining().count() <= 0) {
      throw Problem(Status::deadline, "the time for this call was used up");
    }
  }

 private:
  template <typename Table>
  const Table* table(const char* id) const {
    const auto* found = static_cast<const Table*>(host_->get_service(host_, id));
    if (found == nullptr || found->struct_size < sizeof(Table)) {
      throw Problem(Status::unsupported, std::string("this host does not offer ") + id);
    }
    return found;
  }
  const calbridge_host_v1_t* host_;
  calbridge_call* call_;
};

inline HttpResponse Http::send(std::string_view method, std::string_view url, const Headers& headers,
                               std::string_view body) const {
  std::string head;
  head.reserve(256 + url.size());
  ObjectWriter object(head);
  object.text("method", method).text("url", url);
  object.name("headers");
  head.push_back('[');
  for (const auto& [name, value] : headers) {
    head.append(head.back() == '[' ? "[" : ",[");
    appendJsonString(head, name);
    head.push_back(',');
    appendJsonString(head, value);
    head.push_back(']');
  }
  head.push_back(']');
  object.end();

  calbridge_bytes responseHead{};
  calbridge_bytes responseBody{};
  const Status status = statusFrom(table_->send(call_, borrow(head), borrow(body), &responseHead, &responseBody));
  HttpResponse response;
  if (status == Status::ok) {
    JsonScanner scanner(view(responseHead));
    std::int64_t code = 0;
    const bool scanned = scanner.object([&](std::string_view key) {
      return key == "status"    ? scanner.integer(code)
             : key == "headers" ? scanner.pairs(response.headers)
                                : scanner.skip();
    });
    if (scanned && scanner.finished()) {
      response.status = static_cast<int>(code);
      response.body = view(responseBody);
      return response;
    }
    response.headers.clear();
  }
  Json json = parseJson(view(responseHead), Status::internal, "the host's HTTP answer");
  if (status != Status::ok) {
    throw HttpProblem(status, json.value("message", "the request failed"), json.value("kind", "unknown"),
                      json.value("sent", true));
  }
  response.status = json.value("status", 0);
  for (Json& pair : json["headers"]) {
    response.headers.emplace_back(std::move(pair.at(0).get_ref<std::string&>()),
                                  std::move(pair.at(1).get_ref<std::string&>()));
  }
  response.body = view(responseBody);
  return response;
}

} // namespace calbridge::sdk
