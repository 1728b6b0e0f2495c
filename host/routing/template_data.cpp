#include "routing/template_data.hpp"
#include "routing/text.hpp"

#include <algorithm>

namespace calbridge::routing {
namespace {

using kainjow::mustache::data;
using nlohmann::json;

constexpr std::size_t kMaxItems = 200;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> segments;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1)
    segments.push_back(path.substr(begin, dot - begin));
  segments.push_back(path.substr(begin));
  return segments;
}

const json* resolve(const json& from, std::span<const std::string> segments) {
  const json* at = &from;
  for (const auto& segment : segments) {
    if (!at->is_object())
      return nullptr;
    const auto it = at->find(segment);
    if (it == at->end())
      return nullptr;
    at = &*it;
  }
  return at;
}

/// Empty for what has no text: null, false, objects, lists.
std::string textOf(const json& value) {
  if (value.is_string())
    return cleanValue(value.get_ref<const std::string&>());
  if (value.is_number())
    return value.dump();
  return value.is_boolean() && value.get<bool>() ? "true" : "";
}

std::string textAt(const json& object, const char* key) {
  if (!object.is_object())
    return {};
  const auto it = object.find(key);
  return it == object.end() ? std::string() : textOf(*it);
}

std::string firstWord(const std::string& name) {
  const std::size_t begin = name.find_first_not_of(" \t\x02");
  if (begin == std::string::npos)
    return {};
  return name.substr(begin, name.find_first_of(" \t\x02", begin) - begin);
}

std::string firstNameOf(const json& object) {
  std::string own = textAt(object, "first_name");
  return own.empty() ? firstWord(textAt(object, "name")) : own;
}

} // namespace

TemplateShape::Node* TemplateShape::findOrAdd(Scope& scope, const std::string& name,
                                              const std::vector<std::string>& fields) {
  for (auto& node : scope.nodes)
    if (node.name == name)
      return &node;
  const std::string path = scope.path.empty() ? name : scope.path + "." + name;
  const FieldUse use = fieldUse(fields, path);
  if (use == FieldUse::none)
    return nullptr;
  scope.nodes.push_back({name, split(name), allowsField(fields, path), use, nullptr});
  return &scope.nodes.back();
}

void TemplateShape::use(std::string_view templateText, const std::vector<std::string>& fields) {
  // For every open section the scopes that its name may mean: the data decides at rendering time.
  std::vector<std::vector<std::shared_ptr<Scope>>> open;
  std::shared_ptr<Scope> root(&root_, [](Scope*) {});
  open.push_back({root});
  for (const auto& tag : findTemplateTags(templateText).tags) {
    if (tag.kind == TemplateTag::Kind::close) {
      open.pop_back();
      continue;
    }
    std::vector<std::shared_ptr<Scope>> inside;
    for (auto around = open.rbegin(); around != open.rend() && tag.name != "."; ++around) {
      for (const auto& scope : *around) {
        Node* node = findOrAdd(*scope, tag.name, fields);
        if (node == nullptr || tag.kind == TemplateTag::Kind::variable)
          continue;
        if (!node->inside) {
          node->inside = std::make_shared<Scope>();
          node->inside->path = scope->path.empty() ? tag.name : scope->path + "." + tag.name;
        }
        inside.push_back(node->inside);
      }
    }
    if (tag.kind != TemplateTag::Kind::variable)
      open.push_back(tag.name == "." ? open.back() : std::move(inside));
  }
}

data TemplateShape::build(const json& snapshot) const {
  return buildScope(root_, snapshot);
}

data TemplateShape::buildScope(const Scope& scope, const json& object) {
  data result;
  for (const auto& node : scope.nodes) {
    const bool real = node.content || node.use == FieldUse::way;
    const json* value = real ? resolve(object, node.segments) : nullptr;
    if (value != nullptr && put(result, node, *value))
      continue;
    if (std::string text = derive(node, object); !text.empty())
      result[node.name] = data(std::move(text));
  }
  return result;
}

bool TemplateShape::put(data& into, const Node& node, const json& value) {
  if (value.is_object()) {
    if (value.empty())
      return false;
    into[node.name] = node.inside ? buildScope(*node.inside, value) : data();
    return true;
  }
  if (value.is_array()) {
    kainjow::mustache::list items;
    for (const auto& item : value) {
      if (items.size() == kMaxItems)
        break;
      if (item.is_object()) {
        items.push_back(node.inside ? buildScope(*node.inside, item) : data());
      } else if (std::string text = textOf(item); !text.empty()) {
        items.push_back(node.content ? data(std::move(text)) : data(true));
      }
    }
    if (items.empty())
      return false;
    into[node.name] = data(items);
    return true;
  }
  std::string text = textOf(value);
  if (text.empty())
    return false;
  into[node.name] = node.content ? data(std::move(text)) : data(true);
  return true;
}

std::string TemplateShape::derive(const Node& node, const json& object) {
  const std::span<const std::string> segments(node.segments);
  if (node.use == FieldUse::firstName) {
    const json* owner = resolve(object, segments.first(segments.size() - 1));
    return owner == nullptr ? std::string() : firstWord(textAt(*owner, "name"));
  }
  if (node.use != FieldUse::names && node.use != FieldUse::firstNames)
    return {};
  const bool first = node.use == FieldUse::firstNames;
  const std::size_t suffix = std::string_view(first ? "_first_names" : "_names").size();
  const std::string list = node.name.substr(0, node.name.size() - suffix);
  const json* items = resolve(object, std::span<const std::string>(&list, 1));
  if (items == nullptr || !items->is_array())
    return {};
  std::string names;
  std::size_t count = 0;
  for (const auto& item : *items) {
    std::string name = first ? firstNameOf(item) : textAt(item, "name");
    if (name.empty())
      continue;
    if (++count > kMaxItems)
      break;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

const data* TemplateContext::get(const std::string& name) const {
  if (name == ".")
    return open_.back();
  for (auto it = open_.rbegin(); it != open_.rend(); ++it)
    if (const data* found = (*it)->get(name))
      return found;
  return nullptr;
}

} // namespace calbridge::routing
