#pragma once
#include "calbridge/json_scanner.hpp"

#include <algorithm>
#include <span>

/// The host's services as a plugin sees them. All of it is valid during one operation only, by one thread at a time.
namespace calbridge::sdk {

/// Header fields of HTTP, name and value, in their order.
using Headers = std::vector<std::pair<std::string, std::string>>;

/// `text` as the boundary passes it; valid as long as `text` is.
inline calbridge_bytes borrow(std::string_view text) {
  return {text.data(), text.size()};
}
/// What the other side passed; valid as long as that is.
inline std::string_view view(calbridge_bytes bytes) {
  return bytes.size == 0 ? std::string_view() : std::string_view(bytes.data, bytes.size);
}

/// What to ask a provider. Host, lengths and framing are set by the host.
struct HttpRequest {
  std::string method; ///< "GET", …
  std::string url;    ///< absolute
  Headers headers;    ///< in their order
  std::string body;   ///< raw bytes
};

/// What a provider answered, whatever its status.
struct HttpResponse {
  int status = 0;   ///< RFC 9110 section 15
  Headers headers;  ///< in their order
  std::string body; ///< raw bytes

  /// 2xx.
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
  /// By Http::send alone; see there.
  HttpProblem(Status status, const std::string& message, std::string kind, bool sent)
      : Problem(status, message, "http_" + kind), kind_(std::move(kind)), sent_(sent) {}
  /// connect, tls, timeout, truncated, malformed, too_large, cancelled, refused_by_egress, invalid_request.
  const std::string& kind() const noexcept { return kind_; }
  /// The server may have seen, and done, what was asked.
  bool sent() const noexcept { return sent_; }

 private:
  std::string kind_;
  bool sent_;
};

/// "calbridge.http/1": requests through the host, within the manifest's egress and the call's deadline.
class Http {
 public:
  /// By Call::http().
  Http(const calbridge_http_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}

  /// Sends and waits. Returns whatever the server answered, 4xx and 5xx too; redirects are not followed. Throws
  /// HttpProblem.
  HttpResponse send(const HttpRequest& request) const {
    return send(request.method, request.url, request.headers, request.body);
  }
  /// The same, without a struct.
  HttpResponse send(std::string_view method, std::string_view url, const Headers& headers, std::string_view body) const;

  /// send() with GET.
  HttpResponse get(std::string_view url, const Headers& headers = {}) const { return send("GET", url, headers, {}); }
  /// send() with DELETE.
  HttpResponse del(std::string_view url, const Headers& headers = {}) const { return send("DELETE", url, headers, {}); }
  /// send() with POST.
  HttpResponse post(std::string_view url, std::string_view body, const Headers& headers) const {
    return send("POST", url, headers, body);
  }
  /// send() with PUT.
  HttpResponse put(std::string_view url, std::string_view body, const Headers& headers) const {
    return send("PUT", url, headers, body);
  }
  /// send() with PATCH.
  HttpResponse patch(std::string_view url, std::string_view body, const Headers& headers) const {
    return send("PATCH", url, headers, body);
  }

 private:
  const calbridge_http_service_v1_t* table_;
  calbridge_call* call_;
};

/// The mail server did not take a message.
class MailProblem : public Problem {
 public:
  /// What the host said about it.
  MailProblem(Status status, const std::string& message, std::string kind, std::string scope, int reply,
              std::string enhanced, bool sent)
      : Problem(status, message, "smtp_" + kind), kind_(std::move(kind)), scope_(std::move(scope)),
        enhanced_(std::move(enhanced)), reply_(reply), sent_(sent) {}
  /// connect, tls, timeout, cancelled, broken, refused, invalid_request, not_allowed.
  const std::string& kind() const noexcept { return kind_; }
  /// What a refusal is about: everything, recipient, message.
  const std::string& scope() const noexcept { return scope_; }
  /// RFC 3463, "5.1.1"; may be empty.
  const std::string& enhanced() const noexcept { return enhanced_; }
  /// The server's reply code; 0 where it gave none.
  int reply() const noexcept { return reply_; }
  /// The whole message went out and no answer came: it may have been delivered.
  bool sent() const noexcept { return sent_; }

