#include "fuzz/plugin_driver.hpp"
#include "calbridge/json.hpp"
#include "core/error.hpp"
#include "core/url.hpp"
#include "fuzz/target.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::fuzz {
namespace {

/// The connection's values with the host's quota.
class Values final : public KeyValues {
 public:
  explicit Values(std::map<std::string, std::string>& values) : values_(values) {}
  std::optional<std::string> get(const std::string& key) override {
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }
  void set(const std::string& key, const std::string& value) override {
    if (key.size() + value.size() > 16384 || values_.size() >= 64)
      throw Error("quota_exceeded", "the plugin keeps too much");
    if (value.empty())
      values_.erase(key);
    else
      values_[key] = value;
  }

 private:
  std::map<std::string, std::string>& values_;
};

/// What the plugin itself said, before the host mends it.
struct Raw {
  int replies = 0;
  calbridge_status status = CALBRIDGE_INTERNAL;
};
thread_local Raw raw; // the C boundary has no place for it

void reply(calbridge_call* call, calbridge_status status, calbridge_bytes body) noexcept {
  ++raw.replies;
  raw.status = status;
  plugins::hostTable().reply(call, status, body);
}

const calbridge_host_v1_t& table() {
  static const calbridge_host_v1_t watched = [] {
    calbridge_host_v1_t copy = plugins::hostTable();
    copy.reply = reply;
    return copy;
  }();
  return watched;
}

} // namespace

PluginDriver::PluginDriver(const std::string& path, const std::string& settings)
    : library_(plugins::PluginLibrary::loadHere(path)), host_{*this, *this, clock_, random_, this}, identity_{"fuzzed",
                                                                                                              {}} {
  const CallContext context;
  plugins::CallServices services(host_, identity_, context, {}, false);
  calbridge_call call{services, std::nullopt};
  self_ = library_->table().create(&table(), &call, {settings.data(), settings.size()});
  require(self_ != nullptr, "the plugin takes its settings", settings);
}

PluginDriver::~PluginDriver() {
  library_->table().destroy(self_);
}

void PluginDriver::FixedRandom::fill(std::span<std::uint8_t> out) {
  std::fill(out.begin(), out.end(), std::uint8_t{7});
}

plugins::Reply PluginDriver::call(plugins::Operation operation, std::string_view request) {
  requests.clear();
  mails.clear();
  identity_.egress = egress;
  identity_.typedServers = typedServers ? std::optional(TypedServers{}) : std::nullopt;
  Values kept(values);
  CallContext context;
  context.keyValues = &kept;
  context.requestId = "fuzz";
  context.mailTo = mailTo;
  plugins::CallServices services(host_, identity_, context, secrets, true);
  calbridge_call call{services, std::nullopt};
  raw = {};
  const calbridge_operation function = library_->operation(operation);
  require(function != nullptr, "the plugin has the operation", plugins::toString(operation));
  function(self_, &table(), &call, {request.data(), request.size()});
  require(raw.replies == 1 && call.reply, "a plugin answers once", std::to_string(raw.replies));
  require(raw.status >= CALBRIDGE_OK && raw.status <= CALBRIDGE_INTERNAL, "a status is one of the list",
          std::to_string(raw.status));
  plugins::Reply answer = std::move(*call.reply);
  require(answer.body.size() <= CALBRIDGE_JSON_MAX_BYTES && sdk::jsonDepthWithin(answer.body, CALBRIDGE_JSON_MAX_DEPTH),
          "a reply keeps the caps of the boundary");
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  require(json.is_object(), "a reply is a JSON object", answer.body);
  if (answer.status != Status::ok) {
    require(answer.status != Status::internal, "nothing that a provider says is a defect of the plugin", answer.body);
    require(json.contains("message") && json["message"].is_string() && json["message"] != "", "a failure has a reason",
            answer.body);
    const auto failure = plugins::failureFromWire(answer, secrets);
    require(failure.has_value(), "a failure is one");
    checkSecrets(failure->message, "a reason shows no secret");
    checkSecrets(failure->code, "a code shows no secret");
    require(!failure->retryAfter || failure->retryAfter->count() >= 0, "nobody waits into the past");
  }
  return answer;
}

