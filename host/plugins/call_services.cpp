#include "plugins/call_services.hpp"

#include "calbridge/json_scanner.hpp"
#include "core/error.hpp"
#include "plugins/redaction.hpp"

namespace calbridge::plugins {
namespace {

constexpr std::size_t kLogLimit = 4096;
constexpr int kMostLines = 1000; ///< of one call: a plugin that never stops must not fill the disk

struct FailureWords {
  calbridge_status status;
  const char* kind;
};

FailureWords wordsFor(const HttpFailure& failure) {
  using Kind = HttpFailure::Kind;
  switch (failure.kind) {
  case Kind::refusedByEgress:
    return {CALBRIDGE_PERMANENT, "refused_by_egress"};
  case Kind::connect:
    return {CALBRIDGE_TRANSIENT, "connect"};
  case Kind::tls:
    return {CALBRIDGE_TRANSIENT, "tls"};
  case Kind::timeout:
    return {CALBRIDGE_DEADLINE, "timeout"};
  case Kind::cancelled:
    return {CALBRIDGE_CANCELLED, "cancelled"};
  case Kind::truncated:
    return {CALBRIDGE_TRANSIENT, "truncated"};
  case Kind::malformed:
    return failure.sent ? FailureWords{CALBRIDGE_TRANSIENT, "malformed"}
                        : FailureWords{CALBRIDGE_INVALID_REQUEST, "invalid_request"};
  case Kind::tooLarge:
    return {CALBRIDGE_TRANSIENT, "too_large"};
  }
  return {CALBRIDGE_TRANSIENT, "unknown"};
}

FailureWords wordsFor(const MailFailure& failure) {
  using Kind = MailFailure::Kind;
  switch (failure.kind) {
  case Kind::invalid:
    return {CALBRIDGE_INVALID_REQUEST, "invalid_request"};
  case Kind::connect:
    return {CALBRIDGE_TRANSIENT, "connect"};
  case Kind::tls:
    return {CALBRIDGE_TRANSIENT, "tls"};
  case Kind::timeout:
    return {CALBRIDGE_DEADLINE, "timeout"};
  case Kind::cancelled:
    return {CALBRIDGE_CANCELLED, "cancelled"};
  case Kind::broken:
    return {CALBRIDGE_TRANSIENT, "broken"};
  case Kind::refused:
    return {failure.permanent() ? CALBRIDGE_PERMANENT : CALBRIDGE_TRANSIENT, "refused"};
  }
  return {CALBRIDGE_TRANSIENT, "unknown"};
}

const char* nameOf(MailFailure::Scope scope) {
  switch (scope) {
  case MailFailure::Scope::everything:
    return "everything";
  case MailFailure::Scope::recipient:
    return "recipient";
  case MailFailure::Scope::message:
    return "message";
  }
  return "everything";
}

/// {"from","to":[…]}. Throws sdk::Problem naming what is wrong.
Mail readEnvelope(std::string_view text) {
  const sdk::Json json = sdk::parseJson(text, sdk::Status::invalidRequest, "the mail's envelope");
  const auto wrong = [](const char* what) {
    return sdk::Problem(sdk::Status::invalidRequest, std::string("the mail's envelope needs ") + what);
  };
  if (!json.is_object() || !json.contains("from") || !json["from"].is_string()) {
    throw wrong("the string from");
  }
  if (!json.contains("to") || !json["to"].is_array()) {
    throw wrong("the array to");
  }
  Mail mail;
  mail.from = json["from"].get<std::string>();
  for (const sdk::Json& recipient : json["to"]) {
    mail.to.push_back(recipient.is_string() ? recipient.get<std::string>() : throw wrong("strings in to"));
  }
  return mail;
}

/// {"method","url","headers":[["Name","value"],…]}. Throws sdk::Problem naming what is wrong.
HttpRequest readRequest(std::string_view head) {
  HttpRequest request;
  sdk::JsonScanner scanner(head);
  const bool scanned = scanner.object([&](std::string_view key) {
    return key == "method"    ? scanner.text(request.method)
           : key == "url"     ? scanner.text(request.url)
           : key == "headers" ? scanner.pairs(request.headers)
                              : scanner.skip();
  });
  if (scanned && scanner.finished() && !request.method.empty() && !request.url.empty()) {
    return request;
  }
  request = {};
  sdk::Json json = sdk::parseJson(head, sdk::Status::invalidRequest, "the HTTP request's head");
  const auto wrong = [](const char* what) {
    return sdk::Problem(sdk::Status::invalidRequest, std::string("the HTTP request's head ") + what);
  };
  if (!json.is_object() || !json.contains("method") || !json["method"].is_string() || !json.contains("url") ||
      !json["url"].is_string()) {
    throw wrong("needs the strings method and url");
  }
  request.method = std::move(json["method"].get_ref<std::string&>());
  request.url = std::move(json["url"].get_ref<std::string&>());
  if (const auto headers = json.find("headers"); headers != json.end()) {
    for (sdk::Json& pair : *headers) {
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
        throw wrong("needs headers as pairs of strings");
      }
      request.headers.emplace_back(std::move(pair[0].get_ref<std::string&>()),
                                   std::move(pair[1].get_ref<std::string&>()));
    }
  }
  return request;
}

} // namespace

