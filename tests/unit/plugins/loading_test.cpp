#include "plugin_fixture.hpp"
#include "plugins/catalog.hpp"
#include "plugins/plugin_library.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <fstream>

using namespace calbridge;
using calbridge::plugins::PluginLibrary;
using calbridge::test::PluginFixture;
using calbridge::test::testSearch;
using calbridge::testing::TemporaryFolder;
using Catch::Contains;
using Catch::EndsWith;
namespace fs = std::filesystem;

namespace {

fs::path testPlugin(const std::string& name) {
  return fs::path(CALBRIDGE_TEST_PLUGINS) / ("lib" + name + ".so");
}

} // namespace

TEST_CASE("each kind of broken plugin is a problem in words, at the provider's place in the configuration") {
  const auto [name, words] = GENERATE(table<std::string, std::string>({
      {"wrong_magic", "wrong magic number"},
      {"too_small", "40 bytes long"},
      {"half_a_member", "84 bytes long"},
      {"wrong_major", "plugin interface 2"},
      {"no_push", "lacks one of"},
      {"no_table", "does not export calbridge_plugin_v1"},
      {"bad_manifest", "/capabilities"},
      {"deep_manifest", "deeper than 32"},
      {"bad_schema", "/settings_schema"},
      {"unknown_service", "calbridge.carrier-pigeon/7"},
      {"needs_newer_host", "1.99"},
      {"crashes_on_load", "it crashed (Segmentation fault)"},
      {"lingers_on_load", "forever"},
  }));
  auto search = testSearch();
  if (name == "lingers_on_load") {
    search.runner.loading = std::chrono::seconds(1);
  }
  const PluginFixture f(name, nlohmann::json::object(), plugins::Isolation::inProcess, search);
  CHECK_THAT(f.onlyProblem(), Contains(words));
  CHECK_THAT(f.onlyProblem(), Contains("lib" + name + ".so"));
  CHECK_THAT(f.onlyProblem(), Catch::StartsWith("/providers/probe/plugin: "));
  CHECK(f.providers.all().empty());
  CHECK(f.providers.find("probe") == nullptr);
}

TEST_CASE("a manifest whose texts are too long for a pattern is refused by pointer, and ends no process") {
  const std::string digits(1000000, '1');
  nlohmann::json manifest = {{"id", "probe"},
                             {"name", "Probe"},
                             {"version", "1.0.0"},
                             {"requires", nlohmann::json::array()},
                             {"capabilities", nlohmann::json::array()}};
  CHECK(plugins::parseManifest(manifest.dump()).version == "1.0.0");
  const auto complaint = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json changed = manifest;
    changed[key] = value;
    try {
      plugins::parseManifest(changed.dump());
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("none");
  };
  CHECK_THAT(complaint("version", digits), Contains("/version: longer than 500 bytes"));
  CHECK_THAT(complaint("disconnect_url", "https://" + digits), Contains("/disconnect_url: longer"));
  CHECK_THAT(complaint("egress", {"api.example", digits}), Contains("/egress/1: longer"));
  CHECK_THAT(complaint("min_host_minor", 4294967296), Contains("/min_host_minor"));
  CHECK_THAT(complaint("quota", {{"per_minute", 4294967297}}), Contains("/quota/per_minute"));
}

TEST_CASE("a manifest that is no object is refused") {
  CHECK_THROWS_WITH(plugins::parseManifest("[1]"), Contains("it is no JSON object"));
}

TEST_CASE("what is typed into a terminal names a plugin or its file, from the working directory") {
  const auto search = testSearch();
  const fs::path file = testPlugin("plain_c");
  const std::string relative = fs::relative(file, fs::current_path()).string();
  CHECK(plugins::findTypedPlugin(relative, search) == file.lexically_normal());
  CHECK_THROWS_WITH(plugins::findTypedPlugin("libnone.so", search),
                    Contains((fs::current_path() / "libnone.so").string()));
  CHECK_THROWS_WITH(plugins::findTypedPlugin("none", search), Contains("there is no plugin \"none\""));
}

TEST_CASE("a plugin that refuses to be made says why") {
  const PluginFixture f("refuses");
  CHECK_THAT(f.onlyProblem(), Contains("the moon is in the wrong phase"));
}

TEST_CASE("files that are no plugins are refused without harm") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "libodd.so";
  std::string words;
  SECTION("text") {
    std::ofstream(path) << "not an ELF file";
    words = "cannot be loaded";
  }
  SECTION("empty") {
    std::ofstream(path) << "";
    words = "cannot be loaded";
  }
  SECTION("cut in the middle") {
    fs::copy_file(testPlugin("careful"), path);
    fs::resize_file(path, 40000); // inside of its code
    words = "libodd.so";
  }
  SECTION("another library") {
    fs::copy_file(testPlugin("no_table"), path);
    words = "no calbridge plugin";
  }
  const PluginFixture f(path.string());
  CHECK_THAT(f.onlyProblem(), Contains(words));
}

TEST_CASE("a plugin that is not there says where it was searched") {
  const PluginFixture f("nowhere");
  CHECK_THAT(f.onlyProblem(),
             Contains("libnowhere.so") && Contains(CALBRIDGE_TEST_PLUGINS) && Contains("plugins.directories"));
}

