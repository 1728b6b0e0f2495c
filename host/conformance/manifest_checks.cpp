#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"
#include "plugins/wire.hpp"

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

void fitsHost(Trial& trial) {
  for (const std::string& need : plugins::unmetNeeds(trial.manifest())) {
    trial.find(need);
  }
}

void capabilities(Trial& trial) {
  const std::pair<const char*, Operation> optional[] = {{"revoke", Operation::revoke},
                                                        {"feed", Operation::feed},
                                                        {"credentials", Operation::authenticate},
                                                        {"list-calendars", Operation::listCalendars},
                                                        {"free-busy", Operation::freeBusy},
                                                        {"changes", Operation::changes}};
  for (const auto& [name, operation] : optional) {
    const bool has = trial.library()->operation(operation) != nullptr;
    trial.expect(has || !trial.can(name),
                 std::string("it names the capability ") + name + " and has no such operation");
    trial.expect(!has || trial.can(name), std::string("it has the operation ") + name + " and does not say so");
  }
  Rehearsal rehearsal(trial);
  if (trial.can("oauth2")) {
    const Ended asked = rehearsal.call(Operation::connect, rehearsal.request(Operation::connect));
    trial.expect(asked.reply.status != Status::unsupported, "it names oauth2, and connect is unsupported");
  }
  const Ended pushed = rehearsal.call(Operation::push, rehearsal.upsert());
  trial.expect(pushed.reply.status != Status::unsupported, "push is unsupported: it brings no entry anywhere");
}

void settings(Trial& trial) {
  const json& schema = trial.manifest().settingsSchema;
  for (const auto& violation : plugins::violations(schema, trial.job().script.settings)) {
    trial.find("the schema refuses the settings of this check at " +
               (violation.pointer.empty() ? "/" : violation.pointer) + ": " + violation.message);
  }
  json odd = trial.job().script.settings;
  odd["no_such_setting_zq"] = 1;
  trial.expect(!plugins::violations(schema, odd).empty(),
               "settings_schema accepts a setting that there is not: a typing error would go unnoticed");
}

void egress(Trial& trial) {
  const json properties = trial.manifest().settingsSchema.value("properties", json::object());
  for (const std::string& name : trial.manifest().egressSettings) {
    trial.expect(properties.contains(name),
                 "egress_settings names \"" + name + "\", which settings_schema does not know");
  }
}

void made(Trial& trial) {
  const Ended ended =
      Rehearsal::create(trial, plugins::settingsToWire("client", "secret-of-nobody", trial.job().script.settings));
  trial.expect(ended.ok(), "create gives no instance: " + ended.words());
}

void unconfigured(Trial& trial) {
  const Ended ended = Rehearsal::create(trial, plugins::settingsToWire("", "", trial.job().script.settings));
  trial.expect(ended.ok(), "create without client_id gives no instance: " + ended.words());
}

void noHttp(Trial& trial) {
  const Rehearsal rehearsal(trial);
  trial.expect(rehearsal.requestsInCreate == 0,
               "create makes " + std::to_string(rehearsal.requestsInCreate) + " HTTP request(s)");
}

void badSettings(Trial& trial) {
  const std::string deep = std::string(20000, '[') + std::string(20000, ']');
  const std::pair<const char*, std::string> all[] = {
      {"nothing", ""},
      {"half a document", "{\"settings\":"},
      {"an array", "[]"},
      {"null", "null"},
      {"settings that are a number", R"({"client_id":"a","client_secret":"b","settings":7})"},
      {"a client_id that is a number", R"({"client_id":7,"client_secret":"b","settings":{}})"},
      {"20,000 levels", deep},
      {"bytes that are not UTF-8", "{\"client_id\":\"\xff\xfe\",\"settings\":{}}"}};
  for (const auto& [what, bytes] : all) {
    trial.step(std::string("create with ") + what);
    const Ended ended = Rehearsal::create(trial, bytes);
    if (!ended.ok()) {
      trial.expect(ended.replies == 1, std::string("create with ") + what + " gives no instance and replies " +
                                           std::to_string(ended.replies) + " times; once is right");
    }
  }
}

void apart(Trial& trial) {
  trial.need("oauth2");
  Rehearsal one(trial, {false, true, "-one"});
  Rehearsal other(trial, {false, true, "-other"});
  for (Rehearsal* each : {&one, &other}) {
    const std::string url = each->call(Operation::connect, each->request(Operation::connect)).text("authorization_url");
    trial.expect(url.find(each->clientId) != std::string::npos,
                 "connect of the instance with client_id " + each->clientId + " answers " + url);
  }
}

constexpr Check kChecks[] = {
    {"manifest.fits", "this host has what the manifest requires",
     "require only what push, connect and the others cannot do without; put the rest under \"optional\"", fitsHost},
    {"manifest.capabilities", "the capabilities name what the plugin can do, and nothing else",
     "make \"capabilities\" and the functions of the plugin agree", capabilities},
    {"manifest.settings", "the settings schema accepts good settings and refuses unknown ones",
     "say \"additionalProperties\": false in settings_schema; give settings that it asks for with --settings",
     settings},
    {"manifest.egress", "egress_settings names settings that there are",
     "spell them as in settings_schema's properties", egress},
    {"instance.made", "create makes an instance", "give the settings that it needs with --settings or --script", made},
    {"instance.unconfigured", "create makes an instance while the installation has no client id",
     "accept absent client_id and client_secret: everything else of the host works meanwhile", unconfigured},
    {"instance.http", "create makes no HTTP request",
     "move the request into the operation that needs it: a host that "
     "starts must not depend on a service",
     noHttp},
    {"instance.settings", "create refuses settings that are none, in words",
     "parse defensively (the SDK's Settings does) and reply once before returning NULL", badSettings},
    {"instance.apart", "two instances do not mix what they were given",
     "keep settings in the instance, never in a global variable", apart},
};

} // namespace

std::span<const Check> manifestChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