CallServices::CallServices(const HostServices& host, const PluginIdentity& plugin, const CallContext& context,
                           std::span<const std::string_view> secrets, bool http)
    : host_(host), plugin_(plugin), context_(context), secrets_(secrets), http_(http),
      deadline_(host.clock.monotonic() + context.timeout.count()) {}

ServiceAnswer CallServices::ask(const ServiceQuestion& question) noexcept {
  static constexpr std::string_view kFailed =
      R"({"message":"the host failed","kind":"host","scope":"everything","sent":true})";
  try {
    return answer(question);
  } catch (const std::exception& exception) { // no memory, a database that is gone
    complain(Logger::Level::error, std::string("a host service failed: ") + exception.what());
    return {CALBRIDGE_TRANSIENT, 0, {kFailed}};
  }
}

ServiceAnswer CallServices::answer(const ServiceQuestion& question) {
  const auto& [first, second] = question.bytes;
  ServiceAnswer answer;
  switch (question.function) {
  case ServiceFunction::remainingMs:
    answer.number = remainingMs();
    break;
  case ServiceFunction::cancelled:
    answer.number = cancelled() ? 1 : 0;
    break;
  case ServiceFunction::httpSend:
    answer.status = send(first, second, answer.bytes[0], answer.bytes[1]);
    break;
  case ServiceFunction::log:
    log(static_cast<std::int32_t>(question.number), first);
    break;
  case ServiceFunction::nowMs:
    answer.number = nowMs();
    break;
  case ServiceFunction::monotonicMs:
    answer.number = monotonicMs();
    break;
  case ServiceFunction::fill:
    value_.resize(std::min(static_cast<std::size_t>(std::max<std::int64_t>(question.number, 0)), kMostRandomBytes));
    fill({reinterpret_cast<std::uint8_t*>(value_.data()), value_.size()});
    answer.bytes[0] = value_;
    break;
  case ServiceFunction::getValue:
    answer.status = getValue(first, answer.bytes[0]);
    break;
  case ServiceFunction::setValue:
    answer.status = setValue(first, second);
    break;
  case ServiceFunction::sendMail:
    answer.status = sendMail(first, second, answer.bytes[0]);
    break;
  default:
    answer.status = CALBRIDGE_UNSUPPORTED;
  }
  return answer;
}

void CallServices::write(Logger::Level level, std::string_view line) {
  if (!host_.logger.enabled(level) || lines_ > kMostLines) {
    return;
  }
  const bool enough = ++lines_ > kMostLines;
  host_.logger.write(enough ? Logger::Level::warning : level,
                     enough ? "a plugin wants to log more than 1000 lines in one call; the rest is dropped"
                            : presentable(line, secrets_, kLogLimit),
                     {{"provider", plugin_.id}, {"request_id", context_.requestId}});
}

void CallServices::complain(Logger::Level level, std::string_view what) noexcept {
  try {
    write(level, what);
  } catch (const std::exception&) { // a line that there is no memory for
    return;
  }
}

std::int64_t CallServices::remainingMs() const {
  return std::max<std::int64_t>(0, deadline_ - host_.clock.monotonic());
}

bool CallServices::cancelled() const {
  return context_.cancelled != nullptr && context_.cancelled->load(std::memory_order_relaxed);
}

calbridge_status CallServices::fail(calbridge_status status, std::string_view message, std::string_view kind, bool sent,
                                    std::string_view& responseHead) {
  head_.clear();
  sdk::ObjectWriter(head_).text("message", message).text("kind", kind).flag("sent", sent).end();
  responseHead = head_;
  return status;
}

