#include "config/schema_check.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace calbridge {
namespace {

using nlohmann::json;

/// The validator reports only the first unknown key of an object. Written as a schema that nothing satisfies,
/// "additionalProperties": false complains about each.
void openAdditionalProperties(json& schema) {
  if (schema.is_array() || schema.is_object())
    for (auto& part : schema)
      openAdditionalProperties(part);
  if (!schema.is_object())
    return;
  const auto it = schema.find("additionalProperties");
  if (it != schema.end() && *it == false)
    *it = json{{"not", json::object()}};
}

/// What the validator complains about: the value, the schema for it, and the way there.
struct Place {
  std::string pointer;
  std::string key;
  const json* value = nullptr;
  const json* schema = nullptr; ///< null for an unknown key
  const json* parent = nullptr; ///< schema of what surrounds it
};

const json* child(const json& schema, const char* keyword) {
  const auto it = schema.find(keyword);
  return it != schema.end() && it->is_object() ? &*it : nullptr;
}

Place follow(const std::vector<std::string>& context, const json& root, const json& schema) {
  Place place{"", "", &root, &schema, nullptr};
  for (std::size_t i = 1; i < context.size() && place.value != nullptr; ++i) {
    place.key = context[i].substr(1, context[i].size() - 2); // "[name]"
    place.pointer += "/" + escapePointer(place.key);
    place.parent = place.schema;
    const json* next = nullptr;
    if (place.value->is_array()) {
      const auto index = static_cast<std::size_t>(std::stoul(place.key));
      place.value = index < place.value->size() ? &(*place.value)[index] : nullptr;
      next = place.parent ? child(*place.parent, "items") : nullptr;
    } else if (place.value->is_object()) {
      const auto it = place.value->find(place.key);
      place.value = it != place.value->end() ? &*it : nullptr;
      if (place.parent != nullptr) {
        const json* properties = child(*place.parent, "properties");
        next = properties ? child(*properties, place.key.c_str()) : nullptr;
        if (next == nullptr)
          next = child(*place.parent, "additionalProperties");
      }
    }
    place.schema = next;
  }
  return place;
}

std::string kindOf(const json& value) {
  switch (value.type()) {
  case json::value_t::null:
    return "null";
  case json::value_t::object:
    return "an object";
  case json::value_t::array:
    return "a list";
  case json::value_t::string:
    return "a string";
  case json::value_t::boolean:
    return "true or false";
  case json::value_t::number_integer:
  case json::value_t::number_unsigned:
    return "a whole number";
  default:
    return "a number";
  }
}

std::string kindNamed(const std::string& type) {
  if (type == "object" || type == "integer" || type == "array")
    return type == "object" ? "an object" : (type == "integer" ? "a whole number" : "a list");
  return type == "boolean" ? "true or false" : (type == "null" ? "null" : "a " + type);
}

std::string joined(const json& list, const char* last, bool types) {
  std::string out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0)
      out += i + 1 == list.size() ? last : ", ";
    out += types ? kindNamed(list[i].get<std::string>()) : list[i].dump();
  }
  return out;
}

std::string unknownKey(const Place& place) {
  std::string message = "unknown key \"" + place.key + "\"";
  const json* properties = place.parent ? child(*place.parent, "properties") : nullptr;
  if (properties == nullptr)
    return message;
  std::string known;
  for (const auto& [name, unused] : properties->items())
    if (name != "$schema")
      known += (known.empty() ? "" : ", ") + name;
  return message + "; possible here: " + known;
}

std::string typeMessage(const Place& place) {
  const json& type = place.schema->at("type");
  const std::string wanted = type.is_array() ? joined(type, " or ", true) : kindNamed(type.get<std::string>());
  return "expected " + wanted + ", found " + (place.value ? kindOf(*place.value) : "nothing");
}

std::string lowered(std::string text) {
  if (!text.empty() && text.front() >= 'A' && text.front() <= 'Z')
    text.front() = static_cast<char>(text.front() - 'A' + 'a');
  if (text.ends_with('.'))
    text.pop_back();
  return text;
}

std::string inWords(const Place& place, const std::string& description) {
  const auto says = [&](const char* start) { return description.starts_with(start); };
  const bool known = place.schema != nullptr;
  if (says("Value type") && known && place.schema->contains("type"))
    return typeMessage(place);
  if (says("Failed to match against any enum") && known)
    return "expected one of " + joined(place.schema->at("enum"), " or ", false) +
           (place.value ? ", found " + place.value->dump() : "");
  if (says("Missing required property")) {
    const std::size_t open = description.find('\'');
    return "the key \"" + description.substr(open + 1, description.rfind('\'') - open - 1) + "\" is missing";
  }
  if (says("Expected number less") && known && place.schema->contains("maximum"))
    return "expected at most " + place.schema->at("maximum").dump() + ", found " + place.value->dump();
  if (says("Expected number greater") && known && place.schema->contains("minimum"))
    return "expected at least " + place.schema->at("minimum").dump() + ", found " + place.value->dump();
  if (says("Array should contain no more") && known)
    return "at most " + place.schema->at("maxItems").dump() + " elements are possible, found " +
           std::to_string(place.value->size());
  if (says("Array should contain no fewer") && known)
    return "at least " + place.schema->at("minItems").dump() + " element is needed";
  if (says("String should be no more") && known)
    return "at most " + place.schema->at("maxLength").dump() + " characters are possible";
  if (says("String should be no fewer"))
    return "the text is empty";
  if (says("Object should have no fewer") && known)
    return "at least " + place.schema->at("minProperties").dump() + " entry is needed";
  if (says("Elements at indexes"))
    return "the same element stands twice in the list";
  return lowered(description);
}

} // namespace

std::vector<SchemaViolation> checkSchema(const json& value, const json& original) {
  json schemaJson = original;
  openAdditionalProperties(schemaJson);
  valijson::Schema schema;
  valijson::ValidationResults results;
  try {
    valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(schemaJson), schema);
    valijson::Validator().validate(schema, valijson::adapters::NlohmannJsonAdapter(value), &results);
  } catch (const std::exception& error) {
    throw Error("invalid_schema", std::string("a JSON Schema can not be used: ") + error.what());
  }
  std::vector<SchemaViolation> violations;
  for (const auto& error : results) {
    if (error.description.starts_with("Failed to validate"))
      continue; // repeats, from outside, what a violation within says
    const Place place = follow(error.context, value, original);
    const bool unknown = error.description.starts_with("Target should not validate");
    SchemaViolation violation{place.pointer, unknown ? unknownKey(place) : inWords(place, error.description), unknown};
    const bool repeated = std::any_of(violations.begin(), violations.end(), [&](const SchemaViolation& other) {
      return other.pointer == violation.pointer && other.message == violation.message;
    });
    if (!repeated)
      violations.push_back(std::move(violation));
  }
  return violations;
}

void checkDocument(const Document& document, std::string_view schemaName, Problems& problems) {
  const json schema = json::parse(embeddedSchema(schemaName));
  for (const auto& violation : checkSchema(document.value(), schema))
    problems.push_back({document.where(violation.pointer, violation.atKey), violation.message});
}

} // namespace calbridge
