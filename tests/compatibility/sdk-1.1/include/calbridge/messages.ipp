#pragma once
// Bodies of messages.hpp: field by field, in the order of the documentation.
namespace calbridge::sdk {

inline void read(Json& json, Settings& to) {
  Fields f(json);
  to.clientId = f.optional("client_id");
  to.clientSecret = f.optional("client_secret");
  if (Json* values = f.find("settings"); values != nullptr) {
    Fields(*values, "/settings");
    to.values = std::move(*values);
  }
}

inline void read(Json& json, ConnectRequest& to) {
  Fields f(json);
  to.redirectUri = f.required("redirect_uri");
  to.state = f.required("state");
  to.codeChallenge = f.required("code_challenge");
  to.codeChallengeMethod = f.required("code_challenge_method");
  to.loginHint = f.optional("login_hint");
}

inline void read(Json& json, ExchangeRequest& to) {
  Fields f(json);
  to.redirectUri = f.required("redirect_uri");
  to.code = f.required("code");
  to.codeVerifier = f.required("code_verifier");
}

inline void read(Json& json, RefreshRequest& to) {
  to.refreshToken = Fields(json).required("refresh_token");
}

inline void read(Json& json, RevokeRequest& to) {
  Fields f(json);
  to.accessToken = f.optional("access_token");
  to.refreshToken = f.optional("refresh_token");
  to.secret = f.object("secret");
}

inline void read(Json& json, Entry& to) {
  Fields f(json, "/entry");
  to.title = f.required("title");
  to.description = f.optional("description");
  to.location = f.optional("location");
  to.allDay = f.flag("all_day");
  to.start = f.required("start");
  to.end = f.required("end");
  to.timezone = f.required("timezone");
  to.startUtc = f.required("start_utc");
  to.endUtc = f.required("end_utc");
  if (Json* reminders = f.find("reminders"); reminders != nullptr) {
    if (!reminders->is_array()) {
      throw f.wrong("reminders", "must be an array");
    }
    for (const Json& minutes : *reminders) {
      if (!minutes.is_number_integer() || minutes < 0 || minutes > 525600) {
        throw f.wrong("reminders", "must hold minutes between 0 and 525600");
      }
      to.reminders.push_back(minutes.get<int>());
    }
  }
  to.showAs = f.optional("show_as");
  to.visibility = f.optional("visibility");
  to.status = f.optional("status");
  to.url = f.optional("url");
}

inline void read(Json& json, PushRequest& to) {
  Fields f(json);
  const std::string operation = f.required("operation");
  if (operation != "upsert" && operation != "delete") {
    throw f.wrong("operation", "must be upsert or delete");
  }
  to.operation = operation == "upsert" ? PushRequest::Operation::upsert : PushRequest::Operation::remove;
  to.accessToken = f.optional("access_token");
  to.uid = f.required("uid");
  to.idempotencyKey = f.required("idempotency_key");
  to.providerEventId = f.optional("provider_event_id");
  to.etag = f.optional("etag");
  to.sequence = f.integer("sequence", 0);
  to.stamp = f.optional("stamp");
  to.attempt = f.integer("attempt", 1);
  to.secret = f.object("secret");
  to.calendar = f.optional("calendar");
  if (Json* recipient = f.find("recipient"); recipient != nullptr) {
    Fields r(*recipient, "/recipient");
    to.recipient = {r.required("email"), r.optional("name"), r.optional("language"), r.optional("unsubscribe_url"),
                    r.optional("settings_url")};
  }
  to.withdrawn = f.flag("withdrawn");
  if (Json* entry = f.find("entry"); entry != nullptr) {
    to.hasEntry = true;
    read(*entry, to.entry);
  } else if (to.operation == PushRequest::Operation::upsert) {
    throw f.wrong("entry", "is missing");
  }
}

inline bool scan(JsonScanner& scanner, Entry& to) {
  const auto field = [&](std::string_view key) {
    if (key == "reminders") {
      to.reminders.clear();
      return scanner.array([&] {
        std::int64_t minutes = -1;
        if (!scanner.integer(minutes) || minutes < 0 || minutes > 525600) {
          return false;
        }
        to.reminders.push_back(static_cast<int>(minutes));
        return true;
      });
    }
    return key == "title"         ? scanner.text(to.title)
           : key == "description" ? scanner.text(to.description)
           : key == "location"    ? scanner.text(to.location)
           : key == "all_day"     ? scanner.flag(to.allDay)
           : key == "start"       ? scanner.text(to.start)
           : key == "end"         ? scanner.text(to.end)
           : key == "timezone"    ? scanner.text(to.timezone)
           : key == "start_utc"   ? scanner.text(to.startUtc)
           : key == "end_utc"     ? scanner.text(to.endUtc)
           : key == "show_as"     ? scanner.text(to.showAs)
           : key == "visibility"  ? scanner.text(to.visibility)
           : key == "status"      ? scanner.text(to.status)
           : key == "url"         ? scanner.text(to.url)
                                  : scanner.skip();
  };
  // What is required may be empty, but then the parser has to tell whether it is there at all.
  return scanner.object(field) && !to.title.empty() && !to.start.empty() && !to.end.empty() && !to.timezone.empty() &&
         !to.startUtc.empty() && !to.endUtc.empty();
}

inline bool scan(std::string_view text, PushRequest& to) {
  JsonScanner scanner(text);
  std::string operation;
  const auto field = [&](std::string_view key) {
    if (key == "entry") {
      const bool first = !to.hasEntry;
      to.hasEntry = true;
      return first && scan(scanner, to.entry);
    }
    return key == "operation"           ? scanner.text(operation)
           : key == "access_token"      ? scanner.text(to.accessToken)
           : key == "uid"               ? scanner.text(to.uid)
           : key == "idempotency_key"   ? scanner.text(to.idempotencyKey)
           : key == "provider_event_id" ? scanner.text(to.providerEventId)
           : key == "etag"              ? scanner.text(to.etag)
           : key == "sequence"          ? scanner.integer(to.sequence)
           : key == "stamp"             ? scanner.text(to.stamp)
           : key == "attempt"           ? scanner.integer(to.attempt)
           : key == "calendar"          ? scanner.text(to.calendar)
           : key == "withdrawn"         ? scanner.flag(to.withdrawn)
           : key == "secret"            ? false // an object, and so the parser's
           : key == "recipient"         ? false
                                        : scanner.skip();
  };
  if (!scanner.object(field) || !scanner.finished()) {
    return false;
  }
  to.operation = operation == "delete" ? PushRequest::Operation::remove : PushRequest::Operation::upsert;
  const bool known = operation == "delete" || (operation == "upsert" && to.hasEntry);
  return known && !to.uid.empty() && !to.idempotencyKey.empty();
}

inline void read(Json& json, FeedRequest& to) {
  Fields f(json);
  to.name = f.optional("name");
  if (Json* zones = f.find("timezones"); zones != nullptr) {
    if (!zones->is_array()) {
      throw f.wrong("timezones", "must be an array");
    }
    for (const Json& zone : *zones) {
      if (!zone.is_string()) {
        throw f.wrong("timezones", "must hold strings");
      }
      to.timezones.push_back(zone.get<std::string>());
    }
  }
}

inline void read(Json& json, AuthenticateRequest& to) {
  Fields f(json);
  if (f.find("credentials") == nullptr) {
    throw f.wrong("credentials", "is missing");
  }
  to.credentials = f.object("credentials");
}

inline void read(Json& json, ListCalendarsRequest& to) {
  Fields f(json);
  to.accessToken = f.optional("access_token");
  to.secret = f.object("secret");
}

inline void read(Json& json, FreeBusyRequest& to) {
  Fields f(json);
  to.accessToken = f.optional("access_token");
  to.secret = f.object("secret");
  to.calendar = f.optional("calendar");
  to.start = f.required("start");
  to.end = f.required("end");
}

inline void read(Json& json, ChangesRequest& to) {
  Fields f(json);
  to.accessToken = f.optional("access_token");
  to.secret = f.object("secret");
  to.calendar = f.optional("calendar");
  to.syncToken = f.optional("sync_token");
}

inline std::string write(const ConnectReply& reply) {
  std::string out;
  ObjectWriter(out).text("authorization_url", reply.authorizationUrl).end();
  return out;
}

inline std::string write(const Grant& reply) {
  std::string out;
  ObjectWriter object(out);
  object.text("access_token", reply.accessToken).optionalText("refresh_token", reply.refreshToken);
  if (reply.expiresIn) {
    object.number("expires_in", *reply.expiresIn);
  }
  object.optionalText("scope", reply.scope);
  if (!reply.account.id.empty()) {
    object.name("account");
    ObjectWriter(out).text("id", reply.account.id).text("label", reply.account.label).end();
  }
  object.end();
  return out;
}

inline std::string write(const PushReply& reply) {
  std::string out;
  ObjectWriter object(out);
  object.text("provider_event_id", reply.providerEventId).optionalText("etag", reply.etag);
  object.optionalText("link", reply.link).optionalText("rendering", reply.rendering).end();
  return out;
}

inline std::string write(const FeedFrame& reply) {
  std::string out;
  ObjectWriter(out).text("head", reply.head).text("tail", reply.tail).end();
  return out;
}

inline std::string write(const Authentication& reply) {
  std::string out;
  ObjectWriter object(out);
  object.name("secret");
  out += reply.secret.dump(-1, ' ', false, Json::error_handler_t::replace);
  object.name("account");
  ObjectWriter(out).text("id", reply.account.id).text("label", reply.account.label).end();
  object.end();
  return out;
}

/// One array of objects: `each(element, writer)` writes an element's fields.
template <typename Elements, typename Each>
void writeArray(std::string& out, ObjectWriter& object, std::string_view key, const Elements& elements, Each each) {
  object.name(key);
  out.push_back('[');
  for (const auto& element : elements) {
    if (&element != &elements.front()) {
      out.push_back(',');
    }
    ObjectWriter writer(out);
    each(element, writer);
    writer.end();
  }
  out.push_back(']');
}

inline std::string write(const CalendarList& reply) {
  std::string out;
  ObjectWriter object(out);
  writeArray(out, object, "calendars", reply.calendars, [](const Calendar& calendar, ObjectWriter& writer) {
    writer.text("id", calendar.id).text("name", calendar.name).optionalText("color", calendar.color);
    writer.flag("writable", calendar.writable).flag("primary", calendar.primary);
  });
  object.end();
  return out;
}

inline std::string write(const BusyTimes& reply) {
  std::string out;
  ObjectWriter object(out);
  writeArray(out, object, "busy", reply.busy, [](const BusyTime& time, ObjectWriter& writer) {
    writer.text("start", time.start).text("end", time.end);
  });
  object.end();
  return out;
}

inline std::string write(const ChangeList& reply) {
  std::string out;
  ObjectWriter object(out);
  writeArray(out, object, "changes", reply.changes, [](const Change& change, ObjectWriter& writer) {
    writer.optionalText("uid", change.uid).text("provider_event_id", change.providerEventId);
    writer.optionalText("etag", change.etag).flag("deleted", change.deleted);
  });
  object.text("sync_token", reply.syncToken).end();
  return out;
}

inline std::string write(const Nothing&) {
  return "{}";
}

inline std::string write(const Problem& problem) {
  std::string out;
  ObjectWriter object(out);
  object.text("message", problem.what()).optionalText("code", problem.code());
  if (problem.retryAfter()) {
    object.number("retry_after_ms", problem.retryAfter()->count());
  }
  object.end();
  return out;
}

} // namespace calbridge::sdk
