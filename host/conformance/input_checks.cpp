#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

/// Fields without which nobody can do what is asked.
std::vector<std::string> required(Operation operation) {
  switch (operation) {
  case Operation::connect:
    return {"redirect_uri", "state", "code_challenge"};
  case Operation::exchange:
    return {"redirect_uri", "code", "code_verifier"};
  case Operation::refresh:
    return {"refresh_token"};
  case Operation::push:
    return {"operation", "uid", "entry"};
  case Operation::authenticate:
    return {"credentials"};
  case Operation::freeBusy:
    return {"start", "end"};
  default:
    return {};
  }
}

/// Those that the plugin has.
std::vector<Operation> operations(Trial& trial, Rehearsal& rehearsal) {
  std::vector<Operation> all;
  for (const Operation operation : plugins::kOperations) {
    const bool consent =
        operation == Operation::connect || operation == Operation::exchange || operation == Operation::refresh;
    if (rehearsal.has(operation) && (!consent || trial.can("oauth2")) &&
        rehearsal.request(operation) != json::object()) {
      all.push_back(operation);
    }
  }
  return all;
}

std::string named(Operation operation) {
  return plugins::toString(operation);
}

void expectRefusal(Trial& trial, const Ended& ended, const std::string& what) {
  trial.expect(ended.reply.status == Status::invalidRequest, what + " is answered " + ended.words());
}

void missing(Trial& trial) {
  Rehearsal rehearsal(trial);
  for (const Operation operation : operations(trial, rehearsal)) {
    for (const std::string& field : required(operation)) {
      json request = rehearsal.request(operation);
      request.erase(field);
      trial.step(named(operation) + " without " + field);
      rehearsal.network.forget();
      expectRefusal(trial, rehearsal.call(operation, request), named(operation) + " without \"" + field + "\"");
      trial.expect(rehearsal.network.exchanges().empty(),
                   named(operation) + " without \"" + field + "\" makes HTTP requests all the same");
    }
  }
}

void extra(Trial& trial) {
  Rehearsal plain(trial);
  Rehearsal rich(trial);
  const json more = {{"nested", {1, "two", nullptr}}};
  operations(trial, rich); // both have come the same way, so that they give the same tokens
  for (const Operation operation : operations(trial, plain)) {
    json request = plain.request(operation);
    trial.step(named(operation));
    const Ended expected = plain.call(operation, request);
    json richer = rich.request(operation);
    richer["a_field_of_the_future"] = more;
    if (richer.contains("entry")) {
      richer["entry"]["a_field_of_the_future"] = more;
    }
    trial.step(named(operation) + " with unknown fields");
    const Ended ended = rich.call(operation, richer);
    trial.expect(expected.reply.status == ended.reply.status && expected.reply.body == ended.reply.body,
                 named(operation) + " with a field that it does not know is answered " + ended.words() +
                     ", without it " + expected.words());
  }
}

json ofAnotherType(const json& value) {
  return value.is_string() ? json(7) : json("zq");
}

void mistyped(Trial& trial) {
  Rehearsal rehearsal(trial);
  for (const Operation operation : operations(trial, rehearsal)) {
    const json valid = rehearsal.request(operation);
    const std::vector<std::string> needed = required(operation);
    for (const auto& [field, value] : valid.items()) {
      json request = rehearsal.request(operation);
      request[field] = ofAnotherType(value);
      trial.step(named(operation) + " with a mistyped " + field);
      const Ended ended = rehearsal.call(operation, request);
      if (std::find(needed.begin(), needed.end(), field) != needed.end()) {
        expectRefusal(trial, ended, named(operation) + " with \"" + field + "\" of another type");
      }
    }
    const json entry = valid.value("entry", json::object());
    for (const auto& [field, value] : entry.items()) {
      json request = rehearsal.request(operation);
      request["entry"][field] = ofAnotherType(value);
      trial.step(named(operation) + " with a mistyped entry/" + field);
      rehearsal.call(operation, request);
    }
  }
}

