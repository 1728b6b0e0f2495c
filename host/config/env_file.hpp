#pragma once
#include "config/problem.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace calbridge {

/// Looks a variable up in the process's environment. Injected, so that tests have one of their own.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;
/// getenv().
std::optional<std::string> processEnvironment(const std::string& name);

/// KEY=VALUE lines: `#` comments, an optional `export `, 'single' quotes (verbatim) and "double" quotes (with \n, \t,
/// \r,
/// \", \\ and \$), blanks around, LF or CRLF. Problems are named `name:line:column` and never contain a value.
std::map<std::string, std::string> parseEnvFile(std::string_view text, const std::string& name, Problems& problems);

/// The variables that the host sees: a real environment variable wins over the file.
class Environment {
 public:
  explicit Environment(EnvironmentLookup lookup, std::map<std::string, std::string> file = {});
  /// nullopt when unset or empty.
  std::optional<std::string> get(const std::string& name) const;

 private:
  EnvironmentLookup lookup_;
  std::map<std::string, std::string> file_;
};

/// Reads the file. A missing one is a problem only when `required`; one that others may read is a warning.
Environment loadEnvironment(const std::filesystem::path& file, bool required, EnvironmentLookup lookup,
                            Problems& problems, Problems& warnings);

} // namespace calbridge
