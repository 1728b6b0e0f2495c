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

/// The same at the end of `out`. Byte for byte what nlohmann-json's dump() writes, in a quarter of the time: that one
/// decodes every byte of every string.
void appendJson(std::string& out, const nlohmann::json& document);
/// `text` as a JSON string, quotes included, at the end of `out`.
void appendJsonString(std::string& out, std::string_view text);

} // namespace calbridge
