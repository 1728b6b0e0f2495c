#include "plugins/wire.hpp"

#include "calbridge/json_scanner.hpp"
#include "core/url.hpp"
#include "plugins/redaction.hpp"
#include "plugins/reply_reading.hpp"

#include <algorithm>

namespace calbridge::plugins {
namespace {

using nlohmann::json;

constexpr std::int64_t kLongestWaitMs = 30LL * 24 * 3600 * 1000;
constexpr std::int64_t kLongestLifeS = 10LL * 365 * 24 * 3600;

void writeEntry(std::string& out, const Entry& entry) {
  sdk::ObjectWriter object(out);
  object.text("title", entry.title).text("description", entry.description).text("location", entry.location);
  object.flag("all_day", entry.time.allDay).text("start", entry.time.start).text("end", entry.time.end);
  object.text("timezone", entry.time.timezone).text("start_utc", formatRfc3339(entry.time.startUtc));
  object.text("end_utc", formatRfc3339(entry.time.endUtc));
  object.name("reminders");
  out.push_back('[');
  for (std::size_t i = 0; i < entry.reminders.size(); ++i) {
    out.append(i == 0 ? "" : ",").append(std::to_string(entry.reminders[i]));
  }
  out.push_back(']');
  object.text("show_as", entry.showAs).text("visibility", entry.visibility).text("status", entry.status);
  object.text("url", entry.url).end();
}

} // namespace

json readObject(const Reply& reply) {
  try {
    json document = sdk::parseJson(reply.body, sdk::Status::internal, "the plugin's answer");
    return document.is_object() ? document : throw Breach{"the plugin's answer is not a JSON object"};
  } catch (const sdk::Problem& problem) {
    throw Breach{problem.what()};
  }
}

std::string text(json& object, const char* key, bool required, const std::string& at) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return required ? throw Breach{"the plugin's answer lacks " + at + "/" + key} : std::string();
  }
  auto* value = found->get_ptr<std::string*>();
  if (value == nullptr || (required && value->empty())) {
    throw Breach{"the plugin's answer: " + at + "/" + key + " must be a non-empty string"};
  }
  return std::move(*value);
}

std::string settingsToWire(const std::string& clientId, const std::string& clientSecret, const json& settings) {
  std::string out;
  sdk::ObjectWriter object(out);
  object.optionalText("client_id", clientId).optionalText("client_secret", clientSecret);
  object.name("settings");
  out += settings.is_null() ? "{}" : settings.dump();
  object.end();
  return out;
}

std::string toWire(const ConnectRequest& request) {
  std::string out;
  sdk::ObjectWriter object(out);
  object.text("redirect_uri", request.redirectUri).text("state", request.state);
  object.text("code_challenge", request.codeChallenge).text("code_challenge_method", "S256");
  object.optionalText("login_hint", request.loginHint).end();
  return out;
}

std::string toWire(const ExchangeRequest& request) {
  std::string out;
  sdk::ObjectWriter object(out);
  object.text("redirect_uri", request.redirectUri).text("code", request.code);
  object.text("code_verifier", request.codeVerifier).end();
  return out;
}

std::string refreshToWire(const std::string& refreshToken) {
  std::string out;
  sdk::ObjectWriter(out).text("refresh_token", refreshToken).end();
  return out;
}

std::string revokeToWire(const Credentials& credentials) {
  std::string out;
  sdk::ObjectWriter object(out);
  object.text("access_token", credentials.accessToken).text("refresh_token", credentials.refreshToken);
  if (!credentials.secret.empty()) {
    object.name("secret");
    out += credentials.secret;
  }
  object.end();
  return out;
}

std::string toWire(const PushRequest& request) {
  std::string out;
  out.reserve(1024 + request.accessToken.size() + request.entry.description.size());
  sdk::ObjectWriter object(out);
  object.text("operation", request.operation == PushRequest::Operation::upsert ? "upsert" : "delete");
  object.optionalText("access_token", request.accessToken).text("uid", request.uid);
  object.text("idempotency_key", request.idempotencyKey).optionalText("provider_event_id", request.providerEventId);
  object.optionalText("etag", request.etag).number("sequence", request.sequence);
  object.text("stamp", formatRfc3339(request.stamp)).number("attempt", request.attempt);
  const bool known = request.operation == PushRequest::Operation::upsert || !request.entry.time.start.empty();
  if (known) {
    object.name("entry");
    writeEntry(out, request.entry);
  }
  if (!request.secret.empty()) {
    object.name("secret");
    out += request.secret;
  }
  object.optionalText("calendar", request.calendar);
  if (request.recipient) {
    object.name("recipient");
    sdk::ObjectWriter recipient(out);
    recipient.text("email", request.recipient->email).text("name", request.recipient->name);
    recipient.optionalText("language", request.recipient->language);
    recipient.optionalText("unsubscribe_url", request.recipient->unsubscribeUrl);
    recipient.optionalText("settings_url", request.recipient->settingsUrl).end();
  }
  if (request.withdrawn) {
    object.flag("withdrawn", true);
  }
  object.end();
  return out;
}

