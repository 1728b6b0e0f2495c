#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

std::string named(Operation operation) {
  return plugins::toString(operation);
}

void once(Trial& trial) {
  Rehearsal rehearsal(trial);
  const auto count = [&](Operation operation, const Ended& ended) {
    trial.expect(ended.replies == 1, named(operation) + " replies " + std::to_string(ended.replies) + " times");
  };
  rehearsal.live(count);
  for (const Operation operation : plugins::kOperations) {
    if (rehearsal.has(operation)) {
      trial.step(named(operation) + " with garbage");
      count(operation, rehearsal.call(operation, std::string("[")));
    }
  }
}

template <typename T>
std::string breach(const Outcome<T>& outcome) {
  const Failure* failure = std::get_if<Failure>(&outcome);
  return failure == nullptr ? std::string() : failure->message;
}

/// What is wrong with an answer that says ok; empty when nothing is.
std::string breachOf(Operation operation, const Ended& ended) {
  switch (operation) {
  case Operation::connect:
    return breach(plugins::connectFromWire(ended.reply, {}));
  case Operation::exchange:
  case Operation::refresh:
    return breach(plugins::grantFromWire(ended.reply, 0, operation == Operation::exchange, {}));
  case Operation::push:
    return breach(plugins::pushFromWire(ended.reply, !ended.removal, {}));
  case Operation::feed:
    return breach(plugins::feedFromWire(ended.reply, {}));
  case Operation::authenticate:
    return breach(plugins::authenticationFromWire(ended.reply, {}));
  case Operation::listCalendars:
    return breach(plugins::calendarsFromWire(ended.reply, {}));
  case Operation::freeBusy:
    return breach(plugins::busyFromWire(ended.reply, {}));
  case Operation::changes:
    return breach(plugins::changesFromWire(ended.reply, {}));
  default:
    return ended.document.is_object() ? std::string() : "the plugin's answer is not a JSON object";
  }
}

void shape(Trial& trial) {
  Rehearsal rehearsal(trial);
  rehearsal.live([&](Operation operation, const Ended& ended) {
    if (ended.number == CALBRIDGE_OK) {
      const std::string wrong = breachOf(operation, ended);
      trial.expect(wrong.empty(), named(operation) + ": " + wrong);
    }
  });
}

void reason(Trial& trial) {
  Rehearsal rehearsal(trial);
  const auto look = [&](Operation operation, const Ended& ended, const std::string& when) {
    trial.expect(ended.ok() || !ended.text("message").empty(),
                 named(operation) + " " + when + " ends as " + toString(ended.reply.status) + " without a message");
  };
  for (const Operation operation : plugins::kOperations) {
    if (!rehearsal.has(operation)) {
      continue;
    }
    trial.step(named(operation) + " with garbage");
    look(operation, rehearsal.call(operation, std::string("[")), "with garbage");
    for (const int status : {400, 401, 403, 404, 429, 500}) {
      trial.step(named(operation) + " while the service answers " + std::to_string(status));
      rehearsal.network.instead = [&](const HttpRequest&, std::size_t) {
        return std::optional(HttpResult{rehearsal.network.service.error(status), std::nullopt});
      };
      look(operation, rehearsal.call(operation, rehearsal.request(operation)),
           "while the service answers " + std::to_string(status));
      rehearsal.network.instead = nullptr;
    }
  }
}

void status(Trial& trial) {
  Rehearsal rehearsal(trial);
  for (const Operation operation : plugins::kOperations) {
    if (!rehearsal.has(operation)) {
      continue;
    }
    for (const int http : {200, 204, 302, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 412, 413,
                           415, 418, 422, 423, 424, 425, 429, 451, 500, 501, 502, 503, 504, 507, 599}) {
      trial.step(named(operation) + " while the service answers " + std::to_string(http));
      rehearsal.network.instead = [&](const HttpRequest&, std::size_t) {
        return std::optional(HttpResult{rehearsal.network.service.error(http), std::nullopt});
      };
      const Ended ended = rehearsal.call(operation, rehearsal.request(operation));
      trial.expect(ended.replies == 0 || (ended.number >= CALBRIDGE_OK && ended.number <= CALBRIDGE_INTERNAL),
                   named(operation) + " ends with the status " + std::to_string(ended.number) +
                       " while the service answers HTTP " + std::to_string(http));
      trial.expect(ended.number != CALBRIDGE_INTERNAL, named(operation) + " fails inside (" + ended.words() +
                                                           ") while the service answers HTTP " + std::to_string(http));
    }
  }
}

void requiredOnly(Trial& trial) {
  Rehearsal full(trial);
  Rehearsal bare(trial, {true, true, {}});
  std::vector<std::pair<Operation, Ended>> expected;
  full.live([&](Operation operation, const Ended& ended) { expected.emplace_back(operation, ended); });
  std::size_t next = 0;
  bare.live([&](Operation operation, const Ended& ended) {
    const Ended& other = expected[next++].second;
    trial.expect(!other.ok() || ended.ok(), named(operation) + " with the required services alone is " + ended.words());
  });
}

