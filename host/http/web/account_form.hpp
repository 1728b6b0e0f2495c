#pragma once
#include "core/provider.hpp"

#include <kainjow/mustache.hpp>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::http {

/// A service that a plugin's form knows (annotation `presets` of its schema): what to fill in, and what to say.
struct FormPreset {
  std::string id;
  std::string name;
  bool besideFeed = false; ///< people look for it where the feed is, too
  std::string values;      ///< JSON object, by field
  std::string hints;       ///< JSON object, by field
};

/// The presets of a provider's form; malformed ones are left out.
std::vector<FormPreset> formPresets(const ProviderInfo& info);

/// What the template account_form.html says about a provider that people connect to by typing.
kainjow::mustache::data accountForm(const ProviderInfo& info);

} // namespace calbridge::http
