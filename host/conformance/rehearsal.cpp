#include "conformance/rehearsal.hpp"

#include "core/digest.hpp"
#include "core/url.hpp"
#include "plugins/host_table.hpp"
#include "plugins/in_process_instance.hpp"
#include "plugins/isolated_instance.hpp"
#include "plugins/plugin_search.hpp"
#include "plugins/wire.hpp"

#include <array>

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

/// A call whose replies are counted.
struct CountedCall : calbridge_call {
  int replies = 0;
  std::int32_t number = -1;
};

/// Passes questions on, and keeps what the made-up world does not get to see.
class WatchedServices final : public plugins::ServicePort {
 public:
  WatchedServices(plugins::CallServices& services, MadeUpMail& mail) : services_(services), mail_(mail) {}
  plugins::ServiceAnswer ask(const plugins::ServiceQuestion& question) noexcept override {
    const plugins::ServiceAnswer answer = services_.ask(question);
    if (question.function == plugins::ServiceFunction::sendMail && answer.status == CALBRIDGE_PERMANENT &&
        answer.bytes[0].find("\"not_allowed\"") != std::string_view::npos) {
      mail_.forbid(std::string(question.bytes[0]));
    }
    return answer;
  }
  std::string_view requestId() const override { return services_.requestId(); }
  bool mail() const override { return services_.mail(); }
  void complain(Logger::Level level, std::string_view what) noexcept override { services_.complain(level, what); }

 private:
  plugins::CallServices& services_;
  MadeUpMail& mail_;
};

std::string seeded(const char* what, const Job& job) {
  return hexEncode(sha256(std::string(what) + std::to_string(job.seed))).substr(0, 12);
}

std::vector<std::string> egressOf(const plugins::Manifest& manifest, const json& settings) {
  std::vector<std::string> hosts = manifest.egress;
  for (const std::string& name : manifest.egressSettings) {
    const auto value = settings.find(name);
    const auto url =
        value != settings.end() && value->is_string() ? parseUrl(value->get_ref<const std::string&>()) : std::nullopt;
    if (url) {
      hosts.push_back(url->authority());
    }
  }
  return hosts;
}

} // namespace

/// The host's own table, with replies counted and services offered as this rehearsal wants them.
struct Rehearsal::Host {
  calbridge_host_v1_t table{};
  std::set<std::string> offered; ///< empty: all that the real host has
  mutable std::mutex mutex;
  mutable std::set<std::string> asked;

  static const void* getService(const calbridge_host_v1_t* host, const char* id) noexcept {
    const Host& self = *reinterpret_cast<const Host*>(host); // the table is its first member
    const std::string name = id == nullptr ? "" : id;
    const std::lock_guard lock(self.mutex);
    self.asked.insert(name);
    const bool hidden = !self.offered.empty() && !self.offered.contains(name);
    return hidden ? nullptr : plugins::hostTable().get_service(&plugins::hostTable(), id);
  }
  static void reply(calbridge_call* call, calbridge_status status, calbridge_bytes body) noexcept {
    auto& counted = *static_cast<CountedCall*>(call);
    if (++counted.replies == 1) {
      counted.number = status;
      plugins::hostTable().reply(call, status, body);
    }
  }
};

