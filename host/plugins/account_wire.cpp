#include "calbridge/json.hpp"
#include "plugins/reply_reading.hpp"

/// The part of the wire that grew in minor 1: forms, calendars, who is busy, what changed.
namespace calbridge::plugins {
namespace {

using nlohmann::json;

constexpr std::size_t kMostCalendars = 1000;

void writeAccess(sdk::ObjectWriter& object, std::string& out, const Credentials& credentials) {
  object.optionalText("access_token", credentials.accessToken);
  if (!credentials.secret.empty()) {
    object.name("secret");
    out += credentials.secret;
  }
}

bool flag(const json& object, const char* key, const std::string& at) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return false;
  }
  return found->is_boolean() ? found->get<bool>()
                             : throw Breach{"the plugin's answer: " + at + "/" + key + " must be true or false"};
}

TimeMs instant(json& object, const char* key, const std::string& at) {
  const auto time = parseRfc3339(text(object, key, true, at));
  return time ? *time : throw Breach{"the plugin's answer: " + at + "/" + key + " must be an RFC 3339 time"};
}

/// `read(element, its pointer)` for each object of the array `key`.
template <typename T, typename Read>
std::vector<T> list(json& object, const char* key, Read read) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) {
    throw Breach{std::string("the plugin's answer: /") + key + " must be an array"};
  }
  std::vector<T> out;
  for (json& element : *found) {
    const std::string at = std::string("/") + key + "/" + std::to_string(out.size());
    if (!element.is_object()) {
      throw Breach{"the plugin's answer: " + at + " must be an object"};
    }
    out.push_back(read(element, at));
  }
  return out;
}

} // namespace

std::string authenticateToWire(const json& credentials) {
  std::string out;
  sdk::ObjectWriter object(out);
  object.name("credentials");
  out += credentials.dump(-1, ' ', false, json::error_handler_t::replace);
  object.end();
  return out;
}

std::string accessToWire(const Credentials& credentials) {
  std::string out;
  sdk::ObjectWriter object(out);
  writeAccess(object, out, credentials);
  object.end();
  return out;
}

std::string freeBusyToWire(const Credentials& credentials, const std::string& calendar, const BusyTime& within) {
  std::string out;
  sdk::ObjectWriter object(out);
  writeAccess(object, out, credentials);
  object.optionalText("calendar", calendar).text("start", formatRfc3339(within.start));
  object.text("end", formatRfc3339(within.end)).end();
  return out;
}

std::string changesToWire(const Credentials& credentials, const std::string& calendar, const std::string& syncToken) {
  std::string out;
  sdk::ObjectWriter object(out);
  writeAccess(object, out, credentials);
  object.optionalText("calendar", calendar).optionalText("sync_token", syncToken).end();
  return out;
}

Outcome<Authentication> authenticationFromWire(const Reply& reply, Secrets secrets) {
  return outcome<Authentication>(reply, secrets, [](json& object) {
    const auto secret = object.find("secret");
    const auto account = object.find("account");
    if (secret == object.end() || !secret->is_object()) {
      throw Breach{"the plugin's answer: /secret must be an object"};
    }
    if (account == object.end() || !account->is_object()) {
      throw Breach{"the plugin's answer lacks /account"};
    }
    Authentication made;
    made.secret = secret->dump();
    made.account.id = text(*account, "id", true, "/account");
    made.account.label = text(*account, "label", false, "/account");
    if (made.account.label.empty()) {
      made.account.label = made.account.id;
    }
    return made;
  });
}

Outcome<std::vector<Calendar>> calendarsFromWire(const Reply& reply, Secrets secrets) {
  return outcome<std::vector<Calendar>>(reply, secrets, [](json& object) {
    auto calendars = list<Calendar>(object, "calendars", [](json& element, const std::string& at) {
      Calendar calendar;
      calendar.id = text(element, "id", true, at);
      calendar.name = text(element, "name", false, at);
      if (calendar.name.empty()) {
        calendar.name = calendar.id;
      }
      calendar.color = text(element, "color", false, at);
      calendar.writable = flag(element, "writable", at);
      calendar.primary = flag(element, "primary", at);
      return calendar;
    });
    if (calendars.size() > kMostCalendars) {
      throw Breach{"the plugin's answer: /calendars holds more than 1,000"};
    }
    return calendars;
  });
}

Outcome<std::vector<BusyTime>> busyFromWire(const Reply& reply, Secrets secrets) {
  return outcome<std::vector<BusyTime>>(reply, secrets, [](json& object) {
    return list<BusyTime>(object, "busy", [](json& element, const std::string& at) {
      return BusyTime{instant(element, "start", at), instant(element, "end", at)};
    });
  });
}

Outcome<ChangeList> changesFromWire(const Reply& reply, Secrets secrets) {
  return outcome<ChangeList>(reply, secrets, [](json& object) {
    ChangeList changes;
    changes.changes = list<Change>(object, "changes", [](json& element, const std::string& at) {
      return Change{text(element, "uid", false, at), text(element, "provider_event_id", true, at),
                    text(element, "etag", false, at), flag(element, "deleted", at)};
    });
    changes.syncToken = text(object, "sync_token", false);
    return changes;
  });
}

} // namespace calbridge::plugins
