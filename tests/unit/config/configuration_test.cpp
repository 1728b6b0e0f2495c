#include "config/addresses.hpp"
#include "config/configuration.hpp"
#include "config/document.hpp"
#include "config/schema_check.hpp"
#include "core/digest.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace calbridge;

namespace {

std::string listed(const Problems& problems) {
  std::string all;
  for (const auto& problem : problems)
    all += problem.text() + "\n";
  return all;
}

/// The shipped configuration with an environment of the test's own.
ConfigurationSource shipped(std::map<std::string, std::string> variables = {}) {
  ConfigurationSource source;
  source.directory = fs::path(CALBRIDGE_SOURCE_DIR) / "config";
  source.envFile = "/no/such/file";
  source.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
  return source;
}

Configuration load(const ConfigurationSource& source) {
  auto loaded = loadConfiguration(source);
  INFO(listed(loaded.problems));
  REQUIRE(loaded.configuration.has_value());
  return std::move(*loaded.configuration);
}

std::vector<std::string> idsOf(const Configuration& configuration) {
  std::vector<std::string> ids;
  for (const auto& provider : configuration.providers)
    ids.push_back(provider.id);
  return ids;
}

/// A file that goes away with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    std::string name = (fs::temp_directory_path() / "calbridge-env-XXXXXX").string();
    const int file = mkstemp(name.data()); // 0600
    REQUIRE(file >= 0);
    close(file);
    path = name;
    std::ofstream(path) << text;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  fs::path path;
};

} // namespace

TEST_CASE("the shipped configuration is valid and says what the contract says") {
  const Configuration configuration = load(shipped());
  CHECK(configuration.server.listen == std::vector<ListenAddress>{{"127.0.0.1", 8000}, {"127.0.0.1", 3000}});
  CHECK(configuration.server.publicUrl == "http://localhost:8000");
  CHECK(configuration.server.allowedOrigins == std::vector<std::string>{"http://localhost:3000"});
  CHECK(configuration.storage.kind == StorageConfig::Kind::sqlite);
  CHECK(configuration.storage.path == "var/calbridge.db");
  CHECK(idsOf(configuration) == std::vector<std::string>{"google", "outlook", "ics", "caldav", "email"});
  CHECK(configuration.providers[0].settings["calendar"] == "primary");
  CHECK(configuration.delivery.maxInFlight == 1024);
  CHECK(configuration.delivery.giveUpAfter >= std::chrono::hours(27));
  CHECK_FALSE(configuration.secrets.masterKey.has_value());
}

TEST_CASE("what the shipped file says is what the host does without it") {
  const Configuration shippedOne = load(shipped());
  ConfigurationSource source = shipped();
  source.directory = fs::path(CALBRIDGE_SOURCE_DIR) / "tests/testdata/config/base"; // calbridge.json is empty there
  const Configuration empty = load(source);
  CHECK(empty.server.listen == shippedOne.server.listen);
  CHECK(empty.server.publicUrl == shippedOne.server.publicUrl);
  CHECK(empty.server.frontendUrl == shippedOne.server.frontendUrl);
  CHECK(empty.server.maxConnections == shippedOne.server.maxConnections);
  CHECK(empty.server.maxConnectionsPerAddress == shippedOne.server.maxConnectionsPerAddress);
  CHECK(empty.server.headerDeadline == shippedOne.server.headerDeadline);
  CHECK(empty.server.bodyDeadline == shippedOne.server.bodyDeadline);
  CHECK(empty.storage.url == shippedOne.storage.url);
  CHECK(idsOf(empty) == idsOf(shippedOne));
  CHECK(empty.delivery.lease == shippedOne.delivery.lease);
  CHECK(empty.delivery.timeout == shippedOne.delivery.timeout);
  CHECK(empty.delivery.backoffInitial == shippedOne.delivery.backoffInitial);
  CHECK(empty.delivery.backoffMax == shippedOne.delivery.backoffMax);
  CHECK(empty.delivery.giveUpAfter == shippedOne.delivery.giveUpAfter);
  CHECK(empty.retention.eventsDays == shippedOne.retention.eventsDays);
  CHECK(empty.retention.cancelledDays == shippedOne.retention.cancelledDays);
  CHECK(empty.logging.level == shippedOne.logging.level);
  CHECK(empty.logging.format == shippedOne.logging.format);
}