std::string Ended::text(const char* field) const {
  const auto found = document.is_object() ? document.find(field) : document.end();
  return document.is_object() && found != document.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t Ended::retryAfterMs() const {
  const auto found = document.is_object() ? document.find("retry_after_ms") : document.end();
  return document.is_object() && found != document.end() && found->is_number() ? found->get<std::int64_t>() : -1;
}

std::string Ended::words() const {
  const std::string message = text("message").empty() ? text("code") : text("message");
  return std::string(toString(reply.status)) + (message.empty() ? "" : " (" + message + ")");
}

Rehearsal::Rehearsal(Trial& trial, RehearsalOptions options)
    : network(trial.job().script, "canary" + seeded("stem", trial.job())), random(trial.job().seed), trial_(trial),
      stem_("canary" + seeded("stem", trial.job())), mark_("zq" + seeded("mark", trial.job())),
      uid_("u-" + seeded("uid", trial.job())), services_{network, log, clock, random, &mail},
      identity_{trial.manifest().id, egressOf(trial.manifest(), trial.job().script.settings)},
      host_(std::make_unique<Host>()) {
  clientId = "client-" + seeded("client", trial.job()) + options.installation;
  state = "st." + seeded("state", trial.job()) + "~-_" + seeded("more", trial.job());
  challenge = base64UrlEncode(sha256(seeded("challenge", trial.job())));
  verifier = stem_ + "-verifier-" + seeded("verifier", trial.job()) + "-._~" + seeded("more", trial.job());
  const std::string key = hexEncode(sha256(seeded("key", trial.job())));
  idempotencyKey = key.substr(0, 8) + "-" + key.substr(8, 4) + "-4" + key.substr(13, 3) + "-8" + key.substr(17, 3) +
                   "-" + key.substr(20, 12);
  host_->table = {sizeof(calbridge_host_v1_t), CALBRIDGE_MINOR, Host::reply, Host::getService};
  if (options.requiredServicesOnly) {
    const auto& required = trial.manifest().requiredServices;
    host_->offered.insert(required.begin(), required.end());
    host_->offered.insert(CALBRIDGE_CALL_SERVICE);
  }
  make(options);
  network.service.announce(uid_);
  network.anyHost = !trial.manifest().egressCredentials.empty();
  connect();
}

void Rehearsal::make(const RehearsalOptions& options) {
  const std::string secret = options.configured ? stem_ + "-client-secret" : std::string();
  const std::string settings =
      plugins::settingsToWire(options.configured ? clientId : std::string(), secret, trial_.job().script.settings);
  const std::array<std::string_view, 1> secrets = {secret};
  if (options.way == Way::direct) {
    const Ended made = create(trial_, settings, this);
    requestsInCreate = network.exchanges().size();
    network.forget();
    if (self_ == nullptr) {
      throw Skipped{"the plugin makes no instance: " + made.words()};
    }
  } else if (options.way == Way::inProcess) {
    instance_ = std::make_unique<plugins::InProcessInstance>(trial_.library(), services_, identity_, settings, secrets);
  } else {
    const plugins::RunnerOptions runner = plugins::defaultSearch({}).runner;
    instance_ = std::make_unique<plugins::IsolatedInstance>(plugins::describePlugin(trial_.job().plugin, runner),
                                                            runner, services_, identity_, settings, secrets);
  }
}

/// What a connection has before the first push. Whether that works, other checks tell.
void Rehearsal::connect() {
  if (trial_.can("oauth2")) {
    accessToken_ = network.service.newAccessToken();
    const Ended asked = call(Operation::connect, request(Operation::connect));
    const std::string url = asked.text("authorization_url");
    const std::size_t mark = url.find('?');
    if (const auto fields = mark == std::string::npos ? Names() : formFields(url.substr(mark + 1));
        fields.contains("scope")) {
      network.service.scope = fields.at("scope");
    }
  }
  if (trial_.can("credentials") && has(Operation::authenticate)) {
    const Ended asked = call(Operation::authenticate, request(Operation::authenticate));
    secret_ = asked.ok() ? asked.document.value("secret", json()) : json();
  }
  network.forget();
  transcript_.clear();
}

json Rehearsal::credentials() const {
  json typed = trial_.job().script.credentials;
  for (const FormField& field : trial_.manifest().form) {
    if (field.secret) {
      typed[field.name] = stem_ + "-password"; // known wherever it turns up
    } else if (!typed.contains(field.name) && (field.required || !field.defaultValue.empty())) {
      typed[field.name] = !field.defaultValue.empty() ? field.defaultValue
                          : !field.choices.empty()    ? field.choices.front()
                          : field.format == "uri"     ? "https://calendar.acme.example/"
                                                      : "person@example.com";
    }
  }
  return typed;
}

json Rehearsal::access() const {
  json access = json::object();
  if (!accessToken_.empty()) {
    access["access_token"] = accessToken_;
  }
  if (!secret_.is_null()) {
    access["secret"] = secret_;
  }
  return access;
}

Rehearsal::~Rehearsal() {
  if (self_ != nullptr) {
    trial_.library()->table().destroy(self_);
  }
}

Ended Rehearsal::create(Trial& trial, const std::string& settings, Rehearsal* into) {
  MadeUpNetwork network(trial.job().script, "nobody");
  FixedClock clock;
  SeededRandom random(trial.job().seed);
  KeptLog log;
  const plugins::HostServices services{network, log, clock, random};
  const plugins::PluginIdentity identity{trial.manifest().id, {}};
  const CallContext context;
  Host plain;
  plain.table = {sizeof(calbridge_host_v1_t), CALBRIDGE_MINOR, Host::reply, Host::getService};
  const bool own = into != nullptr;
  // The real host has no HTTP here at all; this one writes down that it was tried, and refuses every host.
  plugins::CallServices lent(own ? into->services_ : services, identity, context, {}, true);
  CountedCall call{{lent, std::nullopt}};
  trial.step("create");
  const calbridge_host_v1_t& table = own ? into->host_->table : plain.table;
  void* self = trial.library()->table().create(&table, &call, {settings.data(), settings.size()});
  if (own) {
    into->self_ = self;
  } else if (self != nullptr) {
    trial.library()->table().destroy(self);
  }
  Ended ended;
  ended.replies = call.replies;
  ended.number = call.number;
  ended.reply = self != nullptr ? plugins::Reply{Status::ok, "{}"}
                                : call.reply.value_or(plugins::hostReply(Status::internal, "it gives no reason"));
  ended.document = json::parse(ended.reply.body, nullptr, false);
  return ended;
}

bool Rehearsal::has(Operation operation) const {
  return trial_.library()->operation(operation) != nullptr;
}

Ended Rehearsal::call(Operation operation, const std::string& request) {
  CallContext context;
  context.timeout = timeout;
  context.cancelled = &cancelled;
  context.requestId = "check";
  const bool connected = operation != Operation::connect && operation != Operation::exchange;
  context.keyValues = connected ? &values : nullptr;
  context.mailTo = operation == Operation::push && trial_.can("invitations") ? recipient : std::string();
  Ended ended;
  if (instance_) {
    ended.replies = 1;
    ended.reply = instance_->call(operation, request, context, {});
  } else {
    ended = callDirectly(operation, request, context);
  }
  ended.document = json::parse(ended.reply.body, nullptr, false);
  if (!ended.document.is_object()) {
    ended.document = json();
  }
  const std::lock_guard lock(mutex_);
  transcript_ +=
      std::string(plugins::toString(operation)) + " -> " + toString(ended.reply.status) + " " + ended.reply.body + "\n";
  return ended;
}

Ended Rehearsal::callDirectly(Operation operation, const std::string& request, const CallContext& context) {
  plugins::CallServices services(services_, identity_, context, {}, true);
  WatchedServices lent(services, mail);
  CountedCall call{{lent, std::nullopt}};
  const calbridge_operation function = trial_.library()->operation(operation);
  if (function != nullptr) {
    try {
      function(self_, &host_->table, &call, {request.data(), request.size()});
    } catch (...) {
      call.reply = plugins::hostReply(Status::internal, "the plugin threw an exception across its boundary");
    }
  } else {
    call.reply = plugins::hostReply(Status::unsupported, "the plugin does not have this operation");
  }
  Ended ended;
  ended.replies = call.replies;
  ended.number = call.number;
  ended.reply = call.reply.value_or(plugins::hostReply(Status::internal, "the plugin did not answer"));
  return ended;
}

Ended Rehearsal::call(Operation operation, const json& request) {
  return call(operation, request.dump(-1, ' ', false, json::error_handler_t::replace));
}

json Rehearsal::request(Operation operation) {
  switch (operation) {
  case Operation::connect:
    return json::parse(plugins::toWire(ConnectRequest{redirectUri, state, challenge, "person@example.com"}));
  case Operation::exchange:
    return json::parse(plugins::toWire(ExchangeRequest{redirectUri, network.service.newCode(), verifier}));
  case Operation::refresh:
    return json::parse(plugins::refreshToWire(network.service.newRefreshToken()));
  case Operation::push:
    return upsert();
  case Operation::revoke: {
    const bool tokens = trial_.can("oauth2"); // the host gives both, empty where there are none
    json request = {{"access_token", tokens ? network.service.newAccessToken() : std::string()},
                    {"refresh_token", tokens ? network.service.newRefreshToken() : std::string()}};
    if (!secret_.is_null()) {
      request["secret"] = secret_;
    }
    return request;
  }
  case Operation::feed:
    return json::parse(plugins::toWire(FeedRequest{"Appointments", {"Europe/London"}}));
  case Operation::authenticate:
    return json::parse(plugins::authenticateToWire(credentials()));
  case Operation::listCalendars:
  case Operation::changes:
    return access();
  case Operation::freeBusy: {
    json request = access();
    request["start"] = "2026-12-01T00:00:00Z";
    request["end"] = "2026-12-02T00:00:00Z";
    return request;
  }
  }
  return json::object();
}

json Rehearsal::upsert(const std::string& word, const std::string& knownId, const std::string& etag) {
  PushRequest push;
  push.accessToken = accessToken_;
  push.uid = uid_;
  push.idempotencyKey = idempotencyKey;
  push.providerEventId = knownId;
  push.etag = etag;
  push.sequence = knownId.empty() ? 0 : 1;
  push.stamp = clock.now();
  push.entry.title = "Rehearsal " + mark_ + " " + word;
  push.entry.description = "Bring keys\nand <gloves> & \"soap\"";
  push.entry.location = "1 High Street, London";
  push.entry.time = {false,           "2026-12-01T09:00:00", "2026-12-01T11:00:00",
                     "Europe/London", 1796115600000,         1796122800000};
  push.entry.reminders = {30, 1440};
  push.entry.url = "https://app.example.com/o/77";
  if (trial_.can("invitations")) {
    push.recipient =
        Recipient{recipient, "Per Son", "en", "https://app.example.com/unsubscribe/" + stem_ + "-unsubscribe", {}};
  }
  json request = json::parse(plugins::toWire(push));
  if (!secret_.is_null()) {
    request["secret"] = secret_;
  }
  return request;
}

json Rehearsal::removal(const std::string& knownId) {
  json request = upsert("one", knownId);
  request["operation"] = "delete";
  return request;
}

void Rehearsal::live(const std::function<void(Operation, const Ended&)>& heard) {
  const auto run = [&](Operation operation, const json& request) {
    trial_.step(plugins::toString(operation));
    Ended ended = call(operation, request);
    ended.removal = operation == Operation::push && request.value("operation", "") == "delete";
    heard(operation, ended);
    return ended;
  };
  if (trial_.can("oauth2")) {
    run(Operation::connect, request(Operation::connect));
    run(Operation::exchange, request(Operation::exchange));
    run(Operation::refresh, request(Operation::refresh));
  }
  if (has(Operation::authenticate)) {
    run(Operation::authenticate, request(Operation::authenticate));
  }
  const Ended made = run(Operation::push, upsert());
  const std::string id = made.text("provider_event_id");
  run(Operation::push, upsert("two", id, made.text("etag")));
  run(Operation::push, removal(id));
  for (const Operation operation :
       {Operation::feed, Operation::listCalendars, Operation::freeBusy, Operation::changes, Operation::revoke}) {
    if (has(operation)) {
      run(operation, request(operation));
    }
  }
}

std::string Rehearsal::transcript() const {
  const std::lock_guard lock(mutex_);
  std::string out = transcript_;
  for (const Exchange& exchange : network.exchanges()) {
    out += exchange.request.method + " " + exchange.request.url + "\n";
    for (const auto& [name, value] : exchange.request.headers) {
      out += name + ": " + value + "\n";
    }
    out += exchange.request.body + "\n";
  }
  for (const HandedOver& one : mail.mails()) {
    out += "MAIL " + json{one.from, one.to}.dump(-1, ' ', true, json::error_handler_t::replace) + "\n" + one.message;
  }
  for (const std::string& line : log.lines()) {
    out += "log " + line + "\n";
  }
  return out;
}

std::set<std::string> Rehearsal::servicesAskedFor() const {
  const std::lock_guard lock(host_->mutex);
  return host_->asked;
}

} // namespace calbridge::conformance
