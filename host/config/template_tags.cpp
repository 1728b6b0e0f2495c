#include "config/template_tags.hpp"

#include <algorithm>

namespace calbridge {
namespace {

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

bool isWithin(std::string_view path, std::string_view parent) {
  return path.size() > parent.size() && path[parent.size()] == '.' && path.starts_with(parent);
}

/// The tag's inside without its sigil, and the kind that the sigil says.
struct Inside {
  TemplateTag::Kind kind = TemplateTag::Kind::variable;
  std::string_view name;
  const char* refused = nullptr;
  bool comment = false;
};

Inside readInside(std::string_view inside) {
  Inside result;
  result.name = trimmed(inside);
  const char sigil = inside.empty() ? '\0' : inside.front();
  switch (sigil) {
  case '#':
    result.kind = TemplateTag::Kind::section;
    break;
  case '^':
    result.kind = TemplateTag::Kind::inverted;
    break;
  case '/':
    result.kind = TemplateTag::Kind::close;
    break;
  case '&':
    break;
  case '!':
    result.comment = true;
    return result;
  case '>':
    result.refused = "partials ({{> …}}) are not available";
    return result;
  case '=':
    result.refused = "changed delimiters ({{= … =}}) are not available";
    return result;
  default:
    return result;
  }
  result.name = trimmed(inside.substr(1));
  return result;
}

/// The open sections around a tag: for each the paths that its name may mean.
struct Scope {
  std::string name;
  std::size_t offset = 0;
  std::vector<std::string> paths;
};

std::string join(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

/// Where the first control character is that rendering would drop (all but tab and line breaks), or npos. Dropped from
/// between two braces it would make a tag of them that nobody has checked.
std::size_t firstControl(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c0 = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F;
    const bool c1 = byte == 0xC2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xE0U) == 0x80U;
    if (c0 || c1)
      return i;
  }
  return std::string_view::npos;
}

std::string usable(const std::vector<std::string>& fields) {
  if (fields.empty())
    return "the role's fields are empty";
  std::string list;
  for (const auto& field : fields)
    list += (list.empty() ? "" : ", ") + field;
  return "the role's fields are: " + list;
}

} // namespace

bool allowsField(const std::vector<std::string>& fields, std::string_view path) {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const std::string& field) { return field == "*" || field == path || isWithin(path, field); });
}

bool isFieldPath(std::string_view path) {
  if (path.empty() || path.size() > 200 || path.front() == '.' || path.back() == '.')
    return false;
  char before = '.';
  for (const char c : path) {
    if (c == '.' ? before == '.' : !isNameCharacter(c))
      return false;
    before = c;
  }
  return true;
}

TemplateTags findTemplateTags(std::string_view text) {
  TemplateTags result;
  std::vector<TemplateTag> open;
  std::size_t at = 0;
  const auto problem = [&result](std::size_t offset, std::string message) {
    result.problems.push_back({offset, std::move(message)});
  };
  if (const std::size_t control = firstControl(text); control != std::string_view::npos)
    problem(control, "a template can not hold control characters other than tabs and line breaks");
  while ((at = text.find("{{", at)) != std::string_view::npos) {
    const bool triple = text.substr(at, 3) == "{{{";
    const std::string_view closing = triple ? "}}}" : "}}";
    const std::size_t begin = at + closing.size();
    const std::size_t end = text.find(closing, begin);
    if (end == std::string_view::npos) {
      problem(at, "the tag is not closed: " + std::string(closing) + " is missing");
      return result;
    }
    const std::string_view whole = text.substr(at, end + closing.size() - at);
    Inside inside = readInside(text.substr(begin, end - begin));
    const std::size_t offset = at;
    at = end + closing.size();
    if (inside.comment)
      continue;
    if (inside.refused) {
      problem(offset, inside.refused);
      continue;
    }
    if (inside.name != "." && !isFieldPath(inside.name)) {
      problem(offset, std::string(whole) + " is no field: write a path such as {{customer.name}}");
      continue;
    }
    TemplateTag tag{inside.kind, std::string(inside.name), offset};
    if (tag.kind == TemplateTag::Kind::section || tag.kind == TemplateTag::Kind::inverted) {
      open.push_back(tag);
    } else if (tag.kind == TemplateTag::Kind::close) {
      if (open.empty() || open.back().name != tag.name) {
        problem(offset, std::string(whole) + " closes " +
                            (open.empty() ? "no open section" : "{{#" + open.back().name + "}}, which is still open"));
        return result;
      }
      open.pop_back();
    }
    result.tags.push_back(std::move(tag));
  }
  if (!open.empty())
    problem(open.back().offset,
            "the section {{#" + open.back().name + "}} is not closed: {{/" + open.back().name + "}} is missing");
  return result;
}

FieldUse fieldUse(const std::vector<std::string>& fields, std::string_view path) {
  if (allowsField(fields, path)) {
    if (path.ends_with(".first_name"))
      return FieldUse::firstName;
    // With "*" a name that the application does not send may still be a derived one.
    if (path.find('.') == std::string_view::npos && path.ends_with("_first_names"))
      return FieldUse::firstNames;
    if (path.find('.') == std::string_view::npos && path.ends_with("_names"))
      return FieldUse::names;
    return FieldUse::content;
  }
  const auto without = [&path](std::string_view suffix) {
    return std::string(path.substr(0, path.size() - suffix.size()));
  };
  if (path.ends_with(".first_name") && allowsField(fields, without(".first_name") + ".name"))
    return FieldUse::firstName;
  if (path.find('.') == std::string_view::npos && path.ends_with("_first_names")) {
    const std::string list = without("_first_names");
    if (allowsField(fields, list + ".first_name") || allowsField(fields, list + ".name"))
      return FieldUse::firstNames;
  } else if (path.find('.') == std::string_view::npos && path.ends_with("_names")) {
    if (allowsField(fields, without("_names") + ".name"))
      return FieldUse::names;
  }
  const bool way =
      std::any_of(fields.begin(), fields.end(), [&](const std::string& field) { return isWithin(field, path); });
  return way ? FieldUse::way : FieldUse::none;
}

std::vector<TemplateProblem> checkTemplate(std::string_view text, const std::vector<std::string>& fields) {
  TemplateTags found = findTemplateTags(text);
  if (!found.problems.empty())
    return found.problems;
  std::vector<TemplateProblem> problems;
  std::vector<Scope> scopes{{"", 0, {""}}};
  for (const auto& tag : found.tags) {
    if (tag.kind == TemplateTag::Kind::close) {
      scopes.pop_back();
      continue;
    }
    const bool section = tag.kind != TemplateTag::Kind::variable;
    Scope scope{tag.name, tag.offset, {}};
    std::string first; // the path that a reader would expect the tag to mean
    bool allowed = false;
    for (auto around = scopes.rbegin(); around != scopes.rend(); ++around) {
      for (const auto& parent : around->paths) {
        const std::string path = tag.name == "." ? parent : join(parent, tag.name);
        if (path.empty())
          continue;
        if (first.empty())
          first = path;
        const FieldUse use = fieldUse(fields, path);
        if (use == FieldUse::none)
          continue;
        scope.paths.push_back(path);
        allowed = allowed || section || use != FieldUse::way;
      }
      if (tag.name == ".")
        break;
    }
    if (!allowed) {
      const std::string shown = first.empty() ? tag.name : first;
      problems.push_back(
          {tag.offset, "the template uses `" + shown + "`, which is not among the role's fields; " + usable(fields)});
    }
    if (section)
      scopes.push_back(std::move(scope));
  }
  return problems;
}

} // namespace calbridge
