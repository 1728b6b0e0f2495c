#include "plugins/host_table.hpp"

#include <array>

namespace calbridge::plugins {
namespace {

std::string_view view(calbridge_bytes bytes) {
  return bytes.data == nullptr ? std::string_view() : std::string_view(bytes.data, bytes.size);
}

/// The edge towards a plugin: what the host throws (no memory, a database that is gone) ends here as a status.
template <typename Body>
calbridge_status guarded(calbridge_call* call, Body body) noexcept {
  try {
    return body();
  } catch (const std::exception& exception) {
    call->services.logger().error("a host service failed",
                                  {{"provider", call->services.plugin().id}, {"reason", exception.what()}});
    return CALBRIDGE_TRANSIENT;
  }
}

void reply(calbridge_call* call, calbridge_status status, calbridge_bytes body) noexcept {
  guarded(call, [&] {
    if (call->reply) {
      call->services.logger().warning(
          "a plugin answered twice; the first answer counts",
          {{"provider", call->services.plugin().id}, {"request_id", std::string(call->services.requestId())}});
    } else if (body.size > CALBRIDGE_JSON_MAX_BYTES) {
      call->reply = hostReply(Status::internal, "the plugin's answer is larger than 1 MiB");
    } else {
      call->reply = Reply{statusFrom(status), std::string(view(body))};
    }
    return CALBRIDGE_OK;
  });
}

std::int64_t remainingMs(calbridge_call* call) noexcept {
  return call->services.remainingMs();
}
std::int32_t cancelled(calbridge_call* call) noexcept {
  return call->services.cancelled() ? 1 : 0;
}
calbridge_bytes requestId(calbridge_call* call) noexcept {
  const std::string_view id = call->services.requestId();
  return {id.data(), id.size()};
}

calbridge_status send(calbridge_call* call, calbridge_bytes head, calbridge_bytes body, calbridge_bytes* responseHead,
                      calbridge_bytes* responseBody) noexcept {
  static constexpr std::string_view kFailed = R"({"message":"the host failed","kind":"host","sent":true})";
  *responseHead = {kFailed.data(), kFailed.size()};
  *responseBody = {};
  return guarded(call, [&] {
    std::string_view headView;
    std::string_view bodyView;
    const calbridge_status status = call->services.send(view(head), view(body), headView, bodyView);
    *responseHead = {headView.data(), headView.size()};
    *responseBody = {bodyView.data(), bodyView.size()};
    return status;
  });
}

calbridge_status sendMail(calbridge_call* call, calbridge_bytes envelope, calbridge_bytes message,
                          calbridge_bytes* response) noexcept {
  static constexpr std::string_view kFailed =
      R"({"message":"the host failed","kind":"host","scope":"everything","sent":true})";
  *response = {kFailed.data(), kFailed.size()};
  return guarded(call, [&] {
    std::string_view said;
    const calbridge_status status = call->services.sendMail(view(envelope), view(message), said);
    *response = {said.data(), said.size()};
    return status;
  });
}

void writeLog(calbridge_call* call, std::int32_t level, calbridge_bytes message) noexcept {
  guarded(call, [&] {
    call->services.log(level, view(message));
    return CALBRIDGE_OK;
  });
}

std::int64_t nowMs(calbridge_call* call) noexcept {
  return call->services.nowMs();
}
std::int64_t monotonicMs(calbridge_call* call) noexcept {
  return call->services.monotonicMs();
}

void fill(calbridge_call* call, std::uint8_t* out, std::size_t size) noexcept {
  call->services.fill({out, size}); // without randomness there is no going on: a failure ends the process
}

calbridge_status getValue(calbridge_call* call, calbridge_bytes key, calbridge_bytes* value) noexcept {
  *value = {};
  return guarded(call, [&] {
    std::string_view found;
    const calbridge_status status = call->services.getValue(view(key), found);
    *value = {found.data(), found.size()};
    return status;
  });
}

calbridge_status setValue(calbridge_call* call, calbridge_bytes key, calbridge_bytes value) noexcept {
  return guarded(call, [&] { return call->services.setValue(view(key), view(value)); });
}

constexpr calbridge_call_service_v1_t kCall{sizeof(calbridge_call_service_v1_t), 0, remainingMs, cancelled, requestId};
constexpr calbridge_http_service_v1_t kHttp{sizeof(calbridge_http_service_v1_t), 0, send};
constexpr calbridge_log_service_v1_t kLog{sizeof(calbridge_log_service_v1_t), 0, writeLog};
constexpr calbridge_clock_service_v1_t kClock{sizeof(calbridge_clock_service_v1_t), 0, nowMs, monotonicMs};
constexpr calbridge_random_service_v1_t kRandom{sizeof(calbridge_random_service_v1_t), 0, fill};
constexpr calbridge_kv_service_v1_t kKv{sizeof(calbridge_kv_service_v1_t), 0, getValue, setValue};
constexpr calbridge_smtp_service_v1_t kSmtp{sizeof(calbridge_smtp_service_v1_t), 0, sendMail};

struct Service {
  std::string_view id;
  const void* table;
};
constexpr std::array<Service, 7> kServices = {{{CALBRIDGE_CALL_SERVICE, &kCall},
                                               {CALBRIDGE_HTTP_SERVICE, &kHttp},
                                               {CALBRIDGE_LOG_SERVICE, &kLog},
                                               {CALBRIDGE_CLOCK_SERVICE, &kClock},
                                               {CALBRIDGE_RANDOM_SERVICE, &kRandom},
                                               {CALBRIDGE_KV_SERVICE, &kKv},
                                               {CALBRIDGE_SMTP_SERVICE, &kSmtp}}};

const void* getService(const calbridge_host_v1_t*, const char* id) noexcept {
  for (const Service& service : kServices) {
    if (id != nullptr && service.id == id) {
      return service.table;
    }
  }
  return nullptr;
}

/// What plugins get where no mail server is configured: that service is not there.
const void* getServiceWithoutMail(const calbridge_host_v1_t* host, const char* id) noexcept {
  const void* table = getService(host, id);
  return table == &kSmtp ? nullptr : table;
}

constexpr calbridge_host_v1_t kHost{sizeof(calbridge_host_v1_t), CALBRIDGE_MINOR, reply, getService};
constexpr calbridge_host_v1_t kHostWithoutMail{sizeof(calbridge_host_v1_t), CALBRIDGE_MINOR, reply,
                                               getServiceWithoutMail};

} // namespace

const calbridge_host_v1_t& hostTable(bool mail) {
  return mail ? kHost : kHostWithoutMail;
}

bool hasService(const std::string& id) {
  return getService(&kHost, id.c_str()) != nullptr;
}

} // namespace calbridge::plugins
