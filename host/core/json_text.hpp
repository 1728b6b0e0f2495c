#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace calbridge {

/// Parses JSON that came from outside. Nesting beyond `maxDepth` is refused before anything is built, because copying
/// and printing a document recurse. Throws Error("invalid_json") that names line and column; never quotes the text.
nlohmann::json parseJson(std::string_view text, int maxDepth = 32);

/// The document as compact text. Bytes that are no UTF-8 cannot come from our own parsers; should they, they are
/// replaced rather than lost.
std::string jsonText(const nlohmann::json& document);

} // namespace calbridge