namespace {

/// Every key that a schema knows, as dotted paths; what an object names freely is called ID.
void collectKeys(const nlohmann::json& schema, const std::string& path, std::vector<std::string>& keys) {
  const auto below = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
  if (schema.contains("additionalProperties") && schema["additionalProperties"].is_object())
    collectKeys(schema["additionalProperties"], below("ID"), keys);
  if (!schema.contains("properties")) {
    if (!path.ends_with("ID"))
      keys.push_back(path);
    return;
  }
  for (const auto& [name, property] : schema["properties"].items())
    if (name != "$schema")
      collectKeys(property, below(name), keys);
}

} // namespace

TEST_CASE("the guide explains every key") {
  std::ifstream in(fs::path(CALBRIDGE_SOURCE_DIR) / "docs/configuration.md");
  const std::string guide{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  for (const auto& [name, prefix] : {std::pair{"calbridge", ""}, {"roles", "roles.ID."}, {"routing", "routes."}}) {
    auto schema = nlohmann::json::parse(embeddedSchema(name));
    if (std::string(name) == "routing")
      schema = schema["properties"]["routes"]["items"];
    std::vector<std::string> keys;
    collectKeys(schema, "", keys);
    CHECK(keys.size() >= 4);
    for (std::string key : keys) {
      if (key.starts_with(prefix))
        key.erase(0, std::string(prefix).size());
      key = key.substr(key.starts_with("audience.") ? 9 : 0);
      INFO(name << ": " << key);
      const bool explained = guide.find("`" + key + "`") != std::string::npos ||
                             guide.find("{\"" + key + "\":") != std::string::npos ||
                             guide.find("\"" + key + "\": \"assigned\"") != std::string::npos;
      CHECK(explained);
    }
  }
}

TEST_CASE("--set overrides one value, as JSON or else as a string") {
  auto source = shipped();
  source.overrides = {"server.listen=[\"127.0.0.1:0\"]",
                      "storage.url=sqlite:/tmp/x.db",
                      "delivery.max_in_flight=7",
                      "providers.google.settings.token_url=http://127.0.0.1:9/token",
                      "providers.ics.enabled=false",
                      "providers.acme.plugin=acme",
                      "server.frontend_url=http://localhost:8000"};
  const Configuration configuration = load(source);
  CHECK(configuration.server.listen == std::vector<ListenAddress>{{"127.0.0.1", 0}});
  CHECK(configuration.storage.path == "/tmp/x.db");
  CHECK(configuration.delivery.maxInFlight == 7);
  CHECK(configuration.providers[0].settings["token_url"] == "http://127.0.0.1:9/token");
  CHECK(configuration.providers[0].settings["calendar"] == "primary");
  CHECK_FALSE(configuration.providers[2].enabled);
  CHECK(idsOf(configuration).back() == "acme");
  CHECK(configuration.server.allowedOrigins == std::vector<std::string>{"http://localhost:8000"});
}

TEST_CASE("TLS and trusted proxies are off until they are configured") {
  auto source = shipped();
  CHECK(load(source).server.tls.certificateFile.empty());
  CHECK(load(source).server.trustedProxies.empty());
  source.overrides = {R"(server.trusted_proxies=["127.0.0.1", "10.0.0.0/8", "::1"])"};
  const auto proxies = load(source).server.trustedProxies;
  CHECK(proxies.size() == 3);
  CHECK(contains(proxies, IpAddress::parse("10.1.2.3").value()));
  CHECK(contains(proxies, IpAddress::parse("::1").value()));
  CHECK_FALSE(contains(proxies, IpAddress::parse("192.0.2.1").value()));
}

TEST_CASE("the last of several overrides of one value wins") {
  auto source = shipped();
  source.overrides = {"logging.level=debug", "logging.level=error"};
  CHECK(load(source).logging.level == "error");
}

TEST_CASE("credentials come from the environment, with redirect URIs from the public URL") {
  const std::string key(32, '\x07');
  auto source = shipped({{"GOOGLE_CLIENT_ID", "id"},
                         {"GOOGLE_CLIENT_SECRET", "secret"},
                         {"MY_DAV_CLIENT_ID", "dav"},
                         {"OUTLOOK_REDIRECT_URI", "https://book.example.com/api/calendar/outlook/callback/"},
                         {"CALBRIDGE_MASTER_KEY", base64Encode(key)}});
  source.overrides = {"server.public_url=https://calendar.example.com/", "providers.my-dav.plugin=caldav"};
  const Configuration configuration = load(source);
  const auto& providers = configuration.secrets.providers;
  CHECK(providers.at("google").clientId == "id");
  CHECK(providers.at("google").clientSecret == "secret");
  CHECK(providers.at("google").redirectUri == "https://calendar.example.com/api/calendar/google/callback/");
  CHECK(providers.at("outlook").clientId.empty());
  CHECK(providers.at("outlook").redirectUri == "https://book.example.com/api/calendar/outlook/callback/");
  CHECK(providers.at("my-dav").clientId == "dav");
  CHECK(configuration.secrets.masterKey == key);
}

TEST_CASE("a real environment variable wins over .env, and an empty one counts as unset") {
  const TemporaryFile file("GOOGLE_CLIENT_ID=from-file\nOUTLOOK_CLIENT_ID=from-file\nGOOGLE_CLIENT_SECRET=\n");
  auto source = shipped({{"GOOGLE_CLIENT_ID", "from-environment"}});
  source.envFile = file.path;
  const Configuration configuration = load(source);
  CHECK(configuration.secrets.providers.at("google").clientId == "from-environment");
  CHECK(configuration.secrets.providers.at("outlook").clientId == "from-file");
  CHECK(configuration.secrets.providers.at("google").clientSecret.empty());
}

TEST_CASE("a .env that others can read, a short JWT secret and plain http beyond this machine are warned about") {
  const TemporaryFile file("CALBRIDGE_JWT_SECRET=canary-short\n");
  fs::permissions(file.path, fs::perms::others_read, fs::perm_options::add);
  auto source = shipped();
  source.envFile = file.path;
  source.overrides = {"server.public_url=http://calendar.example.com"};
  const auto loaded = loadConfiguration(source);
  REQUIRE(loaded.configuration.has_value());
  const std::string warnings = listed(loaded.warnings);
  CHECK(loaded.warnings.size() == 3);
  CHECK_THAT(warnings, Catch::Contains("chmod 600 " + file.path.string()));
  CHECK_THAT(warnings, Catch::Contains("CALBRIDGE_JWT_SECRET"));
  CHECK_THAT(warnings, Catch::Contains("server.public_url is plain http"));
  CHECK_THAT(warnings, !Catch::Contains("canary"));
}

TEST_CASE(".env understands quotes, comments, export and CRLF") {
  Problems problems;
  const auto values = parseEnvFile("\xEF\xBB\xBF# comment\r\n"
                                   "PLAIN=a b # not this\r\n"
                                   "  export SPACED = x  \n"
                                   "HASH=a#b\n"
                                   "SINGLE='$a \\n # \"'\n"
                                   "DOUBLE=\"a\\n\\\"b\\\" \\$c \\d\" # comment\n"
                                   "EMPTY=\n"
                                   "EQUALS=a=b==\n",
                                   ".env", problems);
  CHECK(problems.empty());
  CHECK(values == std::map<std::string, std::string>{{"PLAIN", "a b"},
                                                     {"SPACED", "x"},
                                                     {"HASH", "a#b"},
                                                     {"SINGLE", "$a \\n # \""},
                                                     {"DOUBLE", "a\n\"b\" $c \\d"},
                                                     {"EMPTY", ""},
                                                     {"EQUALS", "a=b=="}});
}

TEST_CASE("no value of the environment appears in a problem") {
  const TemporaryFile file("canary-1\nGOOGLE_CLIENT_SECRET=\"canary-2\nOUTLOOK_CLIENT_SECRET='canary-3' canary-4\n");
  auto source = shipped({{"CALBRIDGE_MASTER_KEY", "canary-5"},
                         {"GOOGLE_CLIENT_ID", "canary 6"},
                         {"OUTLOOK_REDIRECT_URI", "https://canary@example.com/callback/"}});
  source.envFile = file.path;
  const auto loaded = loadConfiguration(source);
  CHECK(loaded.problems.size() == 6);
  CHECK_THAT(listed(loaded.problems), !Catch::Contains("canary"));
}

TEST_CASE("roles and routing can be read again on their own") {
  const fs::path directory = fs::path(CALBRIDGE_SOURCE_DIR) / "config";
  const auto loaded = loadPolicies(directory, {"google", "outlook", "ics", "caldav"});
  INFO(listed(loaded.problems));
  REQUIRE(loaded.policies.has_value());
  const auto names = [&] {
    std::vector<std::string> all;
    for (const auto& role : loaded.policies->roles.roles)
      all.push_back(role.name);
    return all;
  }();
  CHECK(names == std::vector<std::string>{"customer", "staff", "manager", "admin"});
  CHECK(loaded.policies->routing.routes.size() == 6);

  const auto fewer = loadPolicies(directory, {"google"});
  CHECK(fewer.policies.has_value()); // what the program comes with may be named where it is not used
}

TEST_CASE("reminders come sorted, and a description may be a list of lines") {
  const auto policies = loadPolicies(fs::path(CALBRIDGE_SOURCE_DIR) / "config", {"google", "outlook", "ics", "caldav"});
  REQUIRE(policies.policies.has_value());
  const auto& customer = policies.policies->roles.roles.at(0);
  CHECK(customer.reminders == std::vector<int>{60, 1440});
  CHECK_THAT(customer.description, Catch::Contains("}\n{"));
}

TEST_CASE("a document knows where its values stand") {
  Problems problems;
  Document document("f.json",
                    "{ // comment\n  \"a\\\"/~\": [1, -2.5e3, true,\n null, \"x\\\\\", {}],\n\t\"ü\": {\"b\" : \"\"} }",
                    problems);
  REQUIRE(problems.empty());
  CHECK(document.where("") == "f.json:1:1");
  CHECK(document.where("/a\"~1~0") == "f.json:2:12");
  CHECK(document.where("/a\"~1~0", true) == "f.json:2:3");
  CHECK(document.where("/a\"~1~0/0") == "f.json:2:13");
  CHECK(document.where("/a\"~1~0/1") == "f.json:2:16");
  CHECK(document.where("/a\"~1~0/2") == "f.json:2:24");
  CHECK(document.where("/a\"~1~0/3") == "f.json:3:2");
  CHECK(document.where("/a\"~1~0/4") == "f.json:3:8");
  CHECK(document.where("/a\"~1~0/5") == "f.json:3:15");
  CHECK(document.where("/ü/b") == "f.json:4:14");
  CHECK(document.where("/ü/b", true) == "f.json:4:8");
  CHECK(document.where("/ü/missing/deep") == "f.json:4:7");

  document.override("ü.b", 1, problems);
  CHECK(document.where("/ü/b") == "--set ü.b");
  CHECK(document.where("/ü/b/c") == "--set ü.b");
  CHECK(document.where("/ü") == "f.json:4:7");
}

TEST_CASE("origins are normalised and nothing but origins passes") {
  std::string why;
  CHECK(parseOrigin("https://Calendar.Example.com/", why) == "https://calendar.example.com");
  CHECK(parseOrigin("https://example.com:443", why) == "https://example.com");
  CHECK(parseOrigin("http://example.com:443", why) == "http://example.com:443");
  CHECK(parseOrigin("http://[::1]:8000", why) == "http://[::1]:8000");
  for (const char* bad : {"", "example.com", "//example.com", "javascript:alert(1)", "http://", "http://a/b",
                          "http://a?x", "http://a#x", "http://u:p@a", "http://a:b", "http://a:0", "http://a\\b",
                          "http://a b", "http://[::1", "http://a:99999", "http://[a]:1"}) {
    INFO(bad);
    CHECK_FALSE(parseOrigin(bad, why).has_value());
  }
  CHECK(isLoopbackUrl("http://localhost:1/x"));
  CHECK(isLoopbackUrl("http://127.8.9.10"));
  CHECK(isLoopbackUrl("http://[::1]:80/"));
  CHECK_FALSE(isLoopbackUrl("http://127.0.0.1.example.com"));
  CHECK_FALSE(isLoopbackUrl("http://10.0.0.1"));
}

TEST_CASE("a provider's settings can be held against the plugin's own schema") {
  const auto schema = nlohmann::json::parse(R"({"type": "object", "additionalProperties": false,
    "properties": {"calendar": {"type": "string", "enum": ["primary", "dedicated"]}, "api_url": {"type": "string"}}})");
  CHECK(checkSchema({{"calendar", "primary"}}, schema).empty());
  const auto violations = checkSchema({{"calendar", "mine"}, {"api", 1}}, schema);
  REQUIRE(violations.size() == 2);
  CHECK(violations[0].pointer == "/calendar");
  CHECK(violations[0].message == "expected one of \"primary\" or \"dedicated\", found \"mine\"");
  CHECK(violations[1].pointer == "/api");
  CHECK(violations[1].message == "unknown key \"api\"; possible here: api_url, calendar");
}
