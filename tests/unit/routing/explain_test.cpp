#include "booking.hpp"

using namespace booking;

namespace {

Explanation explained(const std::string& type, const nlohmann::json& patch = nlohmann::json::object(),
                      std::size_t limit = 100) {
  Story story;
  nlohmann::json snapshot = sampleAppointment();
  snapshot.merge_patch(patch);
  const Appointment appointment = parseAppointment(snapshot, "");
  return explain(shipped(), story.directory(), {type, appointment, {1, {}, 1}, nullptr, story.state(), {}}, limit);
}

nlohmann::json personIn(const nlohmann::json& json, const std::string& id) {
  for (const auto& person : json.at("people"))
    if (person.at("person") == id)
      return person;
  return nullptr;
}

} // namespace

TEST_CASE("explain tells each person the route, or the reason why there is no entry") {
  const auto json = explainJson(explained("appointment.assigned"));
  CHECK(json["stale"] == false);
  CHECK(json["routes"][0] ==
        nlohmann::json{{"name", "assigned-staff"}, {"action", "add"}, {"audience", "assigned"}, {"people", {"sarah"}}});
  const auto sarah = personIn(json, "sarah");
  CHECK(sarah["action"] == "add");
  CHECK(sarah["route"] == "assigned-staff");
  CHECK(sarah["entry"]["title"] == "Deep clean – John Smith");
  const auto sue = personIn(json, "sue");
  CHECK(sue["action"] == "none");
  CHECK(sue["entry"].is_null());
  CHECK(sue["reason"] == "route assigned-staff: is not named at staff.id; route managers-of-staff: shares no team with "
                         "anybody named at staff.id");
  CHECK_THAT(personIn(json, "lone")["reason"].get<std::string>(), Catch::Contains("is in no team"));
  CHECK_THAT(personIn(json, "ada")["reason"].get<std::string>(), Catch::Contains("has role admin, not manager"));
  CHECK(json["people"].size() == people().size());
}

TEST_CASE("explain names unknown people, unrouted types and cancellations") {
  const auto unknown = explainJson(explained("order.confirmed", {{"customer", {{"id", "nobody"}}}}));
  CHECK(unknown["unknown"] == nlohmann::json::array({{{"person", "nobody"}, {"path", "customer.id"}}}));
  const auto unrouted = explained("payment.received");
  CHECK_THAT(explainText(unrouted), Catch::Contains("No route names this event type"));
  CHECK(personIn(explainJson(unrouted), "john")["reason"] == "no route names the event type payment.received");
  const auto cancelled = explainJson(explained("order.confirmed", {{"status", "cancelled"}}));
  CHECK(personIn(cancelled, "john")["reason"] == "the appointment is cancelled");
}

TEST_CASE("explain as text shows the entry line by line") {
  const std::string text = explainText(explained("order.confirmed"));
  CHECK_THAT(text, Catch::StartsWith("order.confirmed for appointment A-1001\n"
                                     "route customer: add customer → john\n"));
  CHECK_THAT(text, Catch::Contains("john (customer): add\n    route customer: named at customer.id\n"
                                   "    title        Deep clean with Sarah\n"
                                   "    when         2026-12-01T09:00:00 – 2026-12-01T11:00:00 Europe/London\n"
                                   "    where        1 High Street, London N1 1AA\n"
                                   "    shown as     busy, visibility default, confirmed\n"
                                   "    reminders    60, 1440 minutes before\n"
                                   "    description\n      | Deep clean\n      | With: Sarah\n"));
  CHECK_THAT(text, Catch::Contains("  mary (customer): route customer: is not named at customer.id\n"));
}

TEST_CASE("explain leaves out bystanders beyond its limit and says how many") {
  const auto explanation = explained("order.confirmed", nlohmann::json::object(), 3);
  CHECK(explanation.bystanders.size() == 3);
  CHECK(explanation.omitted == people().size() - 4);
  CHECK_THAT(explainText(explanation), Catch::Contains("… and 5 more"));
}

TEST_CASE("event patterns match whole segments") {
  CHECK(matchesEvent("order.confirmed", "order.confirmed"));
  CHECK_FALSE(matchesEvent("order.confirmed", "order.confirmed.again"));
  CHECK(matchesEvent("order.*", "order.confirmed"));
  CHECK(matchesEvent("order.*", "order.payment.failed"));
  CHECK_FALSE(matchesEvent("order.*", "order"));
  CHECK_FALSE(matchesEvent("order.*", "order."));
  CHECK_FALSE(matchesEvent("order.*", "orders.confirmed"));
  CHECK(matchesEvent("*", "anything"));
}

TEST_CASE("a directory answers by id, role and team") {
  auto directory = people();
  directory.push_back({"john", "John Again", "j2@example.com", "staff", "UTC", {"north", "north"}});
  const DirectorySnapshot snapshot(directory);
  REQUIRE(snapshot.person("john") != nullptr);
  CHECK(snapshot.person("john")->name == "John Again");
  CHECK(snapshot.person("nobody") == nullptr);
  CHECK(snapshot.everyone().size() == people().size());
  std::string north;
  for (const Person* person : snapshot.inTeam("north"))
    north += person->id + " ";
  CHECK(north == "john mike sarah una ");
  CHECK(snapshot.withRole("manager").size() == 3);
  CHECK(snapshot.withRole("nothing").empty());
  CHECK(snapshot.inTeam("nothing").empty());
}
