#pragma once
#include "config/problem.hpp"

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace calbridge {

/// A JSON file with `//` comments, parsed, that still knows where in the file each value stands.
class Document {
 public:
  /// An empty, unreadable document; used when a file is missing.
  explicit Document(std::string name);
  /// Parses `text`. Syntax errors, repeated keys and nesting beyond 64 levels are added to `problems` with
  /// `name:line:column`; the value is then what could be read (an empty object after a syntax error).
  Document(std::string name, std::string text, Problems& problems);

  const nlohmann::json& value() const noexcept { return value_; }
  const std::string& name() const noexcept { return name_; }
  /// False without a file and after a syntax error: complaints about what is missing would then mislead.
  bool readable() const noexcept { return readable_; }

  /// "file:line:column" of the value at a JSON pointer (RFC 6901), of its key with `atKey`; of the nearest enclosing
  /// value when there is none there; "--set path" when an override put it there.
  std::string where(const std::string& pointer, bool atKey = false) const;

  /// The same for a byte within the string at a JSON pointer. Exact as long as no escape stands before it in the file;
  /// else the place of the string.
  std::string whereWithin(const std::string& pointer, std::size_t offset) const;

  /// The keys of the object at a pointer in the order of the file; those that an override added come last.
  std::vector<std::string> keys(const std::string& pointer) const;

  /// Takes a top-level key over from another document when this one has none, as a default.
  void adopt(const std::string& key, const Document& from);

  /// Puts a value at a dotted path ("server.public_url"), making the objects on the way. Complaints about it, and about
  /// all below it, are then named "--set path". Adds a problem when the way leads through something that is no object.
  void override(const std::string& dottedPath, nlohmann::json value, Problems& problems);

 private:
  struct Position {
    std::size_t value = 0; ///< offset in text_
    std::optional<std::size_t> key;
  };
  class Reader;
  std::string at(std::size_t offset) const;

  std::string name_;
  std::string text_;
  nlohmann::json value_ = nlohmann::json::object();
  std::map<std::string, Position> positions_;             ///< by JSON pointer
  std::map<std::string, std::vector<std::string>> order_; ///< JSON pointer of an object → its keys
  std::map<std::string, std::string> overrides_;          ///< JSON pointer → dotted path
  bool readable_ = true;
};

/// RFC 6901: "~" and "/" in a key.
std::string escapePointer(std::string_view key);

} // namespace calbridge
