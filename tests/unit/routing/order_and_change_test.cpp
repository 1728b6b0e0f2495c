#include "booking.hpp"
#include "temporary_folder.hpp"

#include <random>
#include <set>

using namespace booking;

TEST_CASE("an older snapshot changes no content and removes nobody") {
  Story story;
  story.send("order.confirmed", 1);
  story.send("appointment.assigned", 2);
  story.send("appointment.rescheduled", 5, {{"end", "2026-12-01T12:00:00"}});
  const std::string before = story.hashOf("john");
  const auto updated = story.send("appointment.updated", 4, {{"end", "2026-12-01T13:00:00"}});
  CHECK(updated.stale);
  CHECK_FALSE(updated.snapshotTaken);
  CHECK(actions(updated) == "john none, mike none, sarah none");
  const auto cancelled = story.send("appointment.cancelled", 3, {{"status", "cancelled"}});
  CHECK(cancelled.stale);
  CHECK(story.holders() == "john mike sarah");
  const auto confirmed = story.send("order.confirmed", 4, {{"customer", {{"id", "mary"}}}});
  CHECK(confirmed.stale);
  CHECK(story.holders() == "john mike sarah");
  CHECK(story.hashOf("john") == before);
}

TEST_CASE("an equal version is not older") {
  Story story;
  story.send("order.confirmed", 3);
  const auto result = story.send("appointment.assigned", 3);
  CHECK_FALSE(result.stale);
  CHECK(story.holders() == "john mike sarah");
}

TEST_CASE("an event that arrives late still lets in whom the newest snapshot names too") {
  Story story;
  story.send("appointment.rescheduled", 3, {{"end", "2026-12-01T12:00:00"}});
  CHECK(story.holders().empty());
  const auto late = story.send("order.confirmed", 1);
  CHECK(late.stale);
  CHECK(actions(late) == "john add");
  CHECK(story.entryOf("john").time.end == "2026-12-01T12:00:00");       // what the newest snapshot says
  story.send("appointment.assigned", 2, staff({{"tom", "Tom Baker"}})); // the newest snapshot says sarah
  CHECK(story.holders() == "john");
}

TEST_CASE("a late confirmation of a cancelled appointment adds nobody") {
  for (const char* status : {"cancelled", "confirmed"}) {
    Story story;
    story.send("appointment.cancelled", 2, {{"status", status}});
    CHECK(story.send("order.confirmed", 1).stale);
    CHECK(story.holders().empty());
  }
}

TEST_CASE("without versions the event's time orders snapshots, and without that the arrival") {
  const SnapshotOrder early{std::nullopt, 1000, 1};
  const SnapshotOrder later{std::nullopt, 2000, 2};
  CHECK(isStale(early, later));
  CHECK_FALSE(isStale(later, early));
  CHECK_FALSE(isStale({std::nullopt, std::nullopt, 9}, later));
  CHECK(isStale({7, 500, 3}, later)); // only one of them has a version: the time decides
  CHECK(olderThan(early, later));
  CHECK(olderThan({2, 9000, 1}, {3, 10, 2}));
  CHECK(olderThan({2, 1000, 1}, {2, 1000, 2}));
}

TEST_CASE("a state survives its JSON") {
  RoutingState state;
  state.events["order.confirmed"] = {{3, 99, 7}, true, {{"customer.id", {"john"}}, {"staff.id", {}}}};
  state.newest = SnapshotOrder{std::nullopt, 5, 8};
  state.cancelled = SnapshotOrder{std::nullopt, std::nullopt, 2};
  CHECK(routingStateFromJson(nlohmann::json::parse(toJsonText(state))) == state);
  CHECK(routingStateFromJson(nlohmann::json::object()) == RoutingState());
  CHECK(routingStateFromJson(nlohmann::json::parse(toJsonText(RoutingState()))) == RoutingState());
}

