#include "plugins/manifest.hpp"

#include "calbridge/json.hpp"
#include "core/error.hpp"
#include "plugins/host_table.hpp"

#include <algorithm>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

namespace calbridge::plugins {
namespace {

using nlohmann::json;

constexpr const char* kManifestSchema = R"json({
  "type": "object",
  "required": ["id", "name", "version", "requires", "capabilities"],
  "properties": {
    "id": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,31}$"},
    "name": {"type": "string", "minLength": 1, "maxLength": 80},
    "version": {"type": "string", "pattern": "^[0-9]+[.][0-9]+[.][0-9]+"},
    "description": {"type": "string"},
    "min_host_minor": {"type": "integer", "minimum": 0, "maximum": 65535},
    "requires": {"type": "array", "items": {"type": "string"}},
    "optional": {"type": "array", "items": {"type": "string"}},
    "capabilities": {"type": "array", "items": {"type": "string"}},
    "egress": {"type": "array", "items": {"type": "string", "pattern": "^([*][.])?[a-z0-9._-]+(:[0-9]+)?$"}},
    "egress_settings": {"type": "array", "items": {"type": "string"}},
    "egress_credentials": {"type": "array", "items": {"type": "string"}},
    "credentials_schema": {
      "type": "object",
      "required": ["type", "properties"],
      "properties": {
        "type": {"const": "object"},
        "required": {"type": "array", "items": {"type": "string"}},
        "properties": {
          "type": "object",
          "minProperties": 1,
          "maxProperties": 16,
          "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,31}$"},
          "additionalProperties": {
            "type": "object",
            "required": ["type", "title"],
            "properties": {
              "type": {"const": "string"},
              "title": {"type": "string", "minLength": 1},
              "description": {"type": "string"},
              "default": {"type": "string"},
              "format": {"type": "string"},
              "writeOnly": {"type": "boolean"},
              "enum": {"type": "array", "items": {"type": "string"}}
            }
          }
        }
      }
    },
    "settings_schema": {"type": "object"},
    "concurrent": {"type": "boolean"},
    "mailbox_concurrency": {"type": "integer", "minimum": 1, "maximum": 64},
    "quota": {
      "type": "object",
      "properties": {
        "per_minute": {"type": "integer", "minimum": 1, "maximum": 1000000000},
        "per_account_per_minute": {"type": "integer", "minimum": 1, "maximum": 1000000000}
      }
    },
    "disconnect_url": {"type": "string", "pattern": "^(https://.*)?$"}
  }
})json";

std::string escapePointer(std::string text) {
  for (std::size_t at = 0; (at = text.find_first_of("~/", at)) != std::string::npos; at += 2) {
    text.replace(at, 1, text[at] == '~' ? "~0" : "~1");
  }
  return text;
}

/// valijson names a place as "<root>", "[key]", "[0]", …
std::string pointerOf(const std::vector<std::string>& context) {
  std::string pointer;
  for (const std::string& part : context) {
    if (part.size() >= 2 && part.front() == '[' && part.back() == ']') {
      pointer += "/" + escapePointer(part.substr(1, part.size() - 2));
    }
  }
  return pointer;
}

/// Texts that a pattern is tried on come short, whoever wrote them: std::regex takes stack for every character, and a
/// plugin's own process may say anything about itself.
void checkLengths(const json& document) {
  constexpr std::size_t kLongest = 500;
  const auto check = [](const std::string& pointer, const json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text != nullptr && text->size() > kLongest) {
      throw Error("plugin_invalid", "the plugin's manifest is wrong: " + pointer + ": longer than 500 bytes");
    }
  };
  for (const char* key : {"id", "version", "disconnect_url"}) {
    if (const auto value = document.find(key); value != document.end()) {
      check(std::string("/") + key, *value);
    }
  }
  const json hosts = document.value("egress", json());
  for (std::size_t i = 0; hosts.is_array() && i < hosts.size(); ++i) {
    check("/egress/" + std::to_string(i), hosts[i]);
  }
  const json schema = document.value("credentials_schema", json());
  const json properties = schema.is_object() ? schema.value("properties", json()) : json();
  if (properties.is_object()) {
    for (const auto& [name, property] : properties.items()) {
      check("/credentials_schema/properties", name);
    }
  }
}

std::vector<std::string> strings(const json& document, const char* key) {
  return document.value(key, std::vector<std::string>());
}

FormField fieldOf(const std::string& name, const nlohmann::ordered_json& property, bool required) {
  FormField field;
  field.name = name;
  field.title = property.at("title");
  field.description = property.value("description", "");
  field.defaultValue = property.value("default", "");
  field.format = property.value("format", "");
  field.choices = property.value("enum", std::vector<std::string>());
  field.required = required;
  field.secret = property.value("writeOnly", false);
  return field;
}

