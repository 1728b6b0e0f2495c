#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What `calbridge plugins new` writes: the SDK's template, with another name in it.
namespace calbridge::cli {

/// A file of a template, as it lies in sdk/.
struct TemplateFile {
  std::string_view name;
  std::string_view content;
};
/// sdk/template (C++) and sdk/template-c, put into the program when it is built.
std::span<const TemplateFile> cppTemplate();
std::span<const TemplateFile> cTemplate();

enum class Language { cpp, c };

struct ProjectFile {
  std::string name; ///< without folder
  std::string content;
};
/// All files of a project for the provider `name`. Pure. Throws Error("usage") when no plugin can have that name:
/// lower-case letters and digits in parts joined by -, beginning with a letter, at most 32.
std::vector<ProjectFile> pluginProject(const std::string& name, Language language);

/// Creates `folder` and the files in it. Throws Error("project_exists") before it has written anything when one of them
/// is there already, and Error("project_unwritable") with the system's reason.
void writeProject(const std::filesystem::path& folder, std::span<const ProjectFile> files);

} // namespace calbridge::cli
