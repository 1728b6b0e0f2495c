/// One file of the configuration: after a line "=== json" a JSON document with comments, after "=== env" a file of
/// variables, after "=== set" an override "dotted.path=VALUE" of the JSON document before it.
///
/// Invariants: the reader that keeps positions reads what the JSON library reads; every place that it names lies in the
/// file; a problem is told in UTF-8; a file of variables, written down again, gives the same values.
#include "config/document.hpp"
#include "config/env_file.hpp"
#include "fuzz/target.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::fuzz {
namespace {

using nlohmann::json;

/// "file:LINE:COLUMN" names a line and a column (which may be the one behind its end) of the text.
void checkPlace(const std::string& where, std::string_view text) {
  const std::string_view name = "file:";
  require(where.starts_with(name), "a place names the file", where);
  unsigned long line = 0;
  unsigned long column = 0;
  const char* end = where.data() + where.size();
  const auto first = std::from_chars(where.data() + name.size(), end, line);
  const bool colon = first.ec == std::errc() && first.ptr != end && *first.ptr == ':';
  const auto second = colon ? std::from_chars(first.ptr + 1, end, column) : first;
  require(colon && second.ec == std::errc() && second.ptr == end && line > 0 && column > 0,
          "a place is file:line:column", where);
  const auto lines = 1 + static_cast<unsigned long>(std::count(text.begin(), text.end(), '\n'));
  require(line <= lines, "a place lies in the file", where);
  for (; line > 1; --line)
    text.remove_prefix(text.find('\n') + 1);
  text = text.substr(0, text.find('\n'));
  require(column <= text.size() + 1, "a place lies in its line", where);
}

/// Every value's own place, and the places of its parts.
void checkPlaces(const Document& document, const json& value, const std::string& pointer, std::string_view text) {
  checkPlace(document.where(pointer), text);
  checkPlace(document.where(pointer, true), text);
  if (value.is_string())
    checkPlace(document.whereWithin(pointer, value.get_ref<const std::string&>().size() / 2), text);
  if (value.is_array())
    for (std::size_t i = 0; i < value.size(); ++i)
      checkPlaces(document, value[i], pointer + "/" + std::to_string(i), text);
  if (value.is_object()) {
    const auto keys = document.keys(pointer);
    require(keys.size() == value.size(), "every key is told once", pointer);
    for (const std::string& key : keys)
      checkPlaces(document, value.at(key), pointer + "/" + escapePointer(key), text);
  }
}

int depthOf(const json& value) {
  int depth = 0;
  if (value.is_structured())
    for (const auto& part : value)
      depth = std::max(depth, depthOf(part));
  return depth + (value.is_structured() ? 1 : 0);
}

void checkProblems(const Problems& problems, std::string_view text) {
  for (const Problem& problem : problems) {
    require(!problem.message.empty() && isUtf8(problem.text()), "a problem is told in UTF-8", problem.text());
    checkPlace(problem.where, text);
  }
}

Document checkJson(const std::string& text) {
  Problems problems;
  Document document("file", text, problems);
  checkProblems(problems, text);
  require(document.readable() || !problems.empty(), "an unreadable document has a problem");
  const json plain = json::parse(text, nullptr, false, true);
  if (document.readable()) {
    require(!plain.is_discarded(), "what is read is JSON");
    if (problems.empty())
      require(plain == document.value(), "the value is the one that the text says", plain.dump());
    checkPlaces(document, document.value(), "", text);
  } else if (!plain.is_discarded()) {
    require(depthOf(plain) > 64, "what is JSON and not too deep is read", text);
  }
  return document;
}

void checkOverride(Document& document, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || !document.readable())
    return;
  Problems problems;
  document.override(text.substr(0, equals), json(text.substr(equals + 1)), problems);
  for (const Problem& problem : problems)
    require(problem.where.starts_with("--set ") && !problem.message.empty(), "a problem names its option",
            problem.where);
  if (problems.empty()) {
    std::string pointer;
    for (std::size_t begin = 0; begin <= equals;) {
      const std::size_t end = std::min(text.find('.', begin), equals);
      pointer += "/" + escapePointer(std::string_view(text).substr(begin, end - begin));
      begin = end + 1;
    }
    require(document.value().at(json::json_pointer(pointer)) == text.substr(equals + 1), "an override is in force",
            pointer);
    require(document.where(pointer).starts_with("--set "), "and complaints about it name the option",
            document.where(pointer));
  }
}

void checkEnv(const std::string& text) {
  Problems problems;
  const auto values = parseEnvFile(text, "file", problems);
  checkProblems(problems, text);
  std::string written;
  for (const auto& [name, value] : values) {
    require(!name.empty(), "a variable has a name");
    written += "export " + name + "=\"";
    for (const char c : value) {
      if (c == '\n' || c == '\r' || c == '\t')
        written += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
      else
        written += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
    }
    written += "\"\n";
  }
  Problems none;
  require(parseEnvFile(written, "file", none) == values && none.empty(), "variables read their own writing");
}

} // namespace

void run(std::string_view input) {
  Document document("file");
  for (const Section& section : sections(input)) {
    if (section.title == "json")
      document = checkJson(section.text);
    else if (section.title == "env")
      checkEnv(section.text);
    else if (section.title == "set")
      checkOverride(document, section.text);
  }
}

} // namespace calbridge::fuzz