void declared(Trial& trial) {
  Rehearsal rehearsal(trial);
  rehearsal.live([](Operation, const Ended&) {});
  const plugins::Manifest& manifest = trial.manifest();
  for (const std::string& service : rehearsal.servicesAskedFor()) {
    const auto in = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), service) != list.end();
    };
    trial.expect(service == CALBRIDGE_CALL_SERVICE || in(manifest.requiredServices) || in(manifest.optionalServices),
                 "it uses " + service + ", which the manifest does not name");
  }
}

void output(Trial& trial) {
  {
    Rehearsal rehearsal(trial);
    rehearsal.live([](Operation, const Ended&) {});
  }
  std::fflush(nullptr);
  trial.expect(::lseek(STDOUT_FILENO, 0, SEEK_CUR) <= 0,
               "it writes to standard output or standard error; the report of --json holds what");
}

/// Is `text` a header value or name that fits into one line?
bool oneLine(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool isContentType(std::string_view name) {
  constexpr std::string_view kName = "content-type";
  return std::equal(name.begin(), name.end(), kName.begin(), kName.end(),
                    [](unsigned char a, char b) { return std::tolower(a) == b; });
}

void wellFormed(Trial& trial) {
  Rehearsal rehearsal(trial);
  json request = rehearsal.upsert();
  request["entry"]["title"] = "Rehearsal " + rehearsal.mark() + " \"quoted\" \\ back\r\nX-Injected: 1";
  request["entry"]["description"] = "tab\tbell\x07 \u00e9 \"}],[{";
  request["entry"]["location"] = "a&b=c#d?e %zz";
  trial.step("push of text with quotes, line breaks and control characters");
  rehearsal.call(Operation::push, request);
  for (const Exchange& exchange : rehearsal.network.exchanges()) {
    const HttpRequest& sent = exchange.request;
    const std::string line = sent.method + " " + sent.url;
    trial.expect(exchange.refused.empty() || exchange.refused.find("not an absolute") == std::string::npos,
                 "the request's URL is malformed: " + line);
    for (const auto& [name, value] : sent.headers) {
      trial.expect(oneLine(name) && oneLine(value), "a line break in the header " + name + " of " + line);
      const bool saysJson = isContentType(name) && value.find("json") != std::string::npos && !sent.body.empty();
      trial.expect(!saysJson || !json::parse(sent.body, nullptr, false).is_discarded(),
                   "the body of " + line + " is said to be JSON and is not");
    }
  }
}

void ids(Trial& trial) {
  Rehearsal rehearsal(trial);
  rehearsal.network.service.oddIds = true;
  const Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  const std::string id = made.text("provider_event_id");
  if (rehearsal.entries() != 1 || id.find('\u0020') == std::string::npos) {
    throw Skipped{"the service does not choose the ids of its entries (or the first push did not work)"};
  }
  const std::string key = rehearsal.network.service.liveWith(rehearsal.mark()).front()->key;
  trial.step("push of an entry whose id is " + id);
  rehearsal.network.forget();
  rehearsal.call(Operation::push, rehearsal.upsert("two", id, made.text("etag")));
  for (const Exchange& exchange : rehearsal.network.exchanges()) {
    trial.expect(exchange.refused.find("not an absolute") == std::string::npos,
                 "the request's URL is malformed: " + exchange.request.method + " " + exchange.request.url);
  }
  const auto* object = rehearsal.network.service.find(key);
  trial.expect(object != nullptr && object->live && object->version > 1,
               "the entry with the id \"" + id + "\" was not written by the second push");
}

constexpr Check kChecks[] = {
    {"reply.once", "every operation replies exactly once", "call host->reply on every way out of a function, once",
     once},
    {"reply.shape", "what an operation answers has the documented form",
     "compare with the tables of sdk/README.md, \"Operations\"", shape},
    {"reply.reason", "whatever is not ok says why", "give {\"message\": …} with every status but ok", reason},
    {"reply.status", "every HTTP answer becomes one of the twelve statuses, and never \"internal\"",
     "map HTTP statuses as restProblem() does, and catch what your parser throws", status},
    {"services.required", "the plugin works with the services that it requires alone",
     "ask for an optional service before using it (C: NULL, C++: call.has()), or require it", requiredOnly},
    {"services.declared", "every service that is used is named in the manifest",
     "name it under \"requires\" or \"optional\"", declared},
    {"services.output", "nothing is written to standard output or standard error",
     "use calbridge.log/1: the host's output is not the plugin's", output},
    {"requests.escaped", "requests stay well-formed whatever people have typed",
     "build bodies with a JSON writer and refuse line breaks in headers", wellFormed},
    {"requests.ids", "ids that the service gave are percent-encoded in URLs",
     "use percentEncode() for every part of a path and a query", ids},
};

} // namespace

std::span<const Check> replyChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
