#include "plugin_fixture.hpp"
#include "plugins/manifest.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using calbridge::test::PluginFixture;
using Catch::Contains;

namespace {

template <typename T>
T valueOf(const Outcome<T>& outcome) {
  const Failure* failure = std::get_if<Failure>(&outcome);
  INFO((failure != nullptr ? failure->message : std::string()));
  REQUIRE(failure == nullptr);
  return std::get<T>(outcome);
}
template <typename T>
Failure failureOf(const Outcome<T>& outcome) {
  REQUIRE(std::holds_alternative<Failure>(outcome));
  return std::get<Failure>(outcome);
}

std::string manifestWith(const std::string& more) {
  return R"({"id":"x","name":"X","version":"1.0.0","requires":[],"capabilities":["credentials"],)" + more + "}";
}
std::string complaintAbout(const std::string& more) {
  try {
    plugins::parseManifest(manifestWith(more));
  } catch (const Error& error) {
    return error.message();
  }
  return "no complaint";
}

} // namespace

TEST_CASE("the form has what is required first, then the rest, each in the order of the manifest") {
  PluginFixture f("careful");
  const ProviderInfo& info = f.provider().info();
  REQUIRE(info.form.size() == 4);
  CHECK(info.form[0].name == "user");
  CHECK(info.form[0].required);
  CHECK_FALSE(info.form[0].secret);
  CHECK(info.form[1].name == "password");
  CHECK(info.form[1].secret);
  CHECK(info.form[1].description == "not your usual one");
  CHECK(info.form[2].name == "server");
  CHECK(info.form[2].format == "uri");
  CHECK(info.form[2].defaultValue == "https://dav.example.com");
  CHECK_FALSE(info.form[2].required);
  CHECK(info.form[3].choices == std::vector<std::string>{"a", "b"});
  CHECK_THAT(info.formSchema.dump(), Contains(R"("properties":{"server":)"));
}

TEST_CASE("a form that cannot be shown is a manifest that is wrong, and the place is named") {
  CHECK(complaintAbout(R"("x":1)") == "no complaint"); // made before there were forms
  CHECK(plugins::parseManifest(manifestWith(R"("x":1)")).capabilities.empty());
  CHECK_THAT(complaintAbout(R"("credentials_schema":{"type":"object","properties":{}})"),
             Contains("/credentials_schema/properties"));
  CHECK_THAT(
      complaintAbout(R"("credentials_schema":{"type":"object","properties":{"a":{"type":"array","title":"A"}}})"),
      Contains("/credentials_schema/properties/a"));
  CHECK_THAT(complaintAbout(R"("credentials_schema":{"type":"object","properties":{"a":{"type":"string"}}})"),
             Contains("/credentials_schema/properties/a"));
  CHECK_THAT(complaintAbout(R"("credentials_schema":{"type":"object","required":["b"],"properties":
                               {"a":{"type":"string","title":"A"}}})"),
             Contains("names \"b\""));
  CHECK_THAT(complaintAbout(R"("egress_credentials":["a"],"credentials_schema":{"type":"object","properties":
                               {"a":{"type":"string","title":"A","writeOnly":true}}})"),
             Contains("/egress_credentials names \"a\""));
  CHECK(complaintAbout(R"("egress_credentials":["a"],"credentials_schema":{"type":"object","properties":
                               {"a":{"type":"string","title":"A"}}})") == "no complaint");
}

TEST_CASE("what a person typed becomes a secret and an account") {
  PluginFixture f("careful");
  const auto made = valueOf(f.provider().authenticate({{"user", "jane"}, {"password", "canary-password"}}, f.context));
  CHECK(made.account.id == "jane");
  CHECK(made.account.label == "jane");
  CHECK(nlohmann::json::parse(made.secret) ==
        nlohmann::json{{"user", "jane"}, {"session", {{"key", "canary-session"}}}});
  CHECK_THAT(f.logger.lines, Contains("jane has the password [redacted]") && !Contains("canary"));
}

TEST_CASE("a refusal says who and where, and never the password") {
  PluginFixture f("careful");
  const Failure failure =
      failureOf(f.provider().authenticate({{"user", "jane-doe"}, {"password", "canary-mistyped"}}, f.context));
  CHECK(failure.status == Status::reauthRequired);
  CHECK(failure.code == "invalid_credentials");
  CHECK(failure.message == "jane-doe is not let in with [redacted]");
}

TEST_CASE("calendars are listed for a secret and for a token, and what is secret stays out of the log") {
  PluginFixture f("careful");
  Credentials credentials;
  credentials.secret = R"({"user":"jane-doe","session":{"key":"canary-session"}})";
  const auto calendars = valueOf(f.provider().listCalendars(credentials, f.context));
  REQUIRE(calendars.size() == 2);
  CHECK(calendars[0].id == "c1");
  CHECK(calendars[0].name == "Home");
  CHECK(calendars[0].color == "#ff0000");
  CHECK(calendars[0].writable);
  CHECK(calendars[0].primary);
  CHECK(calendars[1].name == "c2"); // without a name of its own
  CHECK_FALSE(calendars[1].writable);
  CHECK_THAT(f.logger.lines, Contains("jane-doe") && !Contains("canary"));
  credentials = {};
  credentials.accessToken = "token-1";
  CHECK(valueOf(f.provider().listCalendars(credentials, f.context)).at(0).name == "token-1");
}

TEST_CASE("who is busy and what changed cross the boundary") {
  PluginFixture f("careful");
  const auto busy = valueOf(f.provider().freeBusy({}, "", {1796115600000, 1796122800000}, f.context));
  REQUIRE(busy.size() == 2);
  CHECK(busy[0].start == 1796115600000);
  CHECK(busy[0].end == 1796122800000);
  CHECK(failureOf(f.provider().freeBusy({}, "not a time", {0, 1}, f.context)).message ==
        "the plugin's answer: /busy/1/end must be an RFC 3339 time");
  const auto changes = valueOf(f.provider().changes({}, "c1", "s1", f.context));
  REQUIRE(changes.changes.size() == 2);
  CHECK(changes.changes[0].uid == "u");
  CHECK(changes.changes[0].etag == "e");
  CHECK(changes.changes[1].providerEventId == "p2");
  CHECK(changes.changes[1].deleted);
  CHECK(changes.syncToken == "s1+");
}

TEST_CASE("a push carries the secret, the chosen calendar and whom to invite") {
  PluginFixture f("careful");
  PushRequest request = PluginFixture::push("tell what came");
  CHECK(valueOf(f.provider().push(request, f.context)).providerEventId == "null");
  request.accessToken.clear();
  request.secret = R"({"user":"j"})";
  request.calendar = "c2";
  request.recipient = Recipient{"j@example.com", "J", "de", "", ""};
  CHECK(valueOf(f.provider().push(request, f.context)).providerEventId == R"({"user":"j"}c2j@example.comJde)");
}

TEST_CASE("a plugin that lacks the newer operations is offered without them") {
  PluginFixture f("claims_too_much");
  const ProviderInfo& info = f.provider().info();
  CHECK(info.capabilities == std::set<std::string>{"delete"});
  CHECK_THAT(f.logger.lines, Contains("list-calendars") && Contains("free-busy") && Contains("changes"));
  CHECK(failureOf(f.provider().listCalendars({}, f.context)).status == Status::unsupported);
  CHECK(failureOf(f.provider().authenticate({}, f.context)).status == Status::unsupported);
}
