#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace calbridge {

/// One tag of a Mustache template.
struct TemplateTag {
  enum class Kind { variable, section, inverted, close };
  Kind kind = Kind::variable;
  std::string name;       ///< "customer.name", or "." for the current item of a list
  std::size_t offset = 0; ///< of "{{" in the template, bytes
};

struct TemplateProblem {
  std::size_t offset = 0;
  std::string message;
};

/// The tags of a template in their order, comments left out. Partials and changed delimiters are refused, since they
/// would hide which fields a template uses; so are unbalanced sections and names that are no field paths.
struct TemplateTags {
  std::vector<TemplateTag> tags;
  std::vector<TemplateProblem> problems;
};
TemplateTags findTemplateTags(std::string_view text);

/// Is this a dotted path of names, such as "customer.name"? (Letters, digits, `_` and `-`; no index.)
bool isFieldPath(std::string_view path);

/// Does the allow-list cover the path itself? "customer" covers "customer.name"; "*" covers everything.
bool allowsField(const std::vector<std::string>& fields, std::string_view path);

/// How a role may use a path: its content, only the way through it (it contains allowed fields), derived values that
/// are made from an allowed field, or not at all.
enum class FieldUse { none, way, content, firstName, names, firstNames };
/// `fields` is the allow-list of a role. "customer" allows "customer.name"; "*" allows all. Derived: "X.first_name"
/// from "X.name", "Xs_names" and "Xs_first_names" from the elements of a list "Xs".
FieldUse fieldUse(const std::vector<std::string>& fields, std::string_view path);

/// Every use of a field that the allow-list does not cover, each with the position of its tag.
std::vector<TemplateProblem> checkTemplate(std::string_view text, const std::vector<std::string>& fields);

} // namespace calbridge
