#include "plugins/isolated_run.hpp"

#include "plugins/plugin_description.hpp"
#include "plugins/runner_process.hpp"
#include "plugins/runner_session.hpp"
#include "plugins/scripted_host.hpp"

#include <stdexcept>

namespace calbridge::testing {
namespace {

using plugins::ServiceAnswer, plugins::ServiceFunction, plugins::ServiceQuestion;

constexpr std::chrono::minutes kPatience{5};

calbridge_bytes lend(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view(calbridge_bytes bytes) {
  return bytes.size == 0 ? std::string_view() : std::string_view(bytes.data, bytes.size);
}

/// The script's services, as the frames ask for them.
class ScriptedPort final : public plugins::ServicePort {
 public:
  explicit ScriptedPort(ScriptedHost& host) : host_(host) {}

  ServiceAnswer ask(const ServiceQuestion& question) noexcept override {
    ServiceAnswer answer;
    calbridge_bytes first{};
    calbridge_bytes second{};
    switch (question.function) {
    case ServiceFunction::remainingMs:
      answer.number = host_.remainingMs;
      break;
    case ServiceFunction::nowMs:
    case ServiceFunction::monotonicMs:
      answer.number = host_.nowMs;
      break;
    case ServiceFunction::httpSend:
      answer.status = host_.send(lend(question.bytes[0]), lend(question.bytes[1]), &first, &second);
      break;
    case ServiceFunction::log:
      host_.logged.emplace_back(question.bytes[0]);
      break;
    case ServiceFunction::getValue:
      answer.status = host_.kvGet(lend(question.bytes[0]), &first);
      break;
    case ServiceFunction::setValue:
      answer.status = host_.kvSet(lend(question.bytes[0]), lend(question.bytes[1]));
      break;
    default:
      break;
    }
    answer.bytes = {view(first), view(second)};
    return answer;
  }
  std::string_view requestId() const override { return "test"; }
  bool mail() const override { return false; }
  void complain(Logger::Level, std::string_view what) noexcept override { host_.logged.emplace_back(what); }

 private:
  ScriptedHost& host_;
};

plugins::RunnerOptions runner() {
  plugins::RunnerOptions options;
  options.program = CALBRIDGE_PLUGIN_RUNNER;
  options.loading = kPatience;
  return options;
}

} // namespace

struct IsolatedRun::Parts {
  explicit Parts(const std::filesystem::path& plugin)
      : process(CALBRIDGE_PLUGIN_RUNNER, plugin), session(process.socket()) {
    plugins::greet(process, session.stream(), plugin, runner());
  }
  plugins::Reply exchange(ScriptedHost& host, plugins::FrameKind kind, const plugins::PayloadWriter& payload) {
    ScriptedPort port(host);
    auto outcome =
        session.exchange(kind, payload.bytes(), port, std::chrono::steady_clock::now() + kPatience, nullptr, kPatience);
    if (outcome.end != plugins::RunnerSession::End::replied) {
      throw std::runtime_error("the plugin's process: " + process.finish(std::chrono::seconds(1)));
    }
    return std::move(outcome.reply);
  }

  plugins::RunnerProcess process;
  plugins::RunnerSession session;
};

IsolatedRun::IsolatedRun(const std::filesystem::path& plugin) : parts_(std::make_unique<Parts>(plugin)) {}

IsolatedRun::~IsolatedRun() = default;

bool IsolatedRun::create(ScriptedHost& host, const std::string& settings) {
  plugins::PayloadWriter payload;
  payload.text(settings).text("test").number(0);
  const auto reply = parts_->exchange(host, plugins::FrameKind::create, payload);
  if (reply.status != Status::ok) {
    host.reply(static_cast<calbridge_status>(reply.status), lend(reply.body));
  }
  return reply.status == Status::ok;
}

void IsolatedRun::call(ScriptedHost& host, const calbridge_plugin_v1_t& table, calbridge_operation operation,
                       const std::string& request) {
  using plugins::Operation;
  const std::pair<calbridge_operation, Operation> known[] = {{table.connect, Operation::connect},
                                                             {table.exchange, Operation::exchange},
                                                             {table.refresh, Operation::refresh},
                                                             {table.push, Operation::push},
                                                             {table.revoke, Operation::revoke},
                                                             {table.feed, Operation::feed},
                                                             {table.authenticate, Operation::authenticate},
                                                             {table.list_calendars, Operation::listCalendars},
                                                             {table.free_busy, Operation::freeBusy},
                                                             {table.changes, Operation::changes}};
  for (const auto& [function, name] : known) {
    if (function == operation) {
      plugins::PayloadWriter payload;
      payload.number(static_cast<int>(name)).text(request).text("test");
      const auto reply = parts_->exchange(host, plugins::FrameKind::call, payload);
      host.reply(static_cast<calbridge_status>(reply.status), lend(reply.body));
      return;
    }
  }
  throw std::logic_error("the plugin does not have this operation");
}

} // namespace calbridge::testing
