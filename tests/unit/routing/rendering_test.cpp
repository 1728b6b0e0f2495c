#include "booking.hpp"
#include "routing/text.hpp"

#include <atomic>
#include <thread>

using namespace booking;

namespace {

RoleConfig role(std::string title, std::string description, std::vector<std::string> fields) {
  RoleConfig config;
  config.name = "test";
  config.title = std::move(title);
  config.description = std::move(description);
  config.fields = std::move(fields);
  return config;
}

Entry render(const RoleConfig& config, const nlohmann::json& patch = nlohmann::json::object()) {
  nlohmann::json snapshot = sampleAppointment();
  snapshot.merge_patch(patch);
  return RolePolicy(config).render(parseAppointment(snapshot, "")).entry;
}

} // namespace

TEST_CASE("what the application sends stays text: no structure, no templates, no HTML escapes") {
  Story story;
  story.setPolicy(shipped());
  const auto event = parseEvent(readJson("tests/testdata/events/hostile_text.json"));
  story.send(event.type, event.appointments[0]);
  story.send("appointment.assigned", 2, readJson("tests/testdata/events/hostile_text.json")["data"]["appointment"]);
  const Entry& customer = story.entryOf("john");
  CHECK(customer.title == "x BEGIN:VALARM with Sarah"); // one line, whatever was in it
  CHECK(customer.location == "<script>alert(1)</script> DTSTART:19700101");
  CHECK_THAT(customer.description, Catch::Contains("Order: VC78"));
  const Entry& staffEntry = story.entryOf("sarah");
  CHECK_THAT(staffEntry.description, Catch::Contains("Customer: {{>x}} & <b>John</b>"));
  CHECK_THAT(staffEntry.description, Catch::Contains("Details: {{customer.email}} {{#staff}}"));
  CHECK_THAT(staffEntry.description, Catch::Contains("Notes: {{{customer.phone}}}"));
  for (const auto* entry : {&customer, &staffEntry})
    for (const char c : entry->title + entry->location)
      CHECK(static_cast<unsigned char>(c) >= 0x20);
}

TEST_CASE("lines that stay empty vanish, those left blank on purpose stay") {
  const auto config = role("x", "{{#a}}A: {{a}}{{/a}}\n{{b}}\n\nEnd\n{{#c}}\n\nC: {{c}}\n{{/c}}\n\n", {"a", "b", "c"});
  CHECK(render(config).description == "End");
  CHECK(render(config, {{"a", "1"}}).description == "A: 1\n\nEnd");
  CHECK(render(config, {{"b", "2"}, {"c", "3"}}).description == "2\n\nEnd\n\nC: 3");
  CHECK(render(config, {{"b", "two\n\nparagraphs\r\nand a line\n"}}).description ==
        "two\n\nparagraphs\nand a line\n\nEnd");
}

TEST_CASE("null, false, blank and empty values count as missing, numbers and true are text") {
  const auto config = role("{{#v}}[{{v}}]{{/v}}{{^v}}none{{/v}}", "", {"v"});
  for (const nlohmann::json& missing : {nlohmann::json(false), nlohmann::json(" \n"), nlohmann::json(""),
                                        nlohmann::json::array(), nlohmann::json::object()})
    CHECK(render(config, {{"v", missing}}).title == "none");
  CHECK(render(config).title == "none");
  CHECK(render(config, {{"v", 0}}).title == "[0]");
  CHECK(render(config, {{"v", 12.5}}).title == "[12.5]");
  CHECK(render(config, {{"v", true}}).title == "[true]");
  CHECK(render(config, {{"v", "x"}}).title == "[x]");
}

TEST_CASE("sections go into objects and over lists") {
  CHECK(render(role("{{#customer}}{{name}} {{phone}}{{/customer}}", "", {"customer"})).title ==
        "John Smith +44 20 7946 0001");
  const nlohmann::json tags{{"tags", {"a", "b", ""}}, {"rooms", {{{"n", 1}}, {{"n", 2}, {"keys", {"k1", "k2"}}}}}};
  CHECK(render(role("{{#tags}}<{{.}}>{{/tags}}", "", {"tags"}), tags).title == "<a><b>");
  CHECK(
      render(role("{{#rooms}}{{n}}{{#keys}}{{.}}{{/keys}} {{order.number}};{{/rooms}}", "", {"rooms", "order.number"}),
             tags)
          .title == "1 VC-77;2k1k2 VC-77;");
}

