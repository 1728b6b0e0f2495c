#include "config/env_file.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace calbridge {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;

bool isNameCharacter(char c, bool first) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

bool isBlank(char c) {
  return c == ' ' || c == '\t';
}

/// One line being read; complains with positions and never with contents.
class Line {
 public:
  Line(std::string_view text, std::string where, Problems& problems)
      : text_(text), where_(std::move(where)), problems_(problems) {}

  void read(std::map<std::string, std::string>& into) {
    skipBlanks();
    if (atEnd() || text_[at_] == '#')
      return;
    if (text_.substr(at_).starts_with("export") && at_ + 6 < text_.size() && isBlank(text_[at_ + 6])) {
      at_ += 6;
      skipBlanks();
    }
    const std::size_t begin = at_;
    while (!atEnd() && isNameCharacter(text_[at_], at_ == begin))
      ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    skipBlanks();
    if (name.empty() || atEnd() || text_[at_] != '=') {
      complain("expected NAME=VALUE");
      return;
    }
    ++at_;
    skipBlanks();
    std::string value;
    if (!readValue(value))
      return;
    if (!into.emplace(name, value).second) {
      at_ = begin;
      complain(name + " is set twice in this file");
    }
  }

 private:
  bool atEnd() const { return at_ >= text_.size(); }
  void skipBlanks() {
    while (!atEnd() && isBlank(text_[at_]))
      ++at_;
  }
  void complain(const std::string& message) { problems_.push_back({where_ + ":" + std::to_string(at_ + 1), message}); }

  bool readValue(std::string& value) {
    const char quote = atEnd() ? '\0' : text_[at_];
    if (quote != '\'' && quote != '"') {
      const std::size_t begin = at_;
      while (!atEnd() && !(text_[at_] == '#' && (at_ == begin || isBlank(text_[at_ - 1]))))
        ++at_;
      value = std::string(text_.substr(begin, at_ - begin));
      while (!value.empty() && isBlank(value.back()))
        value.pop_back();
      return true;
    }
    const std::size_t open = at_++;
    while (!atEnd() && text_[at_] != quote) {
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        value += unescaped(text_[at_]);
      } else {
        value += text_[at_];
      }
      ++at_;
    }
    if (atEnd()) {
      at_ = open;
      complain("the quote is not closed on this line");
      return false;
    }
    ++at_;
    skipBlanks();
    if (!atEnd() && text_[at_] != '#') {
      complain("something follows the closing quote");
      return false;
    }
    return true;
  }

  static std::string unescaped(char c) {
    switch (c) {
    case 'n':
      return "\n";
    case 't':
      return "\t";
    case 'r':
      return "\r";
    case '"':
    case '\\':
    case '$':
      return std::string(1, c);
    default:
      return std::string("\\") + c;
    }
  }

  std::string_view text_;
  std::string where_;
  Problems& problems_;
  std::size_t at_ = 0;
};

} // namespace

std::optional<std::string> processEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str()); // NOLINT(concurrency-mt-unsafe): nothing here calls setenv
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::map<std::string, std::string> parseEnvFile(std::string_view text, const std::string& name, Problems& problems) {
  std::map<std::string, std::string> values;
  if (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    Line(line, name + ":" + std::to_string(number), problems).read(values);
    begin = end + 1;
  }
  return values;
}

Environment::Environment(EnvironmentLookup lookup, std::map<std::string, std::string> file)
    : lookup_(std::move(lookup)), file_(std::move(file)) {}

std::optional<std::string> Environment::get(const std::string& name) const {
  std::optional<std::string> value = lookup_ ? lookup_(name) : std::nullopt;
  if (!value)
    if (const auto it = file_.find(name); it != file_.end())
      value = it->second;
  return value && value->empty() ? std::nullopt : value;
}

Environment loadEnvironment(const std::filesystem::path& file, bool required, EnvironmentLookup lookup,
                            Problems& problems, Problems& warnings) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) {
    if (required)
      problems.push_back({file.string(), "the file does not exist"});
    return Environment(std::move(lookup));
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!std::filesystem::is_regular_file(status) || !in || !(text << in.rdbuf() || in.peek() == EOF)) {
    problems.push_back({file.string(), "the file can not be read"});
    return Environment(std::move(lookup));
  }
  if (text.str().size() > kMaxFile) {
    problems.push_back({file.string(), "the file is larger than 1 MiB"});
    return Environment(std::move(lookup));
  }
  using std::filesystem::perms;
  if ((status.permissions() & perms::others_read) != perms::none)
    warnings.push_back(
        {file.string(), "other users of this machine can read these credentials: chmod 600 " + file.string()});
  return Environment(std::move(lookup), parseEnvFile(text.str(), file.string(), problems));
}

} // namespace calbridge
