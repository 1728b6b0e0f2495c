// What the provider sandbox alone takes: the ceiling of every benchmark that pushes into it.
#include "core/logger.hpp"
#include "load_client.hpp"
#include "sandbox.hpp"

#include <cstdlib>
#include <iostream>

namespace {

using namespace calbridge;
using sandbox::Kind;

std::string tokenFor(sandbox::Grants& grants, Kind kind, const std::string& email) {
  return kind == Kind::google
             ? grants.issueAccess(kind, email, "bench", {"https://www.googleapis.com/auth/calendar.events"})
             : grants.issueAccess(kind, email, "bench", {"Calendars.ReadWrite"});
}

} // namespace

int main(int argc, char** argv) {
  std::size_t requests = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100000;
  NullLogger logger;
  sandbox::Sandbox server({}, logger);
  server.settings().limits = false;
  server.settings().recordRequests = false;
  server.start();
  for (bool validate : {false, true}) {
    server.settings().validate = validate;
    for (Kind kind : {Kind::google, Kind::outlook}) {
      std::vector<std::string> heads;
      for (int account = 0; account < 50; ++account) {
        std::string token = tokenFor(server.grants(), kind,
                                     "p" + std::to_string(account) + "-" + std::to_string(validate) + "@bench.example");
        heads.push_back(std::string("POST ") +
                        (kind == Kind::google ? "/google/calendar/v3/calendars/primary/events?sendUpdates=none"
                                              : "/outlook/v1.0/me/events") +
                        " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + token +
                        "\r\nPrefer: IdType=\"ImmutableId\"\r\nContent-Type: application/json\r\nContent-Length: ");
      }
      bench::LoadPlan plan;
      plan.port = static_cast<std::uint16_t>(std::stoi(server.url().substr(17)));
      plan.requests = requests;
      plan.request = [&](std::size_t i, std::string& out) {
        std::string body =
            kind == Kind::google
                ? "{\"id\":\"bench" + std::to_string(i) +
                      R"(","summary":"Deep clean for John Smith","description":"3 bedrooms, oven","location":"1 High Street, London","start":{"dateTime":"2026-12-01T09:00:00","timeZone":"Europe/London"},"end":{"dateTime":"2026-12-01T11:00:00","timeZone":"Europe/London"},"reminders":{"useDefault":false,"overrides":[{"method":"popup","minutes":60}]},"extendedProperties":{"private":{"calbridge":"x"}}})"
                : "{\"transactionId\":\"t" + std::to_string(i) +
                      R"(","subject":"Deep clean for John Smith","body":{"contentType":"text","content":"3 bedrooms, oven"},"location":{"displayName":"1 High Street, London"},"start":{"dateTime":"2026-12-01T09:00:00","timeZone":"UTC"},"end":{"dateTime":"2026-12-01T11:00:00","timeZone":"UTC"},"isReminderOn":true,"reminderMinutesBeforeStart":60,"showAs":"busy"})";
        out = heads[i % heads.size()];
        out += std::to_string(body.size());
        out += "\r\n\r\n";
        out += body;
      };
      std::cout << "sandbox " << toString(kind) << (validate ? ", validating" : ", not validating")
                << ", 16 connections: " << bench::runLoad(plan).summary() << std::endl;
    }
  }
}