TEST_CASE("changes of the directory end in the right placements") {
  Story story;
  story.send("appointment.assigned", 1,
             {{"staff", {{{"id", "sarah"}, {"name", "Sarah Jones"}}, {{"id", "new"}, {"name", "N. Ew"}}}}});
  story.send("order.confirmed", 2,
             {{"staff", {{{"id", "sarah"}, {"name", "Sarah Jones"}}, {{"id", "new"}, {"name", "N. Ew"}}}}});
  CHECK(story.holders() == "john mike sarah");

  auto directory = people();
  directory.push_back({"new", "Nora Ew", "new@example.com", "staff", "UTC", {"south"}});
  story.setDirectory(directory);
  CHECK(actions(story.reevaluateNow()) == "john none, mike none, new add, sarah none, sue add");

  for (auto& person : directory) {
    if (person.id == "mike")
      person.teams = {"south"}; // still reached, through the new member
    if (person.id == "sue")
      person.teams = {};
    if (person.id == "sarah")
      person.role = "manager"; // worded by today's role
  }
  story.setDirectory(directory);
  const auto result = story.reevaluateNow();
  CHECK(actions(result) == "john none, mike none, new none, sarah update, sue remove");
  CHECK(decisionFor(result, "sue").reason == "no route grants it any more");
  CHECK(story.entryOf("sarah").showAs == "free");

  std::erase_if(directory, [](const Person& person) { return person.id == "john"; });
  story.setDirectory(directory);
  const auto erased = story.reevaluateNow();
  CHECK(decisionFor(erased, "john").action == Action::remove);
  CHECK(decisionFor(erased, "john").reason == "the directory does not know this person any more");
}

TEST_CASE("changes of the policy end in the right placements") {
  Story story;
  story.send("order.confirmed", 1);
  story.send("payment.received", 2);
  story.send("appointment.assigned", 3);
  CHECK(story.holders() == "john mike sarah");

  Policies changed = shippedPolicies();
  changed.roles.roles[0].title = "Your {{service.name}}";
  std::erase_if(changed.roles.roles, [](const RoleConfig& role) { return role.name == "staff"; });
  std::erase_if(changed.routing.routes, [](const RouteConfig& route) { return route.name == "managers-of-staff"; });
  RouteConfig accounts; // for an event type that came before any route named it
  accounts.name = "admins-on-payment";
  accounts.events = {"payment.*"};
  accounts.audience = {AudienceConfig::Kind::role, "", "admin"};
  changed.routing.routes.push_back(accounts);
  const RoutingPolicy policy(changed.roles, changed.routing);
  CHECK(policy.digest() != shipped().digest());
  story.setPolicy(policy);
  const auto result = story.reevaluateNow();
  CHECK(actions(result) == "ada add, john update, mike remove, sarah remove");
  CHECK(decisionFor(result, "sarah").reason == "role staff is not defined in roles.json");
  CHECK(story.entryOf("john").title == "Your Deep clean");

  story.setPolicy(shipped());
  CHECK(actions(story.reevaluateNow()) == "ada remove, john update, mike add, sarah add");
}

TEST_CASE("a remove route for one audience empties that audience alone") {
  Policies changed = shippedPolicies();
  RouteConfig unassigned{"unassigned",
                         {"appointment.unassigned"},
                         {AudienceConfig::Kind::people, "staff.id", ""},
                         RouteConfig::Action::remove};
  changed.routing.routes.push_back(unassigned);
  const RoutingPolicy policy(changed.roles, changed.routing);
  Story story;
  story.setPolicy(policy);
  story.send("order.confirmed", 1);
  story.send("appointment.assigned", 2);
  CHECK(story.holders() == "john mike sarah");
  story.send("appointment.unassigned", 3);
  CHECK(story.holders() == "john mike");
  story.send("appointment.assigned", 4);
  CHECK(story.holders() == "john mike sarah");
}

TEST_CASE("a fifth role and a new event type are a change of the files alone") {
  const calbridge::testing::TemporaryFolder folder;
  auto roles = readJson("config/roles.json");
  roles["roles"].update(readJson("tests/testdata/fifth_role/role.json"));
  auto routing = readJson("config/routing.json");
  routing["routes"].push_back(readJson("tests/testdata/fifth_role/route.json"));
  std::ofstream(folder.path / "roles.json") << roles.dump();
  std::ofstream(folder.path / "routing.json") << routing.dump();
  const Policies policies = policiesFrom(folder.path);

  const RoutingPolicy policy(policies.roles, policies.routing);
  auto directory = people();
  directory.push_back({"ivy", "Ivy Inspector", "ivy@example.com", "inspector", "UTC", {}});
  Story story(directory);
  story.setPolicy(policy);
  const nlohmann::json inspection{{"inspectors", {{{"id", "ivy"}}}}, {"inspection", {{"form", "F-12"}}}};
  story.send("order.confirmed", 1, inspection);
  const auto result = story.send("inspection.planned", 2, inspection);
  CHECK(actions(result) == "ivy add, john none");
  const Entry& entry = story.entryOf("ivy");
  CHECK(entry.title == "Inspect Deep clean");
  CHECK(entry.description == "Form: F-12\nStaff: Sarah");
  CHECK(entry.visibility == "private");
  REQUIRE(policy.role("inspector") != nullptr);
  CHECK(policy.role("inspector")->allowsProvider("ics"));
  CHECK_FALSE(policy.role("inspector")->allowsProvider("google"));
  story.send("appointment.cancelled", 3, inspection);
  CHECK(story.holders().empty());
}

