#include "config/document.hpp"

#include <algorithm>
#include <iterator>

namespace calbridge {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 64;

/// Feeds the parser and tells how far it has read.
class CountingIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator() = default;
  CountingIterator(const char* at, const char* begin, std::size_t* read) : at_(at), begin_(begin), read_(read) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    *read_ = static_cast<std::size_t>(at_ - begin_);
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_ = nullptr;
  const char* begin_ = nullptr;
  std::size_t* read_ = nullptr;
};

bool isNumberCharacter(char c) {
  return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/// "… syntax error while parsing value - unexpected …" without the library's preamble. It quotes the text, which may be
/// anything: bytes that are not UTF-8 become U+FFFD.
std::string plainSyntaxError(const std::string& what) {
  const std::size_t at = what.find("syntax error");
  const json message = at == std::string::npos ? what : what.substr(at);
  return json::parse(message.dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

} // namespace

/// Builds the value and notes positions while the parser reads.
class Document::Reader final : public nlohmann::json_sax<json> {
 public:
  Reader(Document& document, Problems& problems) : document_(document), problems_(problems) {}

  std::size_t read = 0; ///< bytes that the parser has consumed

  bool null() override { return put(nullptr, read - 4); }
  bool boolean(bool value) override { return put(value, read - (value ? 4U : 5U)); }
  bool number_integer(number_integer_t value) override { return put(value, numberStart()); }
  bool number_unsigned(number_unsigned_t value) override { return put(value, numberStart()); }
  bool number_float(number_float_t value, const string_t&) override { return put(value, numberStart()); }
  bool string(string_t& value) override { return put(std::move(value), stringStart()); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.key = name;
    level.keyOffset = stringStart();
    if (level.value->contains(name))
      problems_.push_back({document_.at(*level.keyOffset), "the key \"" + name + "\" is repeated in this object"});
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    problems_.push_back({document_.at(position == 0 ? 0 : position - 1), plainSyntaxError(error.what())});
    return false;
  }

 private:
  struct Level {
    json* value = nullptr;
    std::string pointer;
    std::string key; ///< objects: of the value that comes next
    std::optional<std::size_t> keyOffset;
  };

  std::size_t stringStart() const {
    std::size_t at = read - 1; // the closing quote
    while (at > 0) {
      --at;
      if (document_.text_[at] != '"')
        continue;
      std::size_t slashes = 0;
      while (slashes < at && document_.text_[at - slashes - 1] == '\\')
        ++slashes;
      if (slashes % 2 == 0)
        return at;
    }
    return at;
  }

  std::size_t numberStart() const {
    std::size_t at = read; // a number ends where something else was read
    while (at > 0 && !isNumberCharacter(document_.text_[at - 1]))
      --at;
    while (at > 0 && isNumberCharacter(document_.text_[at - 1]))
      --at;
    return at;
  }

  /// Stores a value where it belongs and returns it, with its pointer.
  std::pair<json*, std::string> store(json value, std::size_t offset) {
    if (levels_.empty()) {
      document_.value_ = std::move(value);
      document_.positions_[""] = {offset, std::nullopt};
      return {&document_.value_, ""};
    }
    Level& level = levels_.back();
    if (level.value->is_array()) {
      std::string pointer = level.pointer + "/" + std::to_string(level.value->size());
      level.value->push_back(std::move(value));
      document_.positions_[pointer] = {offset, std::nullopt};
      return {&level.value->back(), std::move(pointer)};
    }
    std::string pointer = level.pointer + "/" + escapePointer(level.key);
    if (!level.value->contains(level.key))
      document_.order_[level.pointer].push_back(level.key);
    json& placed = (*level.value)[level.key];
    placed = std::move(value);
    document_.positions_[pointer] = {offset, level.keyOffset};
    return {&placed, std::move(pointer)};
  }

  bool put(json value, std::size_t offset) {
    store(std::move(value), offset);
    return true;
  }

  bool open(json empty) {
    if (levels_.size() == kMaxDepth) {
      problems_.push_back({document_.at(read - 1), "values are nested deeper than 64 levels"});
      return false;
    }
    auto [value, pointer] = store(std::move(empty), read - 1);
    levels_.push_back({value, std::move(pointer), {}, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  Document& document_;
  Problems& problems_;
  std::vector<Level> levels_; ///< values inside arrays move when the array grows, but then they are closed already
};

Document::Document(std::string name) : name_(std::move(name)), readable_(false) {}

Document::Document(std::string name, std::string text, Problems& problems)
    : name_(std::move(name)), text_(std::move(text)) {
  Reader reader(*this, problems);
  const char* begin = text_.data();
  const char* end = begin + text_.size();
  readable_ = json::sax_parse(CountingIterator(begin, begin, &reader.read), CountingIterator(end, begin, &reader.read),
                              &reader, json::input_format_t::json, true, true);
  if (!readable_)
    value_ = json::object();
}

std::string Document::at(std::size_t offset) const {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i < offset && i < text_.size(); ++i) {
    const auto c = static_cast<unsigned char>(text_[i]);
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((c & 0xC0U) != 0x80U) { // columns are characters
      ++column;
    }
  }
  return name_ + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string Document::where(const std::string& pointer, bool atKey) const {
  for (std::string at = pointer;; at.resize(at.rfind('/'))) {
    if (const auto set = overrides_.find(at); set != overrides_.end())
      return "--set " + set->second;
    if (const auto position = positions_.find(at); position != positions_.end())
      return this->at(atKey && at == pointer ? position->second.key.value_or(position->second.value)
                                             : position->second.value);
    if (at.empty())
      return text_.empty() ? name_ : this->at(0);
  }
}

std::string Document::whereWithin(const std::string& pointer, std::size_t offset) const {
  const auto position = positions_.find(pointer);
  if (position == positions_.end() || overrides_.contains(pointer))
    return where(pointer);
  const std::size_t begin = position->second.value + 1; // behind the quote
  const bool exact = begin + offset < text_.size() &&
                     std::string_view(text_).substr(begin, offset).find('\\') == std::string_view::npos;
  return exact ? at(begin + offset) : where(pointer);
}

std::vector<std::string> Document::keys(const std::string& pointer) const {
  const json::json_pointer at(pointer);
  if (!value_.contains(at) || !value_.at(at).is_object())
    return {};
  const json& object = value_.at(at);
  std::vector<std::string> keys;
  if (const auto order = order_.find(pointer); order != order_.end())
    for (const auto& key : order->second)
      if (object.contains(key))
        keys.push_back(key);
  for (const auto& [key, unused] : object.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      keys.push_back(key);
  return keys;
}

void Document::adopt(const std::string& key, const Document& from) {
  if (!value_.is_object() || value_.contains(key) || !from.value_.contains(key))
    return;
  value_[key] = from.value_.at(key);
  const std::string pointer = "/" + escapePointer(key);
  for (const auto& [at, order] : from.order_)
    if (at == pointer || at.starts_with(pointer + "/"))
      order_[at] = order;
}

void Document::override(const std::string& dottedPath, json value, Problems& problems) {
  json* at = &value_;
  std::string pointer;
  std::size_t begin = 0;
  while (begin <= dottedPath.size()) {
    const std::size_t end = std::min(dottedPath.find('.', begin), dottedPath.size());
    const std::string name = dottedPath.substr(begin, end - begin);
    if (name.empty()) {
      problems.push_back({"--set " + dottedPath, "write a dotted path such as server.public_url"});
      return;
    }
    if (at->is_null())
      *at = json::object();
    if (at->is_array()) {
      const bool index = name.find_first_not_of("0123456789") == std::string::npos && name.size() < 7;
      if (!index || std::stoul(name) >= at->size()) {
        problems.push_back({"--set " + dottedPath, "there is no element " + name + " in the list before it"});
        return;
      }
      at = &(*at)[std::stoul(name)];
      pointer += "/" + std::to_string(std::stoul(name)); // "007" is 7
      begin = end + 1;
      continue;
    } else if (at->is_object()) {
      at = &(*at)[name];
    } else {
      problems.push_back({"--set " + dottedPath, "the value before ." + name + " is no object"});
      return;
    }
    pointer += "/" + escapePointer(name);
    begin = end + 1;
  }
  *at = std::move(value);
  overrides_[pointer] = dottedPath;
  std::erase_if(positions_, [&](const auto& item) { return item.first.starts_with(pointer + "/"); });
}

std::string escapePointer(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

} // namespace calbridge
