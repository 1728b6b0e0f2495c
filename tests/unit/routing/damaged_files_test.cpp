#include "booking.hpp"
#include "config/readers.hpp"
#include "config/schema_check.hpp"

#include <random>

using namespace booking;

namespace {

std::string contentsOf(const std::string& name) {
  std::ifstream in(std::string(CALBRIDGE_SOURCE_DIR) + "/config/" + name);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// A few bytes changed, doubled or cut, with a liking for what has a meaning in JSON and in templates.
std::string damaged(std::string text, std::mt19937& random) {
  static const std::string kMeaningful = "{}[]\",:#^/&!.>=*0-e\\\n\x01\xFF";
  const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (std::size_t n = 1 + pick(2); n > 0 && !text.empty(); --n) {
    const std::size_t at = pick(text.size());
    switch (pick(4)) {
    case 0:
      text[at] = kMeaningful[pick(kMeaningful.size())];
      break;
    case 1:
      text.insert(at, 1, kMeaningful[pick(kMeaningful.size())]);
      break;
    case 2:
      text.erase(at, 1 + pick(12));
      break;
    default:
      text.insert(pick(text.size()), text.substr(at, pick(40)));
      break;
    }
  }
  return text;
}

} // namespace

TEST_CASE("damaged files give problems or a policy that works, and never anything else") {
  std::mt19937 random(42); // NOLINT(cert-msc51-cpp): reproducible on purpose
  const std::string roles = contentsOf("roles.json");
  const std::string routing = contentsOf("routing.json");
  const std::string host = contentsOf("calbridge.json");
  const std::vector<std::string> providers{"google", "outlook", "ics", "caldav"};
  const Appointment appointment = parseAppointment(sampleAppointment(), "");
  const DirectorySnapshot directory(people());
  int refused = 0;
  int working = 0;
  for (int round = 0; round < 600; ++round) {
    Problems problems, warnings;
    const Document rolesDocument("roles.json", round % 2 == 0 ? damaged(roles, random) : roles, problems);
    const Document routingDocument("routing.json", round % 2 == 1 ? damaged(routing, random) : routing, problems);
    const Document hostDocument("calbridge.json", damaged(host, random), problems);
    checkDocument(rolesDocument, "roles", problems);
    checkDocument(routingDocument, "routing", problems);
    checkDocument(hostDocument, "calbridge", problems);
    Configuration configuration;
    readHost(hostDocument, configuration, problems, warnings);
    Problems policyProblems;
    checkDocument(rolesDocument, "roles", policyProblems);
    checkDocument(routingDocument, "routing", policyProblems);
    const RolesConfig readRolesConfig = readRoles(rolesDocument, &providers, policyProblems);
    const RoutingConfig readRoutingConfig = readRouting(routingDocument, &readRolesConfig, policyProblems);
    if (!policyProblems.empty() || !rolesDocument.readable() || !routingDocument.readable()) {
      ++refused;
      for (const auto& problem : policyProblems)
        CHECK_FALSE(problem.message.empty());
      continue;
    }
    ++working;
    const RoutingPolicy policy(readRolesConfig, readRoutingConfig);
    for (const char* type : {"order.confirmed", "appointment.assigned", "appointment.created"}) {
      const auto result = route(policy, directory, {type, appointment, {1, {}, 1}, nullptr, RoutingState(), {}});
      for (const auto& decision : result.decisions)
        if (decision.entry)
          CHECK_FALSE(decision.entry->entry.title.empty());
    }
  }
  CHECK(refused > 100); // the damage does something
  CHECK(working > 20);  // and not always
}