TEST_CASE("a relative path or an odd name is no way to name a plugin") {
  const std::string name = GENERATE("./libx.so", "../x", "", "a b", "x.so");
  const PluginFixture f(name);
  CHECK_THAT(f.onlyProblem(), Contains("neither a plugin's name"));
}

TEST_CASE("an absent runner is a problem that says where it belongs") {
  plugins::RunnerOptions runner;
  runner.program = "/nowhere/calbridge-plugin-runner";
  CHECK_THROWS_WITH(plugins::describePlugin(testPlugin("careful"), runner), Contains("belongs beside the program"));
}

TEST_CASE("an older plugin has the operations of its time only") {
  const auto library = PluginLibrary::loadHere(testPlugin("older"));
  const auto described = plugins::describePlugin(testPlugin("older"), testSearch().runner);
  for (const auto operation : plugins::kOperations) {
    CHECK((library->operation(operation) != nullptr) == described.has(operation));
  }
  CHECK(described.has(plugins::Operation::push));
  CHECK_FALSE(described.has(plugins::Operation::revoke));
  CHECK_FALSE(described.has(plugins::Operation::feed));
  CHECK_FALSE(described.has(plugins::Operation::authenticate));
}

TEST_CASE("a newer minor with a longer table and unknown manifest fields is accepted") {
  PluginFixture f("newer");
  const auto pushed = f.provider().push(PluginFixture::push("x"), f.context);
  REQUIRE(std::holds_alternative<PushReply>(pushed));
  CHECK(std::get<PushReply>(pushed).providerEventId == "e1");
}

TEST_CASE("settings that break the plugin's schema are reported by pointer, all of them") {
  const PluginFixture f("careful", {{"calendar", "tertiary"}, {"colour", 1}, {"api_url", "http://api.example.com"}});
  std::vector<std::string> pointers;
  for (const auto& problem : f.providers.problems()) {
    pointers.push_back(problem.pointer);
  }
  CHECK_THAT(pointers, Catch::VectorContains(std::string("/providers/probe/settings/calendar")));
  CHECK_THAT(pointers, Catch::VectorContains(std::string("/providers/probe/settings/api_url")));
  CHECK(pointers.size() >= 3);
}

TEST_CASE("the catalog lists usable and broken plugins and explains one") {
  auto search = testSearch();
  search.runner.loading = std::chrono::seconds(1); // one of them would never end
  CHECK(plugins::listPlugins(search).size() == 22);
  auto careful = plugins::inspectPlugin("careful", testSearch());
  CHECK(careful.problems.empty());
  CHECK(careful.operations == std::vector<std::string>{"connect", "exchange", "refresh", "push", "revoke", "feed",
                                                       "authenticate", "list_calendars", "free_busy", "changes"});
  CHECK_THAT(plugins::describe(careful),
             Contains("api.example.com") && Contains("Careful") && Contains("carrier-pigeon") &&
                 Contains("user, password (secret), server (names a server to talk to), kind"));
  CHECK_THAT(plugins::listLine(careful), Contains("careful  1.2.3") && Contains("isolated"));
  CHECK(plugins::toJson(careful)["manifest"]["mailbox_concurrency"] == 3);
  careful.isolatedAs = {{"first", false}, {"second", false}};
  CHECK_THAT(plugins::listLine(careful), EndsWith("  in-process"));
  CHECK_THAT(plugins::describe(careful), Contains("runs              in-process\n    as first: in-process\n"));
  careful.isolatedAs["second"] = true;
  CHECK_THAT(plugins::listLine(careful), EndsWith("  in-process as first, isolated as second"));
  CHECK(plugins::toJson(careful)["runs_as"] == nlohmann::json{{"first", "in-process"}, {"second", "isolated"}});
  const auto broken = plugins::inspectPlugin(testPlugin("wrong_magic").string(), testSearch());
  CHECK_FALSE(plugins::toJson(broken)["usable"].get<bool>());
  CHECK_THAT(plugins::listLine(broken), Contains("cannot be used"));
}

TEST_CASE("what a provider says about itself comes from manifest and configuration") {
  PluginFixture f("careful");
  const ProviderInfo& info = f.provider().info();
  CHECK(info.id == "probe");
  CHECK(info.label == "Careful");
  CHECK(info.version == "1.2.3");
  CHECK(info.can("revoke"));
  CHECK(info.mailboxConcurrency == 3);
  CHECK(info.configured);
  CHECK(info.disconnectUrl == "https://example.com/consent");
}

TEST_CASE("a provider without its credentials is there, but not configured") {
  test::ScriptedHttp http;
  test::KeepingLogger logger;
  test::FixedClock clock;
  test::FixedRandom random;
  auto spec = PluginFixture::spec("careful", nlohmann::json::object());
  spec.clientId.clear();
  spec.missing = {"PROBE_CLIENT_ID"};
  const plugins::PluginProviders providers({spec}, testSearch(), {http, logger, clock, random});
  REQUIRE(providers.find("probe") != nullptr);
  CHECK_FALSE(providers.find("probe")->info().configured);
  CHECK(providers.find("probe")->info().missing == spec.missing);
}
