#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

namespace {

/// A provider that people connect to by typing; knows one password.
class TypedProvider final : public Provider {
 public:
  TypedProvider() {
    info_.id = "dav";
    info_.label = "Calendar server";
    info_.capabilities = {"credentials", "list-calendars", "delete"};
    info_.configured = true;
    info_.form = {{.name = "server",
                   .title = "Server",
                   .description = "",
                   .defaultValue = "",
                   .format = "uri",
                   .choices = {},
                   .required = true,
                   .secret = false},
                  {.name = "password",
                   .title = "Password",
                   .description = "",
                   .defaultValue = "",
                   .format = "",
                   .choices = {},
                   .required = true,
                   .secret = true}};
    info_.formSchema = nlohmann::ordered_json::parse(R"({"type":"object","properties":{}})");
  }
  const ProviderInfo& info() const override { return info_; }
  Outcome<std::string> connect(const ConnectRequest&, const CallContext&) override { return none(); }
  Outcome<Grant> exchange(const ExchangeRequest&, const CallContext&) override { return none(); }
  Outcome<Grant> refresh(const std::string&, const CallContext&) override { return none(); }
  std::optional<Failure> revoke(const Credentials&, const CallContext&) override { return none(); }
  Outcome<PushReply> push(const PushRequest&, const CallContext&) override { return PushReply{}; }
  Outcome<FeedFrame> feed(const FeedRequest&, const CallContext&) override { return none(); }
  Outcome<Authentication> authenticate(const nlohmann::json& values, const CallContext&) override {
    if (failure)
      return *failure;
    return Authentication{nlohmann::json{{"password", values.at("password")}}.dump(), {"jane", "Jane"}};
  }
  Outcome<std::vector<Calendar>> listCalendars(const Credentials& credentials, const CallContext&) override {
    listedWith = credentials.secret;
    return calendars;
  }
  static Failure none() { return {Status::unsupported, "no", "", {}}; }

  ProviderInfo info_;
  std::optional<Failure> failure;
  std::string listedWith;
  std::vector<Calendar> calendars = {
      {"c1", "Home", "", true, true}, {"c2", "Work", "", true, false}, {"c3", "Holidays", "", false, false}};
};

const nlohmann::json kTyped = {{"server", "https://dav.example"}, {"password", "CANARY-typed"}};

struct Typing : Fixture {
  TypedProvider dav;
  FixedProviders all{{&dav, &ics}};
  Connections typed{*store, all, vault, clock, random, log, "http://localhost:8000"};

  FormResult connect() { return typed.passwords().connect(john, std::nullopt, "dav", kTyped, {}); }
};

} // namespace

TEST_CASE("What was typed becomes a sealed secret, which deliveries are given, and nothing of it is in the store or "
          "the log") {
  Typing f;
  const auto result = f.connect();
  REQUIRE_FALSE(result.refusal);
  CHECK(result.account.label == "Jane");
  const auto record = f.store->connection(result.connectionId);
  REQUIRE(record);
  CHECK(record->state == "connected");
  CHECK(record->account == "Jane");
  CHECK(record->sealed.find("CANARY") == std::string::npos);
  CHECK(f.log.text().find("CANARY") == std::string::npos);
  CHECK(std::get<std::string>(f.typed.tokens().accessToken(result.connectionId, {})) ==
        R"({"password":"CANARY-typed"})");
}

TEST_CASE("A secret that is refused cannot be renewed: the person has to connect again, and then it goes on") {
  Typing f;
  const auto id = f.connect().connectionId;
  const auto secret = std::get<std::string>(f.typed.tokens().accessToken(id, {}));
  const auto refused = f.typed.tokens().refreshNow(id, secret, {});
  REQUIRE(std::holds_alternative<Failure>(refused));
  CHECK(std::get<Failure>(refused).status == Status::reauthRequired);
  CHECK(f.store->connection(id)->state == "needs_reconnection");
  CHECK(errorCode([&] { f.typed.calendars().list("john", "dav", {}); }) == "needs_reconnection");
  CHECK(f.connect().connectionId == id);
  CHECK(f.store->connection(id)->state == "connected");
}

TEST_CASE("A refusal names the field that it is about, and says whether trying again helps") {
  Typing f;
  const auto refusal = [&](Status status, const std::string& code) {
    f.dav.failure = Failure{status, "because", code, {}};
    const auto result = f.connect();
    REQUIRE(result.refusal);
    CHECK(result.connectionId == 0);
    CHECK(result.refusal->message == "because");
    return std::to_string(result.refusal->httpStatus) + " " + result.refusal->code + " " + result.refusal->field;
  };
  CHECK(refusal(Status::reauthRequired, "invalid_credentials") == "422 invalid_credentials password");
  CHECK(refusal(Status::notFound, "not_caldav") == "422 not_caldav server");
  CHECK(refusal(Status::permanent, "tls_failed") == "422 tls_failed server");
  CHECK(refusal(Status::transient, "server_unreachable") == "502 server_unreachable server");
  CHECK(refusal(Status::deadline, "") == "502 connection_failed server");
  CHECK(refusal(Status::internal, "Not Ours!") == "502 connection_failed ");
  CHECK(refusal(Status::rateLimited, "slow") == "429 slow ");
  CHECK(f.store->connectionsOf("john").empty());
}

TEST_CASE("Only providers with a form are connected by typing") {
  Typing f;
  CHECK(errorCode([&] { f.typed.passwords().connect(f.john, std::nullopt, "ics", kTyped, {}); }) == "not_found");
  CHECK(errorCode([&] { f.typed.passwords().connect(f.john, std::nullopt, "nowhere", kTyped, {}); }) == "not_found");
  CHECK(errorCode([&] { f.typed.passwords().connect(f.john, std::vector<std::string>{"ics"}, "dav", kTyped, {}); }) ==
        "provider_not_allowed");
}

TEST_CASE("A calendar is chosen among those that the account has and may write to, and is remembered by name") {
  Typing f;
  CHECK(errorCode([&] { f.typed.calendars().list("john", "dav", {}); }) == "not_found");
  const auto id = f.connect().connectionId;
  const auto listing = f.typed.calendars().list("john", "dav", {});
  CHECK(listing.calendars.size() == 3);
  CHECK(listing.chosen.empty());
  CHECK(f.dav.listedWith == R"({"password":"CANARY-typed"})");
  const auto chosen = f.typed.calendars().choose("john", "dav", "c2", {});
  CHECK(chosen.name == "Work");
  CHECK(chosen.changed);
  CHECK_FALSE(f.typed.calendars().choose("john", "dav", "c2", {}).changed);
  CHECK(f.typed.calendars().of(id) == "c2");
  CHECK(errorCode([&] { f.typed.calendars().choose("john", "dav", "c3", {}); }) == "calendar_read_only");
  CHECK(errorCode([&] { f.typed.calendars().choose("john", "dav", "c9", {}); }) == "unknown_calendar");
  CHECK(f.typed.calendars().choose("john", "dav", "", {}).name == "Home");
  const auto status = f.typed.status("john", std::nullopt).at(0);
  CHECK(status.connect == "credentials");
  CHECK(status.choosesCalendar);
  CHECK(status.calendar == std::optional<std::string>("Home"));
  CHECK(status.formOrder == std::vector<std::string>{"server", "password"});
}
