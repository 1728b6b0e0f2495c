#pragma once
#include "core/json_text.hpp"
#include "http/edge/request.hpp"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace calbridge::http {

/// The request's body as a JSON object. An empty body is an empty object when `mayBeEmpty`. Throws Error: invalid_json,
/// unsupported_media_type (a body that does not call itself JSON; this also keeps plain HTML forms out), invalid_field.
nlohmann::json readJsonObject(const Request& request, bool mayBeEmpty = false);

/// Typed access to the fields of a request body. Every problem is Error("invalid_field") with the field's pointer.
class Fields {
 public:
  explicit Fields(const nlohmann::json& object) : object_(object) {}

  /// Refuses every key that is not in the list.
  void allowOnly(std::initializer_list<std::string_view> keys) const;
  bool has(const std::string& key) const;
  /// A string without control characters (line breaks and tabs where `multiline`), of at most `maxBytes`.
  std::string text(const std::string& key, std::size_t maxBytes, bool multiline = false) const;
  std::optional<std::string> optionalText(const std::string& key, std::size_t maxBytes, bool multiline = false) const;
  std::vector<std::string> texts(const std::string& key, std::size_t maxItems, std::size_t maxBytes) const;

 private:
  const nlohmann::json& object_;
};

} // namespace calbridge::http