std::string toWire(const FeedRequest& request) {
  std::string out;
  sdk::ObjectWriter object(out);
  object.text("name", request.name);
  object.name("timezones");
  out += json(request.timezones).dump();
  object.end();
  return out;
}

std::optional<Failure> failureFromWire(const Reply& reply, Secrets secrets) {
  if (reply.status == Status::ok) {
    return std::nullopt;
  }
  Failure failure;
  failure.status = reply.status;
  failure.message = "the provider's plugin gave no reason";
  try {
    json object = readObject(reply);
    if (std::string message = text(object, "message", false); !message.empty()) {
      failure.message = presentable(message, secrets, kLongestMessage);
    }
    failure.code = presentable(text(object, "code", false), secrets, 100);
    if (const auto wait = object.find("retry_after_ms"); wait != object.end() && wait->is_number()) {
      const double asked = wait->get<double>(); // an integer beyond 64 bits arrives as a double, too
      failure.retryAfter = std::chrono::milliseconds(
          static_cast<std::int64_t>(std::clamp(asked, 0.0, static_cast<double>(kLongestWaitMs))));
    }
  } catch (const Breach& breach) {
    failure.message = breach.what; // the status counts all the same
  }
  return failure;
}

Outcome<std::string> connectFromWire(const Reply& reply, Secrets secrets) {
  return outcome<std::string>(reply, secrets, [](json& object) {
    std::string url = text(object, "authorization_url", true);
    const auto parsed = parseUrl(url);
    if (!parsed || (!parsed->secure() && !parsed->isLoopback())) {
      throw Breach{"the plugin's answer: /authorization_url must be an https URL (http for loopback)"};
    }
    return url;
  });
}

Outcome<Grant> grantFromWire(const Reply& reply, TimeMs now, bool account, Secrets secrets) {
  return outcome<Grant>(reply, secrets, [&](json& object) {
    Grant grant;
    grant.credentials.accessToken = text(object, "access_token", true);
    grant.credentials.refreshToken = text(object, "refresh_token", false);
    grant.credentials.scope = text(object, "scope", false);
    if (const auto life = object.find("expires_in"); life != object.end() && life->is_number()) {
      const double seconds = std::clamp(life->get<double>(), 0.0, static_cast<double>(kLongestLifeS));
      grant.credentials.expiresAt = now + static_cast<std::int64_t>(seconds) * 1000;
    }
    if (account) {
      const auto found = object.find("account");
      if (found == object.end() || !found->is_object()) {
        throw Breach{"the plugin's answer lacks /account"};
      }
      grant.account.id = text(*found, "id", true);
      grant.account.label = text(*found, "label", false);
      if (grant.account.label.empty()) {
        grant.account.label = grant.account.id;
      }
    }
    return grant;
  });
}

Outcome<PushReply> pushFromWire(const Reply& reply, bool identified, Secrets secrets) {
  if (reply.status == Status::ok) { // the usual form, without a document
    PushReply pushed;
    sdk::JsonScanner scanner(reply.body);
    const bool scanned = scanner.object([&](std::string_view key) {
      return key == "provider_event_id" ? scanner.text(pushed.providerEventId)
             : key == "etag"            ? scanner.text(pushed.etag)
             : key == "link"            ? scanner.text(pushed.link)
             : key == "rendering"       ? scanner.text(pushed.rendering)
                                        : scanner.skip();
    });
    if (scanned && scanner.finished() && (!identified || !pushed.providerEventId.empty())) {
      return pushed;
    }
  }
  return outcome<PushReply>(reply, secrets, [&](json& object) {
    PushReply pushed;
    pushed.providerEventId = text(object, "provider_event_id", identified);
    pushed.etag = text(object, "etag", false);
    pushed.link = text(object, "link", false);
    pushed.rendering = text(object, "rendering", false);
    return pushed;
  });
}

Outcome<FeedFrame> feedFromWire(const Reply& reply, Secrets secrets) {
  return outcome<FeedFrame>(reply, secrets, [](json& object) {
    return FeedFrame{text(object, "head", true), text(object, "tail", true)};
  });
}

} // namespace calbridge::plugins
