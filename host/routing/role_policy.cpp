#include "routing/role_policy.hpp"
#include "core/error.hpp"
#include "routing/template_data.hpp"
#include "routing/text.hpp"

#include <algorithm>

namespace calbridge::routing {
namespace {

using kainjow::mustache::mustache;

constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kMaxDescription = 8192;
constexpr std::size_t kMaxUrl = 2048;
constexpr const char* kUntitled = "Appointment";

mustache compile(const RoleConfig& role, const char* key, const std::string& text) {
  if (const auto problems = checkTemplate(text, role.fields); !problems.empty())
    throw Error("invalid_template", "role " + role.name + ": " + key + ": " + problems.front().message);
  mustache compiled(prepareTemplate(text));
  if (!compiled.is_valid())
    throw Error("invalid_template", "role " + role.name + ": " + key + ": " + compiled.error_message());
  compiled.set_custom_escape([](const std::string& plain) { return plain; }); // entries are plain text
  return compiled;
}

/// Only whole http(s) addresses without blanks or controls pass; anything else is left out.
std::string bookingUrl(const nlohmann::json& snapshot) {
  const auto it = snapshot.find("url");
  if (it == snapshot.end() || !it->is_string())
    return {};
  const auto& url = it->get_ref<const std::string&>();
  const bool http = url.starts_with("https://") || url.starts_with("http://");
  const bool plain = std::all_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F && c != '"' && c != '<' &&
           c != '>' && c != '\\';
  });
  return http && plain && url.size() <= kMaxUrl ? url : std::string();
}

std::string statusOf(const Appointment& appointment) {
  if (appointment.cancelled)
    return "cancelled";
  const auto it = appointment.data.find("status");
  const bool tentative =
      it != appointment.data.end() && it->is_string() && (*it == "tentative" || *it == "pending" || *it == "requested");
  return tentative ? "tentative" : "confirmed";
}

/// What kainjow streams into.
struct Sink {
  std::string text;
  Sink& operator<<(const std::string& piece) {
    text += piece;
    return *this;
  }
};

} // namespace

struct RolePolicy::Compiled {
  RoleConfig config;
  // kainjow's render() is not const but only reads as long as there are no partials and no lambdas, which neither the
  // templates (checked) nor the data (built here) can contain. So concurrent renderings share these.
  mutable mustache title;
  mutable mustache description;
  mutable mustache location;
  TemplateShape shape;
  bool showsUrl = false;

  static std::string render(mustache& compiled, const kainjow::mustache::data& values) {
    TemplateContext context(values);
    Sink sink;
    compiled.render(context, sink);
    return std::move(sink.text);
  }
};

RolePolicy::RolePolicy(const RoleConfig& config)
    : compiled_(new Compiled{config,
                             compile(config, "title", config.title),
                             compile(config, "description", config.description),
                             compile(config, "location", config.location),
                             {},
                             allowsField(config.fields, "url")}) {
  for (const std::string* text : {&config.title, &config.description, &config.location})
    compiled_->shape.use(*text, config.fields);
}

RolePolicy::~RolePolicy() = default;
RolePolicy::RolePolicy(RolePolicy&&) noexcept = default;
RolePolicy& RolePolicy::operator=(RolePolicy&&) noexcept = default;

const std::string& RolePolicy::name() const noexcept {
  return compiled_->config.name;
}

const RoleConfig& RolePolicy::config() const noexcept {
  return compiled_->config;
}

bool RolePolicy::allowsProvider(const std::string& providerId) const {
  const auto& providers = compiled_->config.providers;
  return !providers || std::find(providers->begin(), providers->end(), providerId) != providers->end();
}

RenderedEntry RolePolicy::render(const Appointment& appointment) const {
  const Compiled& role = *compiled_;
  const auto values = role.shape.build(appointment.data);
  RenderedEntry rendered;
  Entry& entry = rendered.entry;
  entry.title = finishLine(Compiled::render(role.title, values), kMaxLine);
  if (entry.title.empty())
    entry.title = kUntitled;
  entry.description = finishLines(Compiled::render(role.description, values), kMaxDescription);
  entry.location = finishLine(Compiled::render(role.location, values), kMaxLine);
  entry.time = appointment.time;
  entry.reminders = role.config.reminders;
  entry.showAs = role.config.showAs;
  entry.visibility = role.config.visibility;
  entry.status = statusOf(appointment);
  if (role.showsUrl)
    entry.url = bookingUrl(appointment.data);
  rendered.hash = contentHash(entry);
  return rendered;
}

} // namespace calbridge::routing
