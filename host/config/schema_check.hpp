#pragma once
#include "config/document.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace calbridge {

/// One violation of a JSON Schema.
struct SchemaViolation {
  std::string pointer;
  std::string message;
  bool atKey = false; ///< the key itself is wrong, not its value
};

/// Holds `value` against a JSON Schema (draft 7) and tells all violations in words. Understands schemas without $ref
/// and without alternatives, which is what config/schema and plugin settings are made of. Throws
/// Error("invalid_schema") when the schema itself is unusable.
std::vector<SchemaViolation> checkSchema(const nlohmann::json& value, const nlohmann::json& schema);

/// The same for a document of the configuration, as problems with positions.
void checkDocument(const Document& document, std::string_view schemaName, Problems& problems);

/// The text of config/schema/NAME.schema.json as it was when the program was built. Throws Error("invalid_schema") for
/// another name.
std::string_view embeddedSchema(std::string_view name);
/// The shipped config/calbridge.json.
std::string_view embeddedDefaults();

} // namespace calbridge