TEST_CASE("first names and lists of names are derived, unless the application sends them") {
  const nlohmann::json two = {{"staff",
                               {{{"id", "a"}, {"name", "Sarah Jones"}},
                                {{"id", "b"}, {"name", "Tom Baker"}, {"first_name", "Tommy"}},
                                {{"id", "c"}}}}};
  CHECK(render(role("{{staff_names}}", "", {"staff.name"}), two).title == "Sarah Jones, Tom Baker");
  CHECK(render(role("{{staff_first_names}}", "", {"staff.first_name"}), two).title == "Sarah, Tommy");
  CHECK(render(role("{{#staff}}{{first_name}};{{/staff}}", "", {"staff.first_name"}), two).title == "Sarah;Tommy;;");
  CHECK(render(role("{{customer.first_name}}", "", {"customer.first_name"})).title == "John");
  CHECK(render(role("{{staff_names}}", "", {"*"}), {{"staff_names", "as sent"}}).title == "as sent");
  // A role that may see staff.name only is not shown another field of that name.
  CHECK(render(role("{{staff_names}}", "", {"staff.name"}), {{"staff_names", "as sent"}}).title == "Sarah Jones");
}

TEST_CASE("a field that is not allowed is not there when a template renders") {
  // The way to an allowed field opens a section and shows nothing else, whatever the application puts there.
  const auto config = role("{{#customer}}C{{name}}{{/customer}}", "", {"customer.name"});
  CHECK(render(config).title == "CJohn Smith");
  CHECK(render(config, {{"customer", {{"name", nullptr}}}}).title == "C");
  CHECK_THROWS_WITH(RolePolicy(role("{{customer.email}}", "", {"customer.name"})),
                    Catch::Contains("the template uses `customer.email`"));
  CHECK_THROWS_AS(RolePolicy(role("{{#customer}}{{.}}{{/customer}}", "", {"customer.name"})), Error);
  CHECK_THROWS_AS(RolePolicy(role("{{>x}}", "", {"*"})), Error);
}

TEST_CASE("an entry is never without a title, and never longer than its limits") {
  CHECK(render(role("{{nothing}}", "", {"nothing"})).title == "Appointment");
  std::string longText(5000, 'a');
  for (std::size_t i = 1; i + 2 < longText.size(); i += 3)
    longText.replace(i, 3, "\xE2\x82\xAC");
  const Entry entry = render(role("{{service.name}}", "{{service.name}}{{service.name}}", {"service.name"}),
                             {{"service", {{"name", longText}}}});
  CHECK(entry.title.size() <= 1024);
  CHECK(entry.title.size() > 1020);
  CHECK(entry.description.size() <= 8192);
  CHECK_NOTHROW(nlohmann::json(entry.title).dump()); // throws within a broken UTF-8 sequence
  CHECK_NOTHROW(nlohmann::json(entry.description).dump());
}

TEST_CASE("text is cleaned of control characters and odd line breaks") {
  CHECK(cleanValue("a\x01\x1B[31m\x7F\tb\xC2\x85"
                   "c") == "a[31m\tbc");
  CHECK(finishLine(cleanValue("a\r\nb\rc\xE2\x80\xA8"
                              "d\xE2\x80\xA9"
                              "e"),
                   100) == "a b c d e");
  CHECK(cleanValue("\n  x \r\n") == "x");
  CHECK(cleanValue("caf\xC3\xA9 \xE2\x80\x93 \xF0\x9F\x98\x80") == "caf\xC3\xA9 \xE2\x80\x93 \xF0\x9F\x98\x80");
  CHECK(cutUtf8("\xF0\x9F\x98\x80", 3).empty());
}

TEST_CASE("the link of the booking shows only for roles that may see it, and only when it is one") {
  const auto config = role("x", "", {"url"});
  CHECK(render(config, {{"url", "https://example.com/b/1?x=y"}}).url == "https://example.com/b/1?x=y");
  CHECK(render(config, {{"url", "javascript:alert(1)"}}).url.empty());
  CHECK(render(config, {{"url", "https://example.com/\nX:1"}}).url.empty());
  CHECK(render(role("x", "", {"id"}), {{"url", "https://example.com"}}).url.empty());
}

TEST_CASE("a tentative booking is shown as tentative") {
  CHECK(render(role("x", "", {}), {{"status", "tentative"}}).status == "tentative");
  CHECK(render(role("x", "", {})).status == "confirmed");
}

TEST_CASE("one policy renders in many threads at once") {
  const RolePolicy* admin = shipped().role("admin");
  const Appointment appointment = parseAppointment(sampleAppointment(), "");
  const std::string expected = admin->render(appointment).hash;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n)
        if (admin->render(appointment).hash != expected)
          ++wrong;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(wrong == 0);
}
