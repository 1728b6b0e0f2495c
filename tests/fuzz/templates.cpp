/// One role and one appointment: sections "=== fields" (a name per line), "=== title", "=== description",
/// "=== location" (Mustache templates) and "=== data" (the snapshot as JSON).
///
/// Invariants: templates that the check accepts compile and render, whatever the snapshot holds; the entry keeps its
/// limits, is UTF-8 without controls, and shows nothing that the allow-list does not cover.
#include "config/template_tags.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"
#include "fuzz/target.hpp"
#include "routing/role_policy.hpp"

#include <algorithm>

namespace calbridge::fuzz {
namespace {

constexpr const char* kCanary = "canary-beyond-the-list";
constexpr const char* kHidden = "hidden_canary";

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// True when the templates pass the check that `calbridge check` makes.
bool accepted(const RoleConfig& role) {
  bool fine = true;
  for (const std::string* text : {&role.title, &role.description, &role.location}) {
    const TemplateTags tags = findTemplateTags(*text);
    for (const TemplateTag& tag : tags.tags)
      require(text->compare(tag.offset, 2, "{{") == 0, "a tag stands where it is said to stand");
    const auto problems = checkTemplate(*text, role.fields);
    require(tags.problems.empty() || !problems.empty(), "a template that cannot be read does not pass");
    for (const TemplateProblem& problem : problems) {
      require(problem.offset <= text->size() && !problem.message.empty(), "a problem has a place and a reason");
      require(!isUtf8(*text) || isUtf8(problem.message), "a problem is told in UTF-8", problem.message);
    }
    fine = fine && problems.empty() && isUtf8(*text); // the configuration is JSON, so UTF-8
  }
  return fine;
}

/// Puts the canary where no allow-list of this input can cover it.
void hide(nlohmann::json& value, int depth) {
  if (value.is_object()) {
    for (auto& part : value)
      hide(part, depth + 1);
    value[kHidden] = kCanary;
  } else if (value.is_array()) {
    for (auto& part : value)
      hide(part, depth + 1);
  }
}

/// Does the field name a whole branch of the snapshot? Then what was hidden there is covered.
bool holdsMore(const nlohmann::json& value, std::string_view path) {
  if (value.is_array())
    return path.empty() || std::any_of(value.begin(), value.end(), [&](const auto& v) { return holdsMore(v, path); });
  if (path.empty() || !value.is_object())
    return value.is_object();
  const std::size_t dot = std::min(path.find('.'), path.size());
  const auto found = value.find(std::string(path.substr(0, dot)));
  return found != value.end() && holdsMore(*found, path.substr(std::min(dot + 1, path.size())));
}

} // namespace

void run(std::string_view input) {
  RoleConfig role;
  role.name = "fuzzed";
  std::string data = "{}";
  for (Section& section : sections(input)) {
    if (section.title == "fields")
      role.fields = linesOf(section.text);
    else if (section.title == "title")
      role.title = std::move(section.text);
    else if (section.title == "description")
      role.description = std::move(section.text);
    else if (section.title == "location")
      role.location = std::move(section.text);
    else if (section.title == "data")
      data = std::move(section.text);
  }
  // The configuration's schema takes no other ones.
  std::erase_if(role.fields, [](const std::string& field) { return field != "*" && !isFieldPath(field); });
  if (!accepted(role))
    return;
  const routing::RolePolicy policy(role);

  nlohmann::json snapshot;
  Appointment appointment;
  try {
    snapshot = parseJson(data);
    if (!snapshot.is_object())
      return;
    snapshot.update({{"id", "A-1"}, {"start", "2026-12-01T09:00:00Z"}, {"end", "2026-12-01T10:00:00Z"}});
    for (const char* key : {"timezone", "version", "status", "customer", "staff"})
      if (snapshot.contains(key) && !snapshot[key].is_structured())
        snapshot.erase(key);
    // A whole branch may be allowed, and then its canary with it; without such a field none is.
    hide(snapshot, 0);
    appointment = parseAppointment(snapshot, "");
  } catch (const Error&) {
    return;
  }
  const routing::RenderedEntry rendered = policy.render(appointment);
  const Entry& entry = rendered.entry;
  require(!entry.title.empty() && entry.title.size() <= 1024 && entry.location.size() <= 1024 &&
              entry.description.size() <= 8192,
          "the texts keep their limits");
  require(isUtf8(entry.title) && isUtf8(entry.description) && isUtf8(entry.location) && isUtf8(entry.url),
          "the texts are UTF-8", entry.title);
  require(!hasControls(entry.title) && !hasControls(entry.location) && !hasControls(entry.description, "\n\t"),
          "the texts hold no controls", entry.description);
  require(policy.render(appointment).hash == rendered.hash, "the same appointment gives the same entry");
  require(entryFromJson(nlohmann::json::parse(toJson(entry).dump())) == entry, "an entry survives the store");
  const bool covered = std::any_of(role.fields.begin(), role.fields.end(), [&](const std::string& field) {
    return field == "*" || field.find(kHidden) != std::string::npos || holdsMore(snapshot, field);
  });
  const bool said = data.find(kCanary) != std::string::npos ||
                    (role.title + role.description + role.location).find("canary") != std::string::npos;
  if (!covered && !said)
    require((entry.title + entry.description + entry.location + entry.url).find(kCanary) == std::string::npos,
            "what the list does not cover is not shown", entry.title + entry.description + entry.location);
}

} // namespace calbridge::fuzz
