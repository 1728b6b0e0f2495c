#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"
#include "core/url.hpp"

namespace calbridge::conformance {
namespace {

using plugins::Operation;
using Instead = std::function<std::optional<HttpResult>(const HttpRequest&, std::size_t)>;

/// Checks of a service that fails need a plugin that asks one.
void needHttp(Trial& trial) {
  Rehearsal rehearsal(trial);
  rehearsal.call(Operation::push, rehearsal.upsert());
  if (rehearsal.network.exchanges().empty()) {
    throw Skipped{"push makes no HTTP request"};
  }
}

HttpResult answered(HttpResponse response) {
  return {.response = std::move(response), .failure = {}};
}

bool isWrite(const HttpRequest& request) {
  return request.method != "GET" && request.method != "DELETE" && request.method != "HEAD" &&
         request.method != "PROPFIND" && request.method != "REPORT";
}

/// A push of a new entry, the network doing what `instead` says.
Ended pushUnder(Trial& trial, Rehearsal& rehearsal, Instead instead, const std::string& what) {
  trial.step("push while " + what);
  rehearsal.network.instead = std::move(instead);
  return rehearsal.call(Operation::push, rehearsal.upsert());
}

Ended pushUnderStatus(Trial& trial, int status) {
  Rehearsal rehearsal(trial);
  return pushUnder(
      trial, rehearsal,
      [&](const HttpRequest&, std::size_t) { return std::optional(answered(rehearsal.network.service.error(status))); },
      "the service answers " + std::to_string(status));
}

void expectOneOf(Trial& trial, const Ended& ended, std::initializer_list<Status> statuses, const std::string& what) {
  std::string wanted;
  for (const Status status : statuses) {
    wanted += (wanted.empty() ? "" : " or ") + std::string(toString(status));
  }
  trial.expect(std::find(statuses.begin(), statuses.end(), ended.reply.status) != statuses.end(),
               "push ends as " + ended.words() + " when " + what + "; it should be " + wanted);
}

void unauthorized(Trial& trial) {
  needHttp(trial);
  expectOneOf(trial, pushUnderStatus(trial, 401), {Status::reauthRequired}, "the service answers 401");
}
void forbidden(Trial& trial) {
  needHttp(trial);
  expectOneOf(trial, pushUnderStatus(trial, 403),
              {Status::permanent, Status::reauthRequired, Status::rateLimited, Status::notFound},
              "the service answers 403");
}
void badRequest(Trial& trial) {
  needHttp(trial);
  for (const int status : {400, 422}) {
    expectOneOf(trial, pushUnderStatus(trial, status), {Status::permanent, Status::invalidRequest, Status::notFound},
                "the service answers " + std::to_string(status));
  }
}
void notFound(Trial& trial) {
  needHttp(trial);
  expectOneOf(trial, pushUnderStatus(trial, 404), {Status::notFound, Status::permanent},
              "the service answers 404 to everything");
}

void conflict(Trial& trial) {
  needHttp(trial);
  Rehearsal rehearsal(trial);
  const Ended ended = pushUnder(
      trial, rehearsal,
      [&](const HttpRequest& request, std::size_t) {
        return isWrite(request) ? std::optional(answered(rehearsal.network.service.error(409))) : std::nullopt;
      },
      "the service answers 409 to every write");
  expectOneOf(trial, ended, {Status::conflict, Status::transient, Status::permanent, Status::notFound},
              "every write is answered 409 and there is no such entry");
}

void precondition(Trial& trial) {
  needHttp(trial);
  Rehearsal rehearsal(trial);
  const Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  rehearsal.network.instead = [&](const HttpRequest& request, std::size_t) {
    return isWrite(request) ? std::optional(answered(rehearsal.network.service.error(412))) : std::nullopt;
  };
  trial.step("push of a change while the service answers 412");
  const Ended ended =
      rehearsal.call(Operation::push, rehearsal.upsert("two", made.text("provider_event_id"), made.text("etag")));
  expectOneOf(trial, ended, {Status::conflict, Status::transient}, "every write is answered 412");
}

void expectPause(Trial& trial, const Ended& ended, const std::string& when, std::int64_t ms) {
  const bool later = ended.reply.status == Status::rateLimited || ended.reply.status == Status::transient;
  trial.expect(later, when + " ends as " + ended.words() + "; it should be rate_limited");
  trial.expect(!later || ended.retryAfterMs() >= ms, when + " gives retry_after_ms " +
                                                         std::to_string(ended.retryAfterMs()) + "; it should be " +
                                                         std::to_string(ms) + " or more");
}

void tooMany(Trial& trial) {
  needHttp(trial);
  std::vector<Operation> operations = {Operation::push};
  if (trial.can("oauth2")) {
    operations.push_back(Operation::refresh);
  }
  for (const Operation operation : operations) {
    for (const bool date : {false, true}) {
      Rehearsal rehearsal(trial);
      const std::string header = date ? formatHttpDate(rehearsal.clock.now() + 60000) : "7";
      rehearsal.network.instead = [&](const HttpRequest&, std::size_t) {
        HttpResponse response = rehearsal.network.service.error(429);
        response.headers.emplace_back("Retry-After", header);
        return std::optional(answered(std::move(response)));
      };
      const std::string when = plugins::toString(operation) + (" that is answered 429 with Retry-After: " + header);
      trial.step(when);
      expectPause(trial, rehearsal.call(operation, rehearsal.request(operation)), when, date ? 59000 : 7000);
    }
  }
}

void serverErrors(Trial& trial) {
  needHttp(trial);
  for (const int status : {500, 502, 503, 504}) {
    Rehearsal rehearsal(trial);
    const std::string what = "the service answers " + std::to_string(status);
    const Ended ended = pushUnder(
        trial, rehearsal,
        [&](const HttpRequest&, std::size_t) {
          HttpResponse response = rehearsal.network.service.error(status);
          response.headers.emplace_back("Retry-After", "9");
          return std::optional(answered(std::move(response)));
        },
        what);
    expectOneOf(trial, ended, {Status::transient, Status::rateLimited}, what);
    if (status == 503 && (ended.reply.status == Status::transient || ended.reply.status == Status::rateLimited)) {
      expectPause(trial, ended, "push that is answered 503 with Retry-After: 9", 9000);
    }
  }
}

void failures(Trial& trial, std::initializer_list<std::pair<HttpFailure::Kind, bool>> kinds, const std::string& what) {
  needHttp(trial);
  for (const auto& [kind, sent] : kinds) {
    Rehearsal rehearsal(trial);
    const Ended ended = pushUnder(
        trial, rehearsal,
        [kind = kind, sent = sent](const HttpRequest&, std::size_t) { return std::optional(noAnswer(kind, sent)); },
        what);
    expectOneOf(trial, ended, {Status::transient, Status::deadline}, what);
  }
}

void unreachable(Trial& trial) {
  failures(trial, {{HttpFailure::Kind::connect, false}, {HttpFailure::Kind::tls, false}},
           "the service cannot be reached");
}
void truncated(Trial& trial) {
  failures(trial, {{HttpFailure::Kind::truncated, true}, {HttpFailure::Kind::malformed, true}},
           "the answer breaks off or is no HTTP");
}

void garbage(Trial& trial) {
  needHttp(trial);
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  const std::pair<const char*, std::string> bodies[] = {
      {"nothing", ""},
      {"HTML", "<html><body>It works!</body></html>"},
      {"half a document", "{\"id\": \"e"},
      {"null", "null"},
      {"an array", "[1, [2], {}]"},
      {"fields of other types",
       R"({"id":7,"etag":[],"items":"x","value":{"a":1},"error":"no","status":{},"htmlLink":5,"data":null})"},
      {"5,000 levels", deep},
      {"bytes that are not UTF-8", "{\"id\":\"\xff\xfe\xc0\"}"}};
  for (const auto& [what, body] : bodies) {
    for (const int status : {200, 400}) {
      Rehearsal rehearsal(trial);
      const std::string when = "the service answers " + std::to_string(status) + " with " + what;
      const Ended ended = pushUnder(
          trial, rehearsal,
          [&text = body, status](const HttpRequest&, std::size_t) {
            return std::optional(answered({status, {{"Content-Type", "application/json"}}, text}));
          },
          when);
      const Status end = ended.reply.status;
      trial.expect(end != Status::internal && end != Status::reauthRequired &&
                       (end != Status::ok || (status == 200 && !ended.text("provider_event_id").empty())),
                   "push ends as " + ended.words() + " when " + when);
    }
  }
}

void redirect(Trial& trial) {
  needHttp(trial);
  for (const int status : {301, 302, 307, 308}) {
    Rehearsal rehearsal(trial);
    const std::string what = "the service redirects to another host with " + std::to_string(status);
    const Ended ended = pushUnder(
        trial, rehearsal,
        [status](const HttpRequest& request, std::size_t) {
          const bool there = request.url.find("elsewhere.example") != std::string::npos;
          return std::optional(answered({there ? 200 : status,
                                         {{"Location", "https://elsewhere.example/v1/entries"}},
                                         there ? "{\"id\":\"e\"}" : ""}));
        },
        what);
    for (const Exchange& exchange : rehearsal.network.exchanges()) {
      trial.expect(exchange.request.url.find("elsewhere.example") == std::string::npos,
                   "push follows a redirect to another host (" + std::to_string(status) + ")");
    }
    trial.expect(!ended.ok(), "push ends as ok when " + what);
  }
}

void undeclaredHost(Trial& trial) {
  Rehearsal rehearsal(trial);
  rehearsal.live([](Operation, const Ended&) {});
  std::vector<Exchange> all = rehearsal.network.exchanges();
  if (all.empty()) {
    throw Skipped{"it makes no HTTP request"};
  }
  for (const Exchange& exchange : all) {
    trial.expect(exchange.refused.empty(),
                 exchange.request.method + " " + exchange.request.url + " is refused: " + exchange.refused);
  }
}

void refused(Trial& trial) {
  needHttp(trial);
  Rehearsal rehearsal(trial);
  const Ended ended = pushUnder(
      trial, rehearsal,
      [](const HttpRequest&, std::size_t) {
        return std::optional(noAnswer(HttpFailure::Kind::refusedByEgress, false));
      },
      "the host refuses the request");
  expectOneOf(trial, ended, {Status::permanent, Status::invalidRequest}, "the host's egress rules refuse its requests");
}

constexpr Check kChecks[] = {
    {"http.400", "a request that the service finds wrong is given up", "map 400 and 422 to permanent", badRequest},
    {"http.401", "401 asks the person to connect again", "map 401 to reauth_required (the host refreshes once before)",
     unauthorized},
    {"http.403", "403 is not tried again for ever", "map 403 to permanent, or to what the service's code says",
     forbidden},
    {"http.404", "a calendar that is gone is told", "map 404 of the target to not_found", notFound},
    {"http.409", "409 is resolved or told, never taken for success",
     "look what is there: only an entry that carries your mark is yours", conflict},
    {"http.412", "412 is tried again with fresh knowledge", "map 412 to conflict, or read the entry and write it again",
     precondition},
    {"http.429", "429 is rate_limited, with the service's Retry-After",
     "read Retry-After in both forms (retryAfter() does) and give it as retry_after_ms", tooMany},
    {"http.5xx", "5xx is transient, with the service's Retry-After", "map 5xx to transient", serverErrors},
    {"http.unreachable", "a service that cannot be reached is transient",
     "pass the status of the http service on (the SDK's HttpProblem does)", unreachable},
    {"http.truncated", "an answer that breaks off is transient",
     "pass the status of the http service on; the next try must find what this one did", truncated},
    {"http.garbage", "an answer that makes no sense ends the push, and nothing else",
     "check the type of everything that you read from an answer; garbage is transient", garbage},
    {"http.redirect", "a redirect to another host is not followed",
     "treat 3xx as a failure: the token is not for others", redirect},
    {"http.hosts", "it talks to the hosts that the manifest declares",
     "name the host under \"egress\", or the setting with its URL under \"egress_settings\"", undeclaredHost},
    {"http.refused", "a host that the installation refuses is permanent",
     "pass the status of the http service on (the SDK's HttpProblem does)", refused},
};

} // namespace

std::span<const Check> httpChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
