#include "plugins/host_table.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace calbridge::plugins {
namespace {

std::string_view view(calbridge_bytes bytes) {
  return bytes.data == nullptr ? std::string_view() : std::string_view(bytes.data, bytes.size);
}

calbridge_bytes lend(std::string_view text) {
  return {text.data(), text.size()};
}

void reply(calbridge_call* call, calbridge_status status, calbridge_bytes body) noexcept {
  if (call->reply) {
    if (std::exchange(call->complained, true)) {
      return; // one line in the log, however often it answers
    }
    call->services.complain(Logger::Level::warning, "a plugin answered twice; the first answer counts");
  } else if (body.size > CALBRIDGE_JSON_MAX_BYTES) {
    call->reply = hostReply(Status::internal, "the plugin's answer is larger than 1 MiB");
  } else {
    try {
      call->reply = Reply{statusFrom(status), std::string(view(body))};
    } catch (const std::bad_alloc&) {
      call->reply = Reply{};
    }
  }
}

std::int64_t number(calbridge_call* call, ServiceFunction function) noexcept {
  return call->services.ask({function}).number;
}

std::int64_t remainingMs(calbridge_call* call) noexcept {
  return number(call, ServiceFunction::remainingMs);
}
std::int32_t cancelled(calbridge_call* call) noexcept {
  return number(call, ServiceFunction::cancelled) != 0 ? 1 : 0;
}
calbridge_bytes requestId(calbridge_call* call) noexcept {
  return lend(call->services.requestId());
}

calbridge_status send(calbridge_call* call, calbridge_bytes head, calbridge_bytes body, calbridge_bytes* responseHead,
                      calbridge_bytes* responseBody) noexcept {
  const ServiceAnswer answer = call->services.ask({ServiceFunction::httpSend, 0, {view(head), view(body)}});
  *responseHead = lend(answer.bytes[0]);
  *responseBody = lend(answer.bytes[1]);
  return answer.status;
}

calbridge_status sendMail(calbridge_call* call, calbridge_bytes envelope, calbridge_bytes message,
                          calbridge_bytes* response) noexcept {
  const ServiceAnswer answer = call->services.ask({ServiceFunction::sendMail, 0, {view(envelope), view(message)}});
  *response = lend(answer.bytes[0]);
  return answer.status;
}

void writeLog(calbridge_call* call, std::int32_t level, calbridge_bytes message) noexcept {
  call->services.ask({ServiceFunction::log, level, {view(message)}});
}

std::int64_t nowMs(calbridge_call* call) noexcept {
  return number(call, ServiceFunction::nowMs);
}
std::int64_t monotonicMs(calbridge_call* call) noexcept {
  return number(call, ServiceFunction::monotonicMs);
}

void fill(calbridge_call* call, std::uint8_t* out, std::size_t size) noexcept {
  while (size > 0) {
    const std::size_t part = std::min(size, kMostRandomBytes);
    const ServiceAnswer answer = call->services.ask({ServiceFunction::fill, static_cast<std::int64_t>(part)});
    if (answer.status != CALBRIDGE_OK || answer.bytes[0].size() != part) {
      std::abort(); // the function has no way to fail, and nothing may go on with what is no randomness
    }
    std::memcpy(out, answer.bytes[0].data(), part);
    out += part;
    size -= part;
  }
}

calbridge_status getValue(calbridge_call* call, calbridge_bytes key, calbridge_bytes* value) noexcept {
  const ServiceAnswer answer = call->services.ask({ServiceFunction::getValue, 0, {view(key)}});
  *value = answer.status == CALBRIDGE_OK ? lend(answer.bytes[0]) : calbridge_bytes{};
  return answer.status;
}

calbridge_status setValue(calbridge_call* call, calbridge_bytes key, calbridge_bytes value) noexcept {
  return call->services.ask({ServiceFunction::setValue, 0, {view(key), view(value)}}).status;
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
