#include "conformance/script.hpp"

#include "core/error.hpp"
#include "plugins/manifest.hpp"

#include <fstream>
#include <iterator>

namespace calbridge::conformance {
namespace {

using nlohmann::json;

constexpr const char* kScriptSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "definitions": {
    "answer": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "status": {"type": "integer", "minimum": 100, "maximum": 599},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "json": {},
        "text": {"type": "string"}
      }
    }
  },
  "properties": {
    "$schema": {"type": "string"},
    "settings": {"type": "object"},
    "credentials": {"type": "object"},
    "libraries": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
    "errors": {"type": "object", "additionalProperties": {"$ref": "#/definitions/answer"}},
    "routes": {
      "type": "array",
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["on"],
        "properties": {
          "on": {"type": "string", "pattern": "^([A-Z]+|[*]) [^ ?]+$"},
          "when": {"type": "object", "additionalProperties": {"type": "string"}},
          "do": {"enum": ["answer", "grant", "refresh", "create", "put", "merge", "delete", "read", "list"]},
          "id": {"type": "string"},
          "key": {"type": "string"},
          "once": {"type": "array", "items": {"type": "string"}},
          "where": {"type": "object", "additionalProperties": {"type": "string"}},
          "each": {"type": "string"},
          "create": {"type": "boolean"},
          "keep": {"type": "object"},
          "reply": {"$ref": "#/definitions/answer"},
          "created": {"$ref": "#/definitions/answer"},
          "missing": {"$ref": "#/definitions/answer"},
          "taken": {"$ref": "#/definitions/answer"},
          "again": {"$ref": "#/definitions/answer"},
          "stale": {"$ref": "#/definitions/answer"}
        }
      }
    }
  }
})json";

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw Error("usage", file.string() + ": " + why);
}

} // namespace

json readObject(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    refuse(file, "it cannot be read: give the path of a JSON file");
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  try {
    json document = json::parse(text, nullptr, true, true);
    return document.is_object() ? document : throw Error("usage", file.string() + ": it must hold a JSON object");
  } catch (const json::parse_error& error) {
    const std::string_view before = std::string_view(text).substr(0, error.byte == 0 ? 0 : error.byte - 1);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t column = before.size() - (before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n'));
    throw Error("usage", file.string() + ":" + std::to_string(line) + ":" + std::to_string(column) + ": not JSON");
  }
}

Script readScript(const std::filesystem::path& file) {
  const json document = readObject(file);
  std::string problems;
  for (const plugins::SchemaViolation& violation : plugins::violations(json::parse(kScriptSchema), document)) {
    problems += (problems.empty() ? "" : "; ") + (violation.pointer.empty() ? "/" : violation.pointer) + ": " +
                violation.message;
  }
  if (!problems.empty()) {
    refuse(file, problems);
  }
  return scriptFromJson(document);
}

json toJson(const Script& script) {
  return {{"settings", script.settings},
          {"credentials", script.credentials},
          {"routes", script.routes},
          {"errors", script.errors},
          {"libraries", script.libraries}};
}

Script scriptFromJson(const json& document) {
  Script script;
  script.settings = document.value("settings", json::object());
  script.credentials = document.value("credentials", json::object());
  script.routes = document.value("routes", json::array());
  script.errors = document.value("errors", json::object());
  script.libraries = document.value("libraries", std::map<std::string, std::string>());
  return script;
}

} // namespace calbridge::conformance
