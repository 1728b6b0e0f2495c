#include "booking.hpp"

using namespace booking;

TEST_CASE("order.confirmed gives the customer service, address, the staff's first name and the order number") {
  Story story;
  const auto result = story.send("order.confirmed", 1);
  CHECK(actions(result) == "john add");
  CHECK(decisionFor(result, "john").route == "customer");
  CHECK(decisionFor(result, "john").reason == "route customer: named at customer.id");
  const Entry& entry = story.entryOf("john");
  CHECK(entry.title == "Deep clean with Sarah");
  CHECK(entry.description == "Deep clean\nWith: Sarah\nAddress: 1 High Street, London N1 1AA\nOrder: VC-77");
  CHECK(entry.location == "1 High Street, London N1 1AA");
  CHECK(entry.time.start == "2026-12-01T09:00:00");
  CHECK(entry.time.end == "2026-12-01T11:00:00");
  CHECK(entry.time.timezone == "Europe/London");
  CHECK(entry.reminders == std::vector<int>{60, 1440});
  CHECK(entry.showAs == "busy");
  CHECK(entry.status == "confirmed");
  const std::string text = toJson(entry).dump();
  for (const char* hidden : {"Jones", "7946", "Key under", "3 bedrooms", "john@example.com"}) {
    INFO(hidden);
    CHECK_THAT(text, !Catch::Contains(hidden));
  }
}

TEST_CASE("appointment.assigned gives staff the customer, address, phone, details and notes") {
  Story story;
  const auto result = story.send("appointment.assigned", 1);
  CHECK(actions(result) == "mike add, sarah add");
  const Entry& entry = story.entryOf("sarah");
  CHECK(entry.title == "Deep clean – John Smith");
  CHECK(entry.description == "Customer: John Smith\nPhone: +44 20 7946 0001\nAddress: 1 High Street, London N1 1AA\n"
                             "Service: Deep clean\nDetails: 3 bedrooms, oven\nNotes: Key under the mat");
  CHECK(entry.location == "1 High Street, London N1 1AA");
  CHECK(entry.showAs == "busy");
  CHECK_THAT(entry.description, !Catch::Contains("john@example.com"));
}

TEST_CASE("appointment.assigned gives managers of the team the staff and the customer, shown as free") {
  Story story;
  const auto result = story.send("appointment.assigned", 1);
  CHECK(decisionFor(result, "mike").reason ==
        "route managers-of-staff: has role manager and shares team north with sarah");
  const Entry& entry = story.entryOf("mike");
  CHECK(entry.title == "Sarah Jones: Deep clean");
  CHECK(entry.description == "Staff: Sarah Jones\nCustomer: John Smith\nPhone: +44 20 7946 0001\n"
                             "Address: 1 High Street, London N1 1AA\nService: Deep clean\nDetails: 3 bedrooms, oven");
  CHECK(entry.showAs == "free");
  CHECK_THAT(entry.description, !Catch::Contains("Key under the mat"));
}

TEST_CASE("appointment.created gives every admin everything, shown as free") {
  Story story;
  const auto result = story.send("appointment.created", 1);
  CHECK(actions(result) == "ada add");
  const Entry& entry = story.entryOf("ada");
  CHECK(entry.title == "VC-77: Deep clean – John Smith");
  CHECK(
      entry.description ==
      "Service: Deep clean\nDetails: 3 bedrooms, oven\nAddress: 1 High Street, London N1 1AA\nCustomer: John Smith\n"
      "Customer's phone: +44 20 7946 0001\nCustomer's e-mail: john@example.com\nStaff: Sarah Jones, +44 20 7946 0002\n"
      "Order: VC-77\nNotes: Key under the mat\nStatus: confirmed\nAppointment: A-1001");
  CHECK(entry.showAs == "free");
}

TEST_CASE("updates change the entry of everyone who has it, and of nobody else") {
  Story story;
  story.send("order.confirmed", 1);
  story.send("appointment.assigned", 2);
  for (const auto& [type, version] : {std::pair{"appointment.rescheduled", 3}, std::pair{"appointment.updated", 4}}) {
    const auto result =
        story.send(type, version,
                   {{"start", "2026-12-0" + std::to_string(version) + "T08:00:00"}, {"end", "2026-12-09T08:00:00"}});
    CHECK(actions(result) == "john update, mike update, sarah update");
    CHECK(story.entryOf("john").time.start == "2026-12-0" + std::to_string(version) + "T08:00:00");
  }
  CHECK(actions(story.send("appointment.updated", 5)) == "john update, mike update, sarah update");
  CHECK(actions(story.send("appointment.updated", 6)) == "john none, mike none, sarah none");
}

TEST_CASE("a cancellation takes the entry from everyone") {
  for (const char* type : {"appointment.cancelled", "order.cancelled"}) {
    for (const char* status : {"cancelled", "confirmed"}) { // whatever the snapshot says
      Story story;
      story.send("order.confirmed", 1);
      story.send("appointment.assigned", 2);
      story.send("appointment.created", 3);
      CHECK(story.holders() == "ada john mike sarah");
      const auto result = story.send(type, 4, {{"status", status}});
      CHECK(actions(result) == "ada remove, john remove, mike remove, sarah remove");
      CHECK(decisionFor(result, "john").reason == "route cancelled takes it from everyone_who_has_it");
      CHECK(story.holders().empty());
    }
  }
}