/// First what is required, in that order; then the rest as it stands in the document.
std::vector<FormField> formOf(const nlohmann::ordered_json& schema) {
  std::vector<FormField> form;
  const auto required = schema.value("required", std::vector<std::string>());
  const auto& properties = schema.at("properties");
  for (const std::string& name : required) {
    if (!properties.contains(name)) {
      throw Error("plugin_invalid", "the plugin's manifest is wrong: /credentials_schema/required names \"" + name +
                                        "\", which is none of its properties");
    }
    form.push_back(fieldOf(name, properties.at(name), true));
  }
  for (const auto& [name, property] : properties.items()) {
    if (std::find(required.begin(), required.end(), name) == required.end()) {
      form.push_back(fieldOf(name, property, false));
    }
  }
  return form;
}

/// `pointer` names the schema within the manifest.
void checkSchema(const json& schema, const char* pointer) {
  try {
    violations(schema, json::object());
  } catch (const Error& error) {
    throw Error("plugin_invalid", std::string("the plugin's manifest is wrong: ") + pointer + ": " + error.message());
  }
}

/// The form of a plugin that people connect to by typing. `text`: the manifest, because a document forgets the order.
void readForm(std::string_view text, Manifest& manifest) {
  manifest.egressCredentials = strings(manifest.document, "egress_credentials");
  if (manifest.capabilities.contains("credentials")) {
    if (!manifest.document.contains("credentials_schema")) {
      manifest.capabilities.erase("credentials"); // before minor 1 the word meant nothing, and some said it
      return;
    }
    checkSchema(manifest.document["credentials_schema"], "/credentials_schema");
    manifest.credentialsSchema = nlohmann::ordered_json::parse(text)["credentials_schema"];
    manifest.form = formOf(manifest.credentialsSchema);
  }
  for (const std::string& name : manifest.egressCredentials) {
    const bool known = std::any_of(manifest.form.begin(), manifest.form.end(),
                                   [&](const FormField& field) { return field.name == name && !field.secret; });
    if (!known) {
      throw Error("plugin_invalid", "the plugin's manifest is wrong: /egress_credentials names \"" + name +
                                        "\", which is no open field of /credentials_schema");
    }
  }
}

} // namespace

std::vector<SchemaViolation> violations(const json& schema, const json& document) {
  valijson::ValidationResults results;
  try {
    valijson::Schema compiled;
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), compiled);
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    validator.validate(compiled, valijson::adapters::NlohmannJsonAdapter(document), &results);
  } catch (const std::exception& exception) {
    throw Error("schema_invalid", std::string("not a JSON Schema: ") + exception.what());
  }
  std::vector<SchemaViolation> found;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    found.push_back({pointerOf(error.context), error.description});
  }
  return found;
}

Manifest parseManifest(std::string_view text) {
  Manifest manifest;
  try {
    manifest.document = sdk::parseJson(text, sdk::Status::permanent, "the plugin's manifest");
  } catch (const sdk::Problem& problem) {
    throw Error("plugin_invalid", problem.what());
  }
  const json& document = manifest.document;
  if (!document.is_object()) {
    throw Error("plugin_invalid", "the plugin's manifest is wrong: /: it is no JSON object");
  }
  checkLengths(document);
  if (const auto found = violations(json::parse(kManifestSchema), document); !found.empty()) {
    std::string message = "the plugin's manifest is wrong:";
    for (const SchemaViolation& violation : found) {
      message += " " + (violation.pointer.empty() ? "/" : violation.pointer) + ": " + violation.message;
    }
    throw Error("plugin_invalid", message);
  }
  manifest.id = document["id"];
  manifest.name = document["name"];
  manifest.version = document["version"];
  manifest.description = document.value("description", "");
  manifest.minHostMinor = document.value("min_host_minor", 0);
  manifest.requiredServices = strings(document, "requires");
  manifest.optionalServices = strings(document, "optional");
  for (const std::string& capability : strings(document, "capabilities")) {
    manifest.capabilities.insert(capability);
  }
  manifest.egress = strings(document, "egress");
  manifest.egressSettings = strings(document, "egress_settings");
  manifest.concurrent = document.value("concurrent", false);
  manifest.mailboxConcurrency = document.value("mailbox_concurrency", 1);
  if (const auto quota = document.find("quota"); quota != document.end()) {
    manifest.quota = {quota->value("per_minute", 0), quota->value("per_account_per_minute", 0)};
  }
  manifest.disconnectUrl = document.value("disconnect_url", "");
  manifest.settingsSchema = document.value("settings_schema", json{{"type", "object"}});
  checkSchema(manifest.settingsSchema, "/settings_schema");
  readForm(text, manifest);
  return manifest;
}

std::vector<std::string> unmetNeeds(const Manifest& manifest) {
  std::vector<std::string> needs;
  if (manifest.minHostMinor > static_cast<int>(CALBRIDGE_MINOR)) {
    needs.push_back("it needs a host of plugin interface 1." + std::to_string(manifest.minHostMinor) +
                    ", and this one offers 1." + std::to_string(CALBRIDGE_MINOR) + ": update calbridge");
  }
  for (const std::string& service : manifest.requiredServices) {
    if (!hasService(service)) {
      needs.push_back("it requires the service " + service + ", which this host does not have: update calbridge");
    }
  }
  return needs;
}

} // namespace calbridge::plugins
