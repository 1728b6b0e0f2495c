#include "plugin_fixture.hpp"
#include "plugins/call_services.hpp"
#include "plugins/host_table.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace calbridge;
using namespace calbridge::plugins;
using calbridge::test::FixedClock;
using calbridge::test::FixedRandom;
using calbridge::test::KeepingLogger;
using calbridge::test::ScriptedHttp;

namespace {

class ScriptedMailer final : public Mailer {
 public:
  std::optional<MailFailure> send(const Mail& mail, const MailOptions&) override {
    mails.push_back({mail.from, mail.to, mail.message});
    return failure;
  }
  std::vector<Mail> mails;
  std::optional<MailFailure> failure;
};

/// One call that may write to john.
struct Post {
  ScriptedHttp http;
  KeepingLogger log;
  FixedClock clock;
  FixedRandom random;
  ScriptedMailer mailer;
  HostServices host{http, log, clock, random, &mailer};
  PluginIdentity plugin{"email", {}};
  CallContext context;

  calbridge_status send(const std::string& envelope, nlohmann::json& response) {
    CallServices services(host, plugin, context, {}, true);
    std::string_view said;
    const calbridge_status status = services.sendMail(envelope, "Subject: x\r\n\r\n", said);
    response = nlohmann::json::parse(said);
    return status;
  }
};

constexpr const char* kToJohn = R"({"from":"a@example.com","to":["john@example.com"]})";

} // namespace

TEST_CASE("a mail goes to the recipient of the push, and to nobody else") {
  Post post;
  nlohmann::json said;
  CHECK(post.send(kToJohn, said) == CALBRIDGE_PERMANENT); // a call without a recipient
  CHECK(said["kind"] == "not_allowed");
  post.context.mailTo = "john@example.com";
  CHECK(post.send(kToJohn, said) == CALBRIDGE_OK);
  REQUIRE(post.mailer.mails.size() == 1);
  CHECK(post.mailer.mails[0].to == std::vector<std::string>{"john@example.com"});
  for (const char* envelope :
       {R"({"from":"a@example.com","to":["eve@example.com"]})", R"({"from":"a@example.com","to":[]})",
        R"({"from":"a@example.com","to":["john@example.com","eve@example.com"]})"}) {
    CHECK(post.send(envelope, said) == CALBRIDGE_PERMANENT);
    CHECK(said["kind"] == "not_allowed");
    CHECK(said["sent"] == false);
  }
  CHECK(post.mailer.mails.size() == 1);
}

TEST_CASE("an envelope that is none is said to be, and nothing is sent") {
  Post post;
  post.context.mailTo = "john@example.com";
  nlohmann::json said;
  for (const char* envelope :
       {"", "[]", "{}", R"({"from":1,"to":["john@example.com"]})", R"({"from":"a@example.com"})",
        R"({"from":"a@example.com","to":"john@example.com"})", R"({"from":"a@example.com","to":[1]})"}) {
    CHECK(post.send(envelope, said) == CALBRIDGE_INVALID_REQUEST);
    CHECK(said["kind"] == "invalid_request");
  }
  CHECK(post.mailer.mails.empty());
}

TEST_CASE("how a mail failed reaches the plugin: for now or for good, about whom, and whether it may have gone") {
  Post post;
  post.context.mailTo = "john@example.com";
  nlohmann::json said;
  MailFailure failure;
  failure.kind = MailFailure::Kind::refused;
  failure.scope = MailFailure::Scope::recipient;
  failure.code = 550;
  failure.enhanced = "5.1.1";
  failure.message = "no such mailbox";
  post.mailer.failure = failure;
  CHECK(post.send(kToJohn, said) == CALBRIDGE_PERMANENT);
  CHECK(said == nlohmann::json({{"message", "no such mailbox"},
                                {"kind", "refused"},
                                {"scope", "recipient"},
                                {"code", 550},
                                {"enhanced", "5.1.1"},
                                {"sent", false}}));
  post.mailer.failure->code = 450;
  CHECK(post.send(kToJohn, said) == CALBRIDGE_TRANSIENT);
  MailFailure lost;
  lost.kind = MailFailure::Kind::broken;
  lost.sent = true;
  post.mailer.failure = lost;
  CHECK(post.send(kToJohn, said) == CALBRIDGE_TRANSIENT);
  CHECK(said["sent"] == true);
  post.mailer.failure->kind = MailFailure::Kind::timeout;
  CHECK(post.send(kToJohn, said) == CALBRIDGE_DEADLINE);
}

TEST_CASE("without a mail server there is no smtp service, and everything else stays") {
  const calbridge_host_v1_t& without = hostTable(false);
  const calbridge_host_v1_t& with = hostTable(true);
  CHECK(without.get_service(&without, CALBRIDGE_SMTP_SERVICE) == nullptr);
  CHECK(with.get_service(&with, CALBRIDGE_SMTP_SERVICE) != nullptr);
  for (const char* id : {CALBRIDGE_CALL_SERVICE, CALBRIDGE_HTTP_SERVICE, CALBRIDGE_LOG_SERVICE, CALBRIDGE_CLOCK_SERVICE,
                         CALBRIDGE_RANDOM_SERVICE, CALBRIDGE_KV_SERVICE})
    CHECK(without.get_service(&without, id) == with.get_service(&with, id));
  CHECK(hasService(CALBRIDGE_SMTP_SERVICE));
}
