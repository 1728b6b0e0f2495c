#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace calbridge::conformance {

/// What an author tells the check about a plugin and its service, in a file beside the plugin (`--script`). The format
/// is in sdk/README.md, "Check it". A plain value.
struct Script {
  nlohmann::json settings = nlohmann::json::object();    ///< as providers.X.settings in calbridge.json
  nlohmann::json credentials = nlohmann::json::object(); ///< what a person types into the plugin's form
  nlohmann::json routes = nlohmann::json::array();       ///< how the service answers; asked before the built-in ones
  nlohmann::json errors = nlohmann::json::object();      ///< HTTP status → how the service spells that error
  std::map<std::string, std::string> libraries;          ///< needed beyond the usual ones → why
};

/// Reads a script (JSON with // comments). Throws Error("usage") that names the file, the place and what is wrong.
Script readScript(const std::filesystem::path& file);
/// Reads a JSON object, such as settings. Throws Error("usage").
nlohmann::json readObject(const std::filesystem::path& file);

/// For the way to the process that runs a check, and back.
nlohmann::json toJson(const Script& script);
Script scriptFromJson(const nlohmann::json& json);

} // namespace calbridge::conformance
