#include "services.hpp"

namespace calbridge::sandbox {

namespace {

std::string head(const std::string& title) {
  return "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\">"
         "<meta http-equiv=\"refresh\" content=\"2\"><title>" +
         escapeHtml(title) +
         "</title><style>body{font:16px/1.5 "
         "system-ui,sans-serif;margin:0;background:#f3f4f6;color:#1f2328}main{max-width:46rem;"
         "margin:2rem auto;padding:0 1rem}header{padding:1rem "
         "0}h1{margin:0;font-size:1.5rem}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}"
         ".card{background:#fff;border-radius:10px;padding:.9rem 1.1rem;margin:.6rem 0;border-left:6px solid #4285f4;"
         "box-shadow:0 1px 2px #0002}.outlook "
         ".card{border-left-color:#0f6cbd}.gone{opacity:.5;text-decoration:line-through}"
         ".when{color:#57606a;font-size:.9rem}.tag{display:inline-block;background:#eaeef2;border-radius:99px;padding:"
         "0 .6rem;"
         "font-size:.8rem;margin:.2rem .3rem 0 0}pre{font:inherit;white-space:pre-wrap;margin:.3rem "
         "0}a{color:#0969da}</style></head><body>";
}

std::string text(const json& resource, const char* name) {
  return resource.contains(name) && resource[name].is_string() ? resource[name].get<std::string>() : std::string();
}

/// Google's description and Outlook's body are HTML; the page shows their words.
std::string words(const std::string& html) {
  std::string out;
  bool inTag = false;
  for (std::size_t i = 0; i < html.size(); ++i) {
    if (html[i] == '<') {
      inTag = true;
      if (html.compare(i, 3, "<br") == 0 || html.compare(i, 3, "</p") == 0)
        out += '\n';
    } else if (html[i] == '>' && inTag) {
      inTag = false;
    } else if (!inTag) {
      out += html[i];
    }
  }
  for (auto [entity, letter] :
       {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&nbsp;", " "}, {"&amp;", "&"}})
    for (std::size_t at = 0; (at = out.find(entity, at)) != std::string::npos; at += 1)
      out.replace(at, std::string(entity).size(), letter);
  return out;
}

std::string when(const StoredEvent& event, const Calendar& calendar, bool allDay) {
  std::string zone = calendar.timeZone;
  std::string from = utcToLocal(event.startUtc, zone), to = utcToLocal(event.endUtc, zone);
  from[10] = to[10] = ' ';
  if (allDay)
    return from.substr(0, 10) + " (all day)";
  return from.substr(0, 16) + " to " + (from.substr(0, 10) == to.substr(0, 10) ? to.substr(11, 5) : to.substr(0, 16)) +
         " " + zone;
}

std::string card(const StoredEvent& event, const Calendar& calendar, Kind kind) {
  const json& resource = event.resource;
  bool google = kind == Kind::google;
  std::string title = text(resource, google ? "summary" : "subject");
  std::string description, location;
  std::vector<std::string> tags;
  if (google) {
    description = words(text(resource, "description"));
    location = text(resource, "location");
    tags.push_back(text(resource, "transparency") == "transparent" ? "free" : "busy");
    if (resource.contains("reminders"))
      for (const json& reminder : resource["reminders"].value("overrides", json::array()))
        tags.push_back(text(reminder, "method") + " " + std::to_string(reminder.value("minutes", 0)) + " min before");
    if (std::string shown = text(resource, "visibility"); !shown.empty() && shown != "default")
      tags.push_back(shown);
  } else {
    if (resource.contains("body") && resource["body"].is_object()) {
      description = text(resource["body"], "content");
      if (text(resource["body"], "contentType") == "html")
        description = words(description);
    }
    if (resource.contains("location") && resource["location"].is_object())
      location = text(resource["location"], "displayName");
    tags.push_back(text(resource, "showAs"));
    if (resource.value("isReminderOn", false))
      tags.push_back("reminder " + std::to_string(resource.value("reminderMinutesBeforeStart", 0)) + " min before");
    if (std::string shown = text(resource, "sensitivity"); !shown.empty() && shown != "normal")
      tags.push_back(shown);
  }
  bool allDay =
      google ? resource.contains("start") && resource["start"].contains("date") : resource.value("isAllDay", false);
  std::string html = "<article class=\"card" + std::string(event.deleted ? " gone" : "") + "\" data-event=\"" +
                     escapeHtml(text(resource, "id")) + "\"><strong>" +
                     escapeHtml(title.empty() ? "(no title)" : title) + "</strong><div class=\"when\">" +
                     escapeHtml(when(event, calendar, allDay)) + "</div>";
  if (!location.empty())
    html += "<div>" + escapeHtml(location) + "</div>";
  if (!description.empty())
    html += "<pre>" + escapeHtml(description) + "</pre>";
  if (event.client.empty())
    tags.push_back("made by hand");
  for (const std::string& tag : tags)
    html += "<span class=\"tag\">" + escapeHtml(tag) + "</span>";
  return html + "</article>";
}

} // namespace

std::string escapeHtml(const std::string& text) {
  std::string out;
  for (char c : text)
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += c;
    }
  return out;
}

std::string renderOverview(Services& services) {
  std::string html = head("Provider sandbox") +
                     "<main><header><h1>Provider sandbox</h1><p>Stand-ins for Google Calendar and Outlook on this "
                     "machine. Each account's calendar shows what the application put there.</p></header>";
  for (Kind kind : {Kind::google, Kind::outlook}) {
    html += std::string("<section class=\"") + toString(kind) + "\"><h2>" +
            (kind == Kind::google ? "Google" : "Outlook") + "</h2>";
    for (auto& account : services.accounts.all(kind)) {
      std::size_t live = 0;
      {
        std::lock_guard lock(account->mutex);
        for (auto& [id, calendar] : account->calendars)
          for (auto& [key, event] : calendar.events)
            live += event.deleted ? 0 : 1;
      }
      html += std::string("<div class=\"card\"><a href=\"/") + toString(kind) + "/accounts/" +
              http::percentEncode(account->email) + "\">" + escapeHtml(account->email) + "</a> <span class=\"tag\">" +
              std::to_string(live) + (live == 1 ? " entry" : " entries") + "</span></div>";
    }
    html += "</section>";
  }
  return html + "</main></body></html>";
}

std::string renderAccount(Services&, Account& account) {
  std::string html = head(account.email) + "<main class=\"" + toString(account.kind) +
                     "\"><header><a href=\"/\">All accounts</a><h1>" + escapeHtml(account.email) + "</h1><p>" +
                     (account.kind == Kind::google ? "Google Calendar" : "Outlook") + " (sandbox)</p></header>";
  std::lock_guard lock(account.mutex);
  for (auto& [id, calendar] : account.calendars) {
    html += "<section><h2>" + escapeHtml(calendar.name) + "</h2>";
    std::vector<const StoredEvent*> sorted;
    for (auto& [key, event] : calendar.events)
      sorted.push_back(&event);
    std::sort(sorted.begin(), sorted.end(),
              [](auto* a, auto* b) { return std::tie(a->startUtc, a->change) < std::tie(b->startUtc, b->change); });
    if (sorted.size() > 200)
      sorted.resize(200);
    for (auto* event : sorted)
      html += card(*event, calendar, account.kind);
    if (sorted.empty())
      html += "<p>Nothing here yet.</p>";
    html += "</section>";
  }
  return html + "</main></body></html>";
}

} // namespace calbridge::sandbox