TEST_CASE("assignment to another and back moves the entry, with the managers of their teams") {
  Story story;
  story.send("order.confirmed", 1);
  story.send("appointment.assigned", 2);
  CHECK(story.holders() == "john mike sarah");
  const auto moved = story.send("appointment.assigned", 3, staff({{"tom", "Tom Baker"}}));
  CHECK(actions(moved) == "john update, mike remove, sarah remove, sue add, tom add");
  CHECK(decisionFor(moved, "sarah").reason ==
        "no route grants it any more: is not named at staff.id; has role staff, not manager");
  CHECK(decisionFor(moved, "sarah").route == "assigned-staff");
  CHECK(story.entryOf("john").title == "Deep clean with Tom");
  story.send("appointment.assigned", 4);
  CHECK(story.holders() == "john mike sarah");
}

TEST_CASE("a manager keeps the entry as long as one assigned member shares a team") {
  Story story;
  story.send("appointment.assigned", 1, staff({{"sarah", "Sarah Jones"}, {"una", "Una Both"}}));
  CHECK(story.holders() == "mike sarah sue una");
  story.send("appointment.assigned", 2, staff({{"una", "Una Both"}}));
  CHECK(story.holders() == "mike sue una");
  CHECK(story.entryOf("mike").title == "Una Both: Deep clean");
  story.send("appointment.assigned", 3, staff({{"tom", "Tom Baker"}}));
  CHECK(story.holders() == "sue tom");
  story.send("appointment.assigned", 4, {{"staff", nlohmann::json::array()}});
  CHECK(story.holders().empty());
}

TEST_CASE("a staff member dropped by an update keeps the entry until the next assignment says so") {
  Story story;
  story.send("order.confirmed", 1);
  story.send("appointment.assigned", 2);
  story.send("appointment.updated", 3, staff({{"tom", "Tom Baker"}}));
  CHECK(story.holders() == "john mike sarah");
  CHECK(story.entryOf("john").title == "Deep clean with Tom");
  story.send("appointment.assigned", 4, staff({{"tom", "Tom Baker"}}));
  CHECK(story.holders() == "john sue tom");
}

TEST_CASE("somebody in two audiences has one entry and keeps it while one of them grants it") {
  auto directory = people();
  directory.push_back({"amy", "Amy Admin", "amy@example.com", "admin", "UTC", {"north"}});
  Story story(directory);
  story.send("appointment.created", 1);
  const auto result = story.send("appointment.assigned", 2, staff({{"amy", "Amy Admin"}}));
  CHECK(decisionFor(result, "amy").route == "assigned-staff"); // the first route of the file that grants it
  CHECK(story.entryOf("amy").showAs == "free");                // worded by the person's own role
  story.send("appointment.assigned", 3, staff({{"tom", "Tom Baker"}}));
  CHECK(story.holders() == "ada amy sue tom");
  story.send("appointment.cancelled", 4);
  CHECK(story.holders().empty());
}

TEST_CASE("people whom the directory does not know get no entry, and the result names them") {
  Story story;
  const auto result =
      story.send("appointment.assigned", 1, {{"staff", {{{"id", "ghost"}, {"name", "G"}}, {{"id", "sarah"}}}}});
  CHECK(actions(result) == "mike add, sarah add");
  REQUIRE(result.unknown.size() == 1);
  CHECK(result.unknown[0].personId == "ghost");
  CHECK(result.unknown[0].path == "staff.id");
  const auto customer = story.send("order.confirmed", 2, {{"customer", {{"id", "nobody"}}}});
  REQUIRE(customer.unknown.size() == 1);
  CHECK(customer.unknown[0].personId == "nobody");
}

TEST_CASE("an event type that no route names changes nothing") {
  Story story;
  story.send("order.confirmed", 1);
  const auto result = story.send("payment.received", 2, {{"service", {{"name", "Other"}}}});
  CHECK(result.routes.empty());
  CHECK(result.decisions.empty());
  CHECK_FALSE(result.snapshotTaken);
  CHECK(story.entryOf("john").title == "Deep clean with Sarah");
  CHECK(actions(story.reevaluateNow()) == "john none");
}

TEST_CASE("a snapshot whose status is cancelled removes for everyone and never adds") {
  Story story;
  CHECK(story.send("order.confirmed", 1, {{"status", "cancelled"}}).decisions.empty());
  CHECK(story.holders().empty());
  story.send("order.confirmed", 2);
  CHECK(story.holders() == "john");
  const auto result = story.send("appointment.updated", 3, {{"status", "canceled"}});
  CHECK(actions(result) == "john remove");
  CHECK(decisionFor(result, "john").reason == "the appointment is cancelled");
  story.send("appointment.updated", 4); // an update reaches those who have it: nobody
  CHECK(story.holders().empty());
  story.send("order.confirmed", 5);
  CHECK(story.holders() == "john");
}

TEST_CASE("matched routes say whom they reach") {
  Story story;
  const auto result = story.send("appointment.assigned", 1);
  REQUIRE(result.routes.size() == 2);
  CHECK(result.routes[0].name == "assigned-staff");
  CHECK(result.routes[0].audience == "assigned");
  CHECK(result.routes[0].people == std::vector<std::string>{"sarah"});
  CHECK(result.routes[1].audience == "role manager sharing a team with assigned");
  CHECK(result.routes[1].people == std::vector<std::string>{"mike"});
  const auto update = story.send("appointment.updated", 2);
  REQUIRE(update.routes.size() == 1);
  CHECK(update.routes[0].people == std::vector<std::string>{"mike", "sarah"});
}
