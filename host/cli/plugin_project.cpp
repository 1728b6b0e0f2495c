#include "cli/plugin_project.hpp"

#include "core/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace calbridge::cli {
namespace {

constexpr std::size_t kLongestName = 32; // of a manifest's id

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
/// As configuration allows for providers, so that plugin, provider and library can be called the same.
void checkName(const std::string& name) {
  bool good = !name.empty() && name.size() <= kLongestName && lower(name.front()) && name.back() != '-';
  for (std::size_t i = 0; good && i < name.size(); ++i) {
    const char c = name[i];
    good = lower(c) || (c >= '0' && c <= '9') || (c == '-' && name[i - 1] != '-');
  }
  if (!good) {
    throw Error("usage", "\"" + name +
                             "\" is no name for a plugin: take lower-case letters and digits, beginning with a letter, "
                             "in parts joined by -, at most " +
                             std::to_string(kLongestName) + " characters; as acme or my-calendar");
  }
}

char upper(char c) {
  return lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
}

/// my-calendar → MyCalendar.
std::string className(const std::string& name) {
  std::string made;
  bool first = true;
  for (const char c : name) {
    if (c != '-') {
      made.push_back(first ? upper(c) : c);
    }
    first = c == '-';
  }
  return made;
}

/// my-calendar → MY_CALENDAR, as in the names of environment variables.
std::string variablePrefix(const std::string& name) {
  std::string made;
  for (const char c : name) {
    made.push_back(c == '-' ? '_' : upper(c));
  }
  return made;
}

void replaceAll(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string renamed(std::string_view content, const std::string& name) {
  std::string text(content);
  replaceAll(text, "ACME", variablePrefix(name));
  replaceAll(text, "Acme", className(name));
  replaceAll(text, "acme", name);
  return text;
}

[[noreturn]] void unwritable(const std::filesystem::path& path, int error) {
  throw Error("project_unwritable", "cannot write " + path.string() + ": " + std::strerror(error));
}

void writeNew(const std::filesystem::path& path, std::string_view content) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) {
    unwritable(path, errno);
  }
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      const int error = errno;
      ::close(file);
      unwritable(path, error);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::close(file) != 0) {
    unwritable(path, errno);
  }
}

} // namespace

std::vector<ProjectFile> pluginProject(const std::string& name, Language language) {
  checkName(name);
  std::vector<ProjectFile> files;
  for (const auto& [file, content] : language == Language::c ? cTemplate() : cppTemplate()) {
    files.push_back({std::string(file), renamed(content, name)});
  }
  if (language == Language::c) { // the service to try it against is one for both
    for (const auto& [file, content] : cppTemplate()) {
      if (file == "provider.py") {
        files.push_back({std::string(file), renamed(content, name)});
      }
    }
  }
  return files;
}

void writeProject(const std::filesystem::path& folder, std::span<const ProjectFile> files) {
  std::error_code error;
  for (const ProjectFile& file : files) {
    if (const auto path = folder / file.name;
        std::filesystem::symlink_status(path, error).type() != std::filesystem::file_type::not_found) {
      throw Error("project_exists", error ? "cannot write " + path.string() + ": " + error.message()
                                          : path.string() + " is there already, and nothing was written: take another "
                                                            "--directory, or move it away");
    }
  }
  std::filesystem::create_directories(folder, error);
  if (error) {
    unwritable(folder, error.value());
  }
  for (const ProjectFile& file : files) {
    writeNew(folder / file.name, file.content);
  }
}

} // namespace calbridge::cli
