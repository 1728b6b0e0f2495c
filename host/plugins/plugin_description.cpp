#include "plugins/plugin_description.hpp"

#include "core/error.hpp"
#include "plugins/frames.hpp"
#include "plugins/redaction.hpp"
#include "plugins/runner_process.hpp"

#include <algorithm>

namespace calbridge::plugins {
namespace {

constexpr std::size_t kLongestReason = 4096;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error("plugin_invalid", path.string() + ": " + why);
}

void readHead(std::string_view text, PluginDescription& description) {
  const auto head = nlohmann::json::parse(text, nullptr, false);
  if (!head.is_object() || head.value("version", std::int64_t{0}) != kFramesVersion) {
    refuse(description.path, "calbridge-plugin-runner is of another version than calbridge: install both together");
  }
  description.minor = head.value("minor", 0);
  description.gaps = head.value("gaps", std::vector<std::string>());
  const auto names = head.value("operations", std::vector<std::string>());
  for (const Operation operation : kOperations) {
    if (std::find(names.begin(), names.end(), toString(operation)) != names.end()) {
      description.operations.push_back(operation);
    }
  }
}

} // namespace

bool PluginDescription::has(Operation operation) const {
  return std::find(operations.begin(), operations.end(), operation) != operations.end();
}

PluginDescription greet(RunnerProcess& process, FrameStream& stream, const std::filesystem::path& path,
                        const RunnerOptions& runner) {
  const auto until = std::chrono::steady_clock::now() + runner.loading;
  Frame frame;
  FrameStream::Got got = FrameStream::Got::nothing;
  while (got == FrameStream::Got::nothing && std::chrono::steady_clock::now() < until) {
    got = stream.read(frame);
  }
  if (got == FrameStream::Got::nothing) {
    refuse(path, "loading it takes forever: its constructors must not block");
  }
  PayloadReader payload(frame.payload);
  if (got == FrameStream::Got::frame && frame.kind == FrameKind::refused) {
    throw Error("plugin_invalid", presentable(payload.text(), {}, kLongestReason));
  }
  if (got != FrameStream::Got::frame || frame.kind != FrameKind::hello) {
    refuse(path, "loading it ends its process (" + process.finish(std::chrono::seconds(1)) +
                     "): it is corrupt or made for another machine");
  }
  PluginDescription description;
  description.path = path;
  const std::string_view head = payload.text();
  description.manifestText = payload.text();
  try {
    readHead(head, description);
    description.manifest = parseManifest(description.manifestText);
  } catch (const Error& error) {
    refuse(path, error.message());
  } catch (const nlohmann::json::exception&) {
    refuse(path, "its process introduces itself with something that calbridge-plugin-runner does not say");
  }
  return description;
}

PluginDescription describePlugin(const std::filesystem::path& path, const RunnerOptions& runner) {
  if (!path.is_absolute()) {
    refuse(path, "give the absolute path of a plugin");
  }
  RunnerProcess process(runner.program, path);
  FrameStream stream(process.socket()->get());
  return greet(process, stream, path, runner);
}

} // namespace calbridge::plugins
