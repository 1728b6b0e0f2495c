#include "http/web/account_form.hpp"

namespace calbridge::http {
namespace {

using kainjow::mustache::data;

std::string textOf(const nlohmann::ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// An object of texts, as JSON; "{}" for anything else.
std::string textsIn(const nlohmann::ordered_json& object, const char* key) {
  nlohmann::json out = nlohmann::json::object();
  if (const auto found = object.find(key); found != object.end() && found->is_object())
    for (const auto& [name, value] : found->items())
      if (value.is_string())
        out[name] = value.get<std::string>();
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

data inputOf(const ProviderInfo& info, const FormField& field) {
  data input;
  input.set("id", "account-" + info.id + "-" + field.name);
  input.set("name", field.name);
  input.set("title", field.title);
  input.set("description", field.description);
  input.set("value", field.secret ? "" : field.defaultValue);
  input.set("type", field.secret ? "password" : field.format == "email" ? "email" : "text");
  // Not type=url: that refuses "caldav.example.com", which is what people know.
  input.set("mode", field.format == "uri" ? "url" : field.format == "email" ? "email" : "text");
  // The account is somebody else's: what the browser has kept for this site may not be filled in and sent there, which
  // "off" does not prevent in password fields (HTML standard, Autofill).
  input.set("autocomplete", field.secret ? "new-password" : "off");
  input.set("required", field.required);
  data choices{data::type::list};
  for (const std::string& choice : field.choices)
    choices.push_back(data{"choice", choice});
  input.set("has_choices", !field.choices.empty());
  input.set("choices", choices);
  return input;
}

} // namespace

std::vector<FormPreset> formPresets(const ProviderInfo& info) {
  std::vector<FormPreset> presets;
  const auto list = info.formSchema.is_object() ? info.formSchema.find("presets") : info.formSchema.end();
  if (!info.formSchema.is_object() || list == info.formSchema.end() || !list->is_array())
    return presets;
  for (const auto& item : *list) {
    if (!item.is_object() || textOf(item, "id").empty() || textOf(item, "name").empty())
      continue;
    const auto beside = item.find("beside_feed");
    presets.push_back({textOf(item, "id"), textOf(item, "name"),
                       beside != item.end() && beside->is_boolean() && beside->get<bool>(), textsIn(item, "values"),
                       textsIn(item, "hints")});
  }
  return presets;
}

data accountForm(const ProviderInfo& info) {
  data form;
  form.set("provider", info.id);
  form.set("label", info.label);
  data inputs{data::type::list};
  for (const FormField& field : info.form)
    inputs.push_back(inputOf(info, field));
  form.set("inputs", inputs);
  data presets{data::type::list};
  for (const FormPreset& preset : formPresets(info)) {
    data one;
    one.set("id", preset.id);
    one.set("name", preset.name);
    one.set("values", preset.values);
    one.set("hints", preset.hints);
    presets.push_back(one);
  }
  form.set("has_presets", !presets.list_value().empty());
  form.set("presets", presets);
  return form;
}

} // namespace calbridge::http
