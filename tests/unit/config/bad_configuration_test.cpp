#include "config/configuration.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

namespace fs = std::filesystem;
using namespace calbridge;

namespace {

const fs::path kTestdata = fs::path(CALBRIDGE_SOURCE_DIR) / "tests/testdata/config";

std::string contentsOf(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> linesOf(const fs::path& file) {
  std::vector<std::string> lines;
  std::istringstream in(contentsOf(file));
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

/// A directory of its own with the base configuration and, over it, the files of one mistake.
class Workplace {
 public:
  explicit Workplace(const fs::path& mistake) {
    for (const auto& from : {kTestdata / "base", mistake})
      for (const auto& file : fs::directory_iterator(from))
        fs::copy_file(file.path(), folder_.path / file.path().filename(), fs::copy_options::overwrite_existing);
  }

  LoadedConfiguration load() const {
    ConfigurationSource source;
    source.directory = folder_.path;
    source.envFile = folder_.path / "env";
    source.environment = [](const std::string&) { return std::nullopt; };
    if (fs::exists(folder_.path / "overrides"))
      source.overrides = linesOf(folder_.path / "overrides");
    return loadConfiguration(source);
  }

  std::string complaints() const {
    std::string all;
    for (const auto& problem : load().problems) {
      std::string text = problem.text();
      if (text.starts_with(folder_.path.string() + "/"))
        text.erase(0, folder_.path.string().size() + 1);
      all += text + "\n";
    }
    return all;
  }

 private:
  testing::TemporaryFolder folder_;
};

} // namespace

TEST_CASE("every mistake in the configuration is reported with its place") {
  std::size_t mistakes = 0;
  for (const auto& folder : fs::directory_iterator(kTestdata)) {
    if (!folder.is_directory() || folder.path().filename() == "base")
      continue;
    ++mistakes;
    INFO(folder.path().filename().string());
    const std::string expected = contentsOf(folder.path() / "expected");
    CHECK_FALSE(expected.empty());
    CHECK(Workplace(folder.path()).complaints() == expected);
  }
  CHECK(mistakes >= 50);
}

TEST_CASE("the base of the bad configurations is itself good") {
  const auto loaded = Workplace(kTestdata / "base").load();
  CHECK(loaded.problems.empty());
  CHECK(loaded.configuration.has_value());
}

TEST_CASE("a missing directory and missing files are named") {
  ConfigurationSource source;
  source.directory = "/no/such/directory";
  source.environment = [](const std::string&) { return std::nullopt; };
  auto loaded = loadConfiguration(source);
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].text() ==
        "/no/such/directory: the configuration directory does not exist; name another one with --config DIR");

  source.directory = fs::path(CALBRIDGE_SOURCE_DIR) / "tests";
  source.envFile = "/no/such/env";
  source.envFileRequired = true;
  loaded = loadConfiguration(source);
  std::vector<std::string> names;
  for (const auto& problem : loaded.problems)
    names.push_back(fs::path(problem.where).filename().string());
  CHECK(names == std::vector<std::string>{"calbridge.json", "env", "roles.json", "routing.json"});
}