calbridge_status CallServices::send(std::string_view head, std::string_view body, std::string_view& responseHead,
                                    std::string_view& responseBody) {
  responseBody = {};
  if (!http_) {
    return fail(CALBRIDGE_UNSUPPORTED, "no HTTP while an instance is made", "unsupported", false, responseHead);
  }
  HttpRequest request;
  try {
    request = readRequest(head);
  } catch (const sdk::Problem& problem) {
    return fail(CALBRIDGE_INVALID_REQUEST, problem.what(), "invalid_request", false, responseHead);
  }
  request.body = body;
  HttpOptions options;
  options.timeout = std::chrono::milliseconds(remainingMs());
  options.cancelled = context_.cancelled;
  options.allowedHosts = &plugin_.egress;
  options.typedServers = plugin_.typedServers ? &*plugin_.typedServers : nullptr;
  if (context_.requests != nullptr)
    ++*context_.requests;
  HttpResult result = host_.http.send(request, options);
  if (!result.response) {
    const HttpFailure failure = result.failure.value_or(HttpFailure{});
    const FailureWords words = wordsFor(failure);
    return fail(words.status, failure.message, words.kind, failure.sent, responseHead);
  }
  response_ = std::move(*result.response);
  head_.clear();
  sdk::ObjectWriter object(head_);
  object.number("status", response_.status);
  object.name("headers");
  head_.push_back('[');
  for (const auto& [name, value] : response_.headers) {
    head_.append(head_.back() == '[' ? "[" : ",[");
    sdk::appendJsonString(head_, name);
    head_.push_back(',');
    sdk::appendJsonString(head_, value);
    head_.push_back(']');
  }
  head_.push_back(']');
  object.end();
  responseHead = head_;
  responseBody = response_.body;
  return CALBRIDGE_OK;
}

calbridge_status CallServices::mailFailed(calbridge_status status, const char* kind, const MailFailure& failure,
                                          std::string_view& response) {
  head_.clear();
  sdk::ObjectWriter object(head_);
  object.text("message", failure.message).text("kind", kind).text("scope", nameOf(failure.scope));
  if (failure.code > 0) {
    object.number("code", failure.code);
  }
  object.optionalText("enhanced", failure.enhanced).flag("sent", failure.sent).end();
  response = head_;
  return status;
}

calbridge_status CallServices::sendMail(std::string_view envelope, std::string_view message,
                                        std::string_view& response) {
  MailFailure failure;
  if (!http_ || host_.mailer == nullptr) {
    failure.message = "this host sends no mail here";
    return mailFailed(CALBRIDGE_UNSUPPORTED, "unsupported", failure, response);
  }
  Mail mail;
  try {
    mail = readEnvelope(envelope);
  } catch (const sdk::Problem& problem) {
    failure.message = problem.what();
    return mailFailed(CALBRIDGE_INVALID_REQUEST, "invalid_request", failure, response);
  }
  // A plugin writes to the person whose entry it has, and to nobody else.
  if (context_.mailTo.empty() || mail.to != std::vector<std::string>{context_.mailTo}) {
    failure.message = "a mail goes to the recipient of the push under way and to nobody else";
    failure.scope = MailFailure::Scope::recipient;
    return mailFailed(CALBRIDGE_PERMANENT, "not_allowed", failure, response);
  }
  if (context_.requests != nullptr) {
    ++*context_.requests;
  }
  mail.message = message;
  MailOptions options;
  options.timeout = std::chrono::milliseconds(remainingMs());
  options.cancelled = context_.cancelled;
  if (const auto failed = host_.mailer->send(mail, options); failed) {
    const FailureWords words = wordsFor(*failed);
    return mailFailed(words.status, words.kind, *failed, response);
  }
  response = "{}";
  return CALBRIDGE_OK;
}

void CallServices::log(std::int32_t level, std::string_view message) {
  const auto known = level >= CALBRIDGE_LOG_DEBUG && level <= CALBRIDGE_LOG_ERROR ? static_cast<Logger::Level>(level)
                                                                                  : Logger::Level::info;
  write(known, message);
}

calbridge_status CallServices::getValue(std::string_view key, std::string_view& value) {
  value = {};
  if (context_.keyValues == nullptr) {
    return CALBRIDGE_UNSUPPORTED;
  }
  const auto found = context_.keyValues->get(std::string(key));
  if (!found) {
    return CALBRIDGE_NOT_FOUND;
  }
  value_ = *found;
  value = value_;
  return CALBRIDGE_OK;
}

calbridge_status CallServices::setValue(std::string_view key, std::string_view value) {
  if (context_.keyValues == nullptr) {
    return CALBRIDGE_UNSUPPORTED;
  }
  try {
    context_.keyValues->set(std::string(key), std::string(value));
    return CALBRIDGE_OK;
  } catch (const Error& error) {
    host_.logger.warning("a plugin's value was not kept",
                         {{"provider", plugin_.id}, {"request_id", context_.requestId}, {"reason", error.code()}});
    return error.code() == "quota_exceeded" ? CALBRIDGE_INVALID_REQUEST : CALBRIDGE_TRANSIENT;
  }
}

} // namespace calbridge::plugins
