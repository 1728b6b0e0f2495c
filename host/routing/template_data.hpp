#pragma once
#include "config/template_tags.hpp"

#include <kainjow/mustache.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::routing {

/// The fields that a role's templates use, found once. What is built from it for a rendering holds exactly these and
/// so, by construction, nothing that the role's allow-list does not cover.
class TemplateShape {
 public:
  /// Adds the fields that this (checked) template uses and the allow-list covers.
  void use(std::string_view templateText, const std::vector<std::string>& fields);
  /// The values of these fields in a snapshot, as text. Missing, null, false and blank values are left out, so that
  /// sections over them vanish. Keys are whole dotted names, relative to their section.
  kainjow::mustache::data build(const nlohmann::json& snapshot) const;

 private:
  struct Scope;
  struct Node {
    std::string name;
    std::vector<std::string> segments;
    bool content = false; ///< the value itself may be shown; else it only opens a section
    FieldUse use = FieldUse::none;
    std::shared_ptr<Scope> inside; ///< what is used within a section of that name
  };
  struct Scope {
    std::string path;
    std::vector<Node> nodes;
  };
  static Node* findOrAdd(Scope& scope, const std::string& name, const std::vector<std::string>& fields);
  static kainjow::mustache::data buildScope(const Scope& scope, const nlohmann::json& object);
  static bool put(kainjow::mustache::data& into, const Node& node, const nlohmann::json& value);
  static std::string derive(const Node& node, const nlohmann::json& object);

  Scope root_;
};

/// Looks names up in the innermost open section first, whole ("customer.name"), as TemplateShape stores them. It knows
/// no partials and no lambdas.
class TemplateContext final : public kainjow::mustache::basic_context<std::string> {
 public:
  explicit TemplateContext(const kainjow::mustache::data& root) : open_{&root} {}
  void push(const kainjow::mustache::data* data) override { open_.push_back(data); }
  void pop() override { open_.pop_back(); }
  const kainjow::mustache::data* get(const std::string& name) const override;
  const kainjow::mustache::data* get_partial(const std::string&) const override { return nullptr; }

 private:
  std::vector<const kainjow::mustache::data*> open_;
};

} // namespace calbridge::routing
