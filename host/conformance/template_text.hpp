#pragma once
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

/// The small language of scripts: patterns that take a URL apart, and templates that put an answer together. Pure.
namespace calbridge::conformance {

using Names = std::map<std::string, std::string>;
/// The value of a name in a template; nullopt where there is none.
using Look = std::function<std::optional<nlohmann::json>(const std::string& name)>;

/// Does `pattern` fit all of `text`? {name} stands for characters up to the next slash (percent-decoded into `found`),
/// a * at the end for any rest.
bool fits(std::string_view pattern, std::string_view text, Names& found);

/// `value` with every {name} in its strings replaced; a string that is one {name} alone becomes the value itself. A
/// member "..." spreads an object into the one that it stands in.
nlohmann::json expanded(const nlohmann::json& value, const Look& look);
std::string expandedText(const std::string& text, const Look& look);

/// RFC 3986 section 2.1, and the plus sign of forms.
std::string percentDecode(std::string_view text, bool form);
/// "a=b&c=d", decoded.
Names formFields(std::string_view text);

} // namespace calbridge::conformance
