#include "schema.hpp"

#include "specs.hpp"

#include <array>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace calbridge::sandbox {

struct Schemas::Compiled {
  std::array<valijson::Schema, 4> schemas;
};

Schemas::Schemas() : compiled_(std::make_unique<Compiled>()) {
  const std::array texts{kGoogleEvent, kGoogleCalendar, kGraphEvent, kGraphCalendar};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    nlohmann::json document = nlohmann::json::parse(texts[i]);
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document), compiled_->schemas[i]);
  }
}

Schemas::~Schemas() = default;

std::optional<std::string> Schemas::check(Body body, const nlohmann::json& document) const {
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  const auto& schema = compiled_->schemas[static_cast<std::size_t>(body)];
  if (validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(document), &results))
    return std::nullopt;
  valijson::ValidationResults::Error error;
  std::string text = "the body does not match the description";
  while (results.popError(error)) { // the last one is the innermost
    text.clear();
    for (const std::string& part : error.context)
      text += part;
    text += ": " + error.description;
  }
  return text;
}

} // namespace calbridge::sandbox