HttpResult PluginDriver::send(const HttpRequest& request, const HttpOptions&) {
  require(requests.size() < 100, "a call makes a limited number of requests");
  const auto url = parseUrl(request.url);
  if (typedServers && !url) // nobody is asked: the host's client finds that out
    return {std::nullopt, HttpFailure{HttpFailure::Kind::malformed, false, "this is no URL"}};
  requests.push_back(request);
  require(url && (typedServers || std::find(egress.begin(), egress.end(), url->authority()) != egress.end()),
          "a plugin asks its own hosts only", request.url);
  require(url->target.find("/../") == std::string::npos, "no id leads to another place", request.url);
  for (const auto& [name, value] : request.headers)
    require(!name.empty() && isUtf8(value), "a header is text", name);
  const auto type = std::find_if(request.headers.begin(), request.headers.end(),
                                 [](const auto& header) { return header.first == "Content-Type"; });
  if (type != request.headers.end() && type->second.find("json") != std::string::npos)
    require(nlohmann::json::accept(request.body), "a body that is said to be JSON is JSON", request.body);
  if (script.empty())
    return {std::nullopt, HttpFailure{HttpFailure::Kind::connect, false, "nobody answers"}};
  HttpResult next = std::move(script.front());
  script.pop_front();
  return next;
}

std::optional<MailFailure> PluginDriver::send(const Mail& mail, const MailOptions&) {
  require(mails.size() < 10, "a call sends a limited number of mails");
  require(mail.to.size() == 1 && mail.to.front() == mailTo, "a mail goes to its one recipient");
  mails.push_back({mail.from, mail.to.front(), std::string(mail.message)});
  if (mailScript.empty())
    return std::nullopt;
  MailFailure next = std::move(mailScript.front());
  mailScript.pop_front();
  return next;
}

void PluginDriver::write(Level, std::string_view message, std::initializer_list<Field> fields) {
  checkSecrets(message, "the log shows no secret");
  for (const auto& [name, value] : fields)
    checkSecrets(value, "the log shows no secret");
}

void PluginDriver::checkSecrets(std::string_view text, const char* what) const {
  for (const std::string_view secret : secrets)
    require(text.find(secret) == std::string_view::npos, what, text);
}

HttpResult exchangeOf(const Section& section) {
  using Kind = HttpFailure::Kind;
  static const std::map<std::string_view, HttpFailure> kFailures = {
      {"timeout", {Kind::timeout, true, "no answer in time"}},
      {"connect", {Kind::connect, false, "refused"}},
      {"truncated", {Kind::truncated, true, "broke off"}},
      {"malformed", {Kind::malformed, true, "no HTTP"}},
      {"egress", {Kind::refusedByEgress, false, "not allowed"}}};
  if (const auto failure = kFailures.find(section.title); failure != kFailures.end())
    return {std::nullopt, failure->second};
  HttpResponse response;
  const char* end = section.title.data() + section.title.size();
  const auto number = std::from_chars(section.title.data(), end, response.status);
  if (number.ec != std::errc() || response.status < 100 || response.status > 599) // the host's client takes no other
    response.status = 200;
  std::string_view rest(number.ptr, static_cast<std::size_t>(end - number.ptr));
  while (!rest.empty()) {
    const std::size_t stop = std::min(rest.find(';'), rest.size());
    std::string_view field = rest.substr(0, stop);
    rest.remove_prefix(std::min(stop + 1, rest.size()));
    field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
    const std::size_t colon = field.find(": ");
    if (colon != std::string_view::npos && !hasControls(field, "\t"))
      response.headers.emplace_back(field.substr(0, colon), field.substr(colon + 2));
  }
  response.body = section.text;
  return {std::move(response), std::nullopt};
}

} // namespace calbridge::fuzz