namespace {

/// What the contract's table says, kept apart from the router's way of computing it.
struct Model {
  std::set<std::string> customers, assigned;
  bool admins = false;

  void apply(const std::string& type, const Appointment& appointment) {
    if (type == "order.confirmed")
      customers = {*appointment.customerId};
    if (type == "appointment.assigned")
      assigned = {appointment.staffIds.begin(), appointment.staffIds.end()};
    if (type == "appointment.created")
      admins = true;
    if (type.ends_with(".cancelled"))
      *this = {};
  }

  std::string holders() const {
    std::set<std::string> ids = customers;
    for (const auto& person : people()) {
      if (admins && person.role == "admin")
        ids.insert(person.id);
      for (const auto& member : people())
        if (assigned.contains(member.id)) {
          ids.insert(member.id);
          for (const auto& team : member.teams)
            if (person.role == "manager" && std::count(person.teams.begin(), person.teams.end(), team) > 0)
              ids.insert(person.id);
        }
    }
    std::string all;
    for (const auto& id : ids)
      all += (all.empty() ? "" : " ") + id;
    return all;
  }
};

} // namespace

TEST_CASE("random stories end, after every event, where the contract's table says") {
  std::mt19937 random(20261122); // NOLINT(cert-msc51-cpp): reproducible on purpose
  const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> types{"order.confirmed",       "appointment.assigned", "appointment.assigned",
                                       "appointment.created",   "appointment.updated",  "appointment.rescheduled",
                                       "appointment.cancelled", "order.cancelled"};
  const std::vector<std::string> members{"sarah", "tom", "una"};
  for (int round = 0; round < 300; ++round) {
    Story story;
    Model model;
    for (std::int64_t version = 1; version <= 12; ++version) {
      const std::string type = types[pick(types.size())];
      nlohmann::json patch{{"customer", {{"id", pick(2) == 0 ? "john" : "mary"}}}, {"staff", nlohmann::json::array()}};
      for (const auto& id : members)
        if (pick(2) == 0)
          patch["staff"].push_back({{"id", id}, {"name", id + " of round " + std::to_string(round)}});
      patch["service"] = {{"name", "Service " + std::to_string(pick(3))}};
      if (type.ends_with(".cancelled") && pick(2) == 0)
        patch["status"] = "cancelled";
      story.send(type, version, patch);
      model.apply(type, *story.newest());
      INFO("round " << round << ", version " << version << ", " << type);
      REQUIRE(story.holders() == model.holders());
      for (const auto& placement : story.current())
        if (placement.present) {
          const Person* person = story.directory().person(placement.personId);
          REQUIRE(placement.entryHash == shipped().role(person->role)->render(*story.newest()).hash);
        }
      const auto again = story.reevaluateNow();
      for (const auto& decision : again.decisions)
        REQUIRE(decision.action == Action::none);
    }
  }
}

TEST_CASE("the order of arrival does not matter for events about the same people") {
  std::mt19937 random(7); // NOLINT(cert-msc51-cpp): reproducible on purpose
  const std::vector<std::string> types{"order.confirmed",     "appointment.created",     "appointment.assigned",
                                       "appointment.updated", "appointment.rescheduled", "appointment.updated"};
  for (int round = 0; round < 200; ++round) {
    const bool cancelled = round % 4 == 0;
    std::vector<std::pair<std::string, std::int64_t>> events;
    for (std::size_t i = 0; i < types.size(); ++i)
      events.emplace_back(types[i], static_cast<std::int64_t>(i) + 1);
    if (cancelled)
      events.emplace_back("appointment.cancelled", 99);
    std::shuffle(events.begin(), events.end(), random);
    Story story;
    std::string arrivals;
    for (const auto& [type, version] : events) {
      arrivals += type + "@" + std::to_string(version) + " ";
      story.send(type, version, {{"service", {{"name", "Version " + std::to_string(version)}}}});
    }
    INFO(arrivals);
    REQUIRE(story.holders() == (cancelled ? "" : "ada john mike sarah"));
    if (!cancelled)
      REQUIRE(story.entryOf("john").title == "Version 6 with Sarah");
  }
}