void refuses(Trial& trial, const std::vector<std::pair<std::string, std::string>>& documents) {
  Rehearsal rehearsal(trial);
  for (const Operation operation : operations(trial, rehearsal)) {
    for (const auto& [what, bytes] : documents) {
      trial.step(named(operation) + " with " + what);
      expectRefusal(trial, rehearsal.call(operation, bytes), named(operation) + " with " + what);
    }
  }
}

void garbage(Trial& trial) {
  refuses(trial, {{"no bytes at all", ""},
                  {"half a document", "{\"operation\":\"upsert\","},
                  {"an array", "[1,2,3]"},
                  {"null", "null"},
                  {"text that is no JSON", "BEGIN:VCALENDAR"}});
}

void deep(Trial& trial) {
  const auto nested = [](std::size_t levels) {
    return "{\"x\":" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  refuses(trial, {{"100 levels", nested(100)}, {"100,000 levels", nested(100000)}});
}

void oversized(Trial& trial) {
  Rehearsal rehearsal(trial);
  for (const Operation operation : operations(trial, rehearsal)) {
    json request = rehearsal.request(operation);
    request["filling"] = std::string((1 << 20) + 1, 'x');
    trial.step(named(operation) + " with more than 1 MiB");
    expectRefusal(trial, rehearsal.call(operation, request), named(operation) + " with more than 1 MiB");
  }
}

void utf8(Trial& trial) {
  Rehearsal rehearsal(trial);
  for (const Operation operation : operations(trial, rehearsal)) {
    std::string request = rehearsal.request(operation).dump();
    request.insert(request.size() - 1, ",\"odd\":\"\xc3\x28\xff\"");
    trial.step(named(operation) + " with bytes that are not UTF-8");
    expectRefusal(trial, rehearsal.call(operation, request), named(operation) + " with bytes that are not UTF-8");
  }
}

void anyText(Trial& trial) {
  Rehearsal rehearsal(trial);
  const std::string texts[] = {"",
                               "\r\nX-Injected: 1\r\n\r\n",
                               "\"}],\"x\":[{\"",
                               std::string("a\0b\x01\x1f\x7f", 6),
                               "\u00e9\u4f1a\u8b70 \U0001F9F9 \u202eabc",
                               std::string(20000, 'w'),
                               "<script>alert(1)</script> & 'quotes' \\ ; , %41"};
  for (const std::string& text : texts) {
    json request = rehearsal.upsert();
    for (const char* field : {"title", "description", "location"}) {
      request["entry"][field] = text;
    }
    trial.step("push with the text " + json(text.substr(0, 40)).dump(-1, ' ', true, json::error_handler_t::replace));
    const Ended ended = rehearsal.call(Operation::push, request);
    trial.expect(ended.reply.status != Status::internal && ended.reply.status != Status::invalidRequest,
                 "push of the text " + json(text.substr(0, 40)).dump(-1, ' ', true, json::error_handler_t::replace) +
                     " is answered " + ended.words());
  }
}

constexpr const char* kParse = "parse requests as the SDK does: sdk::parseJson has the limits of the boundary; answer "
                               "invalid_request";
constexpr Check kChecks[] = {
    {"input.missing", "a request that lacks a required field is invalid_request, and nothing is sent",
     "check the fields that you need before the first HTTP request", missing},
    {"input.extra", "fields that the plugin does not know change nothing", "ignore unknown fields: documents grow",
     extra},
    {"input.mistyped", "a field of another type is invalid_request, and never a crash",
     "look at the type before reading a value", mistyped},
    {"input.oversized", "a request beyond 1 MiB is invalid_request", kParse, oversized},
    {"input.deep", "a request deeper than 32 levels is invalid_request", kParse, deep},
    {"input.utf8", "a request that is not UTF-8 is invalid_request", kParse, utf8},
    {"input.garbage", "a request that is no JSON object is invalid_request", kParse, garbage},
    {"input.text", "any text that people may type is pushed",
     "escape text for the service's format, cut what is too long for it, and let it never end a push", anyText},
};

} // namespace

std::span<const Check> inputChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