 private:
  std::string kind_;
  std::string scope_;
  std::string enhanced_;
  int reply_;
  bool sent_;
};

/// "calbridge.smtp/1": mail through the host's server; the one recipient is the push's own.
class Smtp {
 public:
  /// By Call::smtp().
  Smtp(const calbridge_smtp_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  /// Hands over a message (RFC 5322, CRLF, 7 bits). Returns when the server has taken it; throws MailProblem.
  void send(std::string_view from, std::string_view to, std::string_view message) const {
    std::string envelope;
    ObjectWriter object(envelope);
    object.text("from", from);
    object.name("to");
    envelope.push_back('[');
    appendJsonString(envelope, to);
    envelope.push_back(']');
    object.end();
    calbridge_bytes response{};
    const Status status = statusFrom(table_->send(call_, borrow(envelope), borrow(message), &response));
    if (status == Status::ok) {
      return;
    }
    const Json json = parseJson(view(response), Status::internal, "the host's word about a mail");
    throw MailProblem(status, json.value("message", "the mail was not sent"), json.value("kind", "unknown"),
                      json.value("scope", "everything"), json.value("code", 0), json.value("enhanced", ""),
                      json.value("sent", true));
  }

 private:
  const calbridge_smtp_service_v1_t* table_;
  calbridge_call* call_;
};

/// "calbridge.log/1": lines of the host's log. Never pass tokens or codes. Beyond 4 KiB a line is cut.
class Log {
 public:
  /// By Call::log().
  Log(const calbridge_log_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  /// For whoever looks for a fault.
  void debug(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_DEBUG, borrow(message)); }
  /// Worth a line in normal operation.
  void info(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_INFO, borrow(message)); }
  /// Odd, but the operation goes on.
  void warning(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_WARNING, borrow(message)); }
  /// The operation fails because of this.
  void error(std::string_view message) const { table_->write(call_, CALBRIDGE_LOG_ERROR, borrow(message)); }

 private:
  const calbridge_log_service_v1_t* table_;
  calbridge_call* call_;
};

/// "calbridge.clock/1": the host's time, which tests fix.
class Clock {
 public:
  /// By Call::clock().
  Clock(const calbridge_clock_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  /// Milliseconds since 1970, UTC.
  std::int64_t nowMs() const { return table_->now_ms(call_); }
  /// Milliseconds since an arbitrary moment; never steps back.
  std::int64_t monotonicMs() const { return table_->monotonic_ms(call_); }

 private:
  const calbridge_clock_service_v1_t* table_;
  calbridge_call* call_;
};

/// "calbridge.random/1": cryptographic randomness, which tests fix.
class Random {
 public:
  /// By Call::random().
  Random(const calbridge_random_service_v1_t* table, calbridge_call* call) : table_(table), call_(call) {}
  /// Fills all of `out`.
  void fill(std::span<std::uint8_t> out) const { table_->fill(call_, out.data(), out.size()); }

 private:
  const calbridge_random_service_v1_t* table_;
  calbridge_call* call_;
};

/// Small values of this connection.
class KeyValues {
 public:
  /// By Call::kv().
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
  /// By the SDK, for each operation; both are borrowed.
  Call(const calbridge_host_v1_t* host, calbridge_call* call) : host_(host), call_(call) {}

  /// Is there such a service ("calbridge.kv/1")?
  bool has(const char* service) const { return host_->get_service(host_, service) != nullptr; }
  /// HTTP through the host.
  Http http() const { return {table<calbridge_http_service_v1_t>(CALBRIDGE_HTTP_SERVICE), call_}; }
  /// The host's log.
  Log log() const { return {table<calbridge_log_service_v1_t>(CALBRIDGE_LOG_SERVICE), call_}; }
  /// The host's time.
  Clock clock() const { return {table<calbridge_clock_service_v1_t>(CALBRIDGE_CLOCK_SERVICE), call_}; }
  /// The host's randomness.
  Random random() const { return {table<calbridge_random_service_v1_t>(CALBRIDGE_RANDOM_SERVICE), call_}; }
  /// The host's mail server.
  Smtp smtp() const { return {table<calbridge_smtp_service_v1_t>(CALBRIDGE_SMTP_SERVICE), call_}; }
  /// What the host keeps for this connection.
  KeyValues kv() const { return {table<calbridge_kv_service_v1_t>(CALBRIDGE_KV_SERVICE), call_}; }

  /// Until the deadline; 0 once it has passed. HTTP requests end by it by themselves.
  std::chrono::milliseconds remaining() const {
    return std::chrono::milliseconds(table<calbridge_call_service_v1_t>(CALBRIDGE_CALL_SERVICE)->remaining_ms(call_));
  }
  /// The host wants the call to end.
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
