#pragma once
// Bodies of oauth.hpp.
namespace calbridge::sdk {

inline std::string percentEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char character : text) {
    const auto c = static_cast<unsigned char>(character);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out.push_back(character);
    } else {
      out.push_back('%');
      out.push_back(kHex[c >> 4U]);
      out.push_back(kHex[c & 0xFU]);
    }
  }
  return out;
}

inline std::string formEncode(const Form& form) {
  std::string out;
  for (const auto& [name, value] : form) {
    if (!out.empty()) {
      out.push_back('&');
    }
    out += percentEncode(name) + "=" + percentEncode(value);
  }
  return out;
}

inline std::string withQuery(std::string_view url, const Form& parameters) {
  const std::size_t hash = url.find('#');
  std::string out(url.substr(0, hash));
  if (!parameters.empty()) {
    const std::size_t query = out.find('?');
    if (query == std::string::npos) {
      out.push_back('?');
    } else if (query + 1 != out.size() && out.back() != '&') {
      out.push_back('&');
    }
    out += formEncode(parameters);
  }
  if (hash != std::string_view::npos) {
    out += url.substr(hash);
  }
  return out;
}

inline Headers bearer(std::string_view accessToken) {
  return {{"Authorization", "Bearer " + std::string(accessToken)}, {"Accept", "application/json"}};
}

inline Headers bearerJson(std::string_view accessToken) {
  Headers headers = bearer(accessToken);
  headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  return headers;
}

inline HttpResponse postForm(Call& call, std::string_view url, const Form& form) {
  return call.http().post(url, formEncode(form),
                          {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}});
}

inline std::optional<std::string> base64UrlDecode(std::string_view text) {
  while (!text.empty() && text.back() == '=') {
    text.remove_suffix(1);
  }
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '-' || c == '_') {
      value = c == '-' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = (bits << 6U) | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xFFU));
    }
  }
  return count == 6 ? std::nullopt : std::optional(out); // a single trailing digit encodes no byte
}

inline Json idTokenClaims(std::string_view idToken) {
  const std::size_t first = idToken.find('.');
  const std::size_t second = first == std::string_view::npos ? first : idToken.find('.', first + 1);
  if (second == std::string_view::npos) {
    throw Problem(Status::transient, "the provider's id_token is not a JWT");
  }
  const auto payload = base64UrlDecode(idToken.substr(first + 1, second - first - 1));
  Json claims = parseJson(payload ? *payload : std::string_view(), Status::transient, "the provider's id_token");
  return claims.is_object() ? claims : throw Problem(Status::transient, "the provider's id_token holds no claims");
}

namespace detail {

/// Two or four digits at `at`, or -1.
inline int digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') {
      return -1;
    }
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

inline std::optional<std::int64_t> instantMs(int year, int month, int day, int hour, int minute, int second) {
  using namespace std::chrono;
  const year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                            std::chrono::day{static_cast<unsigned>(day)}};
  const bool sane = year >= 0 && month >= 1 && day >= 1 && date.ok() && hour >= 0 && hour <= 23 && minute >= 0 &&
                    minute <= 59 && second >= 0 && second <= 60;
  if (!sane) {
    return std::nullopt;
  }
  const auto days = sys_days{date}.time_since_epoch().count();
  return ((std::int64_t{days} * 24 + hour) * 60 + minute) * 60000 + std::int64_t{second} * 1000;
}

/// RFC 9110 section 5.6.7, the preferred form: "Tue, 01 Dec 2026 09:00:00 GMT".
inline std::optional<std::int64_t> httpDateMs(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  return instantMs(digits(text, 12, 4), month == kMonths.end() ? 0 : static_cast<int>(month - kMonths.begin()) + 1,
                   digits(text, 5, 2), digits(text, 17, 2), digits(text, 20, 2), digits(text, 23, 2));
}

} // namespace detail

inline std::optional<std::int64_t> epochMs(std::string_view text) {
  using detail::digits;
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  auto instant = detail::instantMs(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2), digits(text, 11, 2),
                                   digits(text, 14, 2), digits(text, 17, 2));
  if (!instant) {
    return std::nullopt;
  }
  std::size_t at = 19;
  if (text[at] == '.') {
    int scale = 100;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
      *instant += (text[at] - '0') * scale;
    }
    if (at == first) {
      return std::nullopt;
    }
  }
  const std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") {
    return instant;
  }
  const int hours = digits(zone, 1, 2);
  const int minutes = digits(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || hours < 0 || hours > 23 ||
      minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  const std::int64_t offset = (std::int64_t{hours} * 60 + minutes) * 60000;
  return zone[0] == '+' ? *instant - offset : *instant + offset;
}

inline std::optional<std::chrono::milliseconds> retryAfter(const HttpResponse& response, std::int64_t nowMs) {
  const std::string_view text = response.header("retry-after");
  if (text.empty()) {
    return std::nullopt;
  }
  if (text.find_first_not_of("0123456789") == std::string_view::npos) {
    const bool readable = text.size() <= 9; // beyond 31 years is nonsense, but still means "long": a day
    return readable ? std::chrono::seconds(detail::digits(text, 0, text.size())) : std::chrono::hours(24);
  }
  const auto date = detail::httpDateMs(text);
  return date ? std::optional(std::chrono::milliseconds(std::max<std::int64_t>(0, *date - nowMs))) : std::nullopt;
}

inline Grant grantFrom(const Json& json) {
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Grant grant;
  grant.accessToken = json.is_object() ? text("access_token") : std::string();
  if (grant.accessToken.empty()) {
    throw Problem(Status::transient, "the provider's token answer holds no access_token");
  }
  grant.refreshToken = text("refresh_token");
  grant.scope = text("scope");
  if (const auto expires = json.find("expires_in"); expires != json.end()) {
    if (expires->is_number()) { // as a double first: it may be any number, and not every one fits
      constexpr double kLongest = 1e15;
      grant.expiresIn = static_cast<std::int64_t>(std::clamp(expires->get<double>(), 0.0, kLongest));
    } else if (expires->is_string() && detail::digits(expires->get<std::string>(), 0, 1) >= 0) {
      grant.expiresIn = std::strtoll(expires->get_ref<const std::string&>().c_str(), nullptr, 10);
    }
  }
  return grant;
}

inline Problem restProblem(const HttpResponse& response, std::int64_t nowMs, const std::string& message,
                           std::string code) {
  Status status = Status::permanent;
  switch (response.status) {
  case 401:
    status = Status::reauthRequired;
    break;
  case 404:
  case 410:
    status = Status::notFound;
    break;
  case 409:
  case 412:
    status = Status::conflict;
    break;
  case 429:
    status = Status::rateLimited;
    break;
  default:
    status = response.status == 408 || response.status == 425 || response.status >= 500 ? Status::transient : status;
  }
  const bool later = status == Status::rateLimited || status == Status::transient;
  return Problem(status, message + " (HTTP " + std::to_string(response.status) + ")", std::move(code),
                 later ? retryAfter(response, nowMs) : std::nullopt);
}

inline Problem oauthProblem(const HttpResponse& response, std::int64_t nowMs) {
  std::string error;
  try {
    const Json json = parseJson(response.body, Status::transient, "the token answer");
    error =
        json.is_object() && json.contains("error") && json["error"].is_string() ? json["error"].get<std::string>() : "";
  } catch (const Problem&) {
    error.clear(); // the HTTP status alone decides
  }
  if (error == "invalid_grant" || error == "interaction_required" || error == "consent_required" ||
      error == "login_required") {
    return Problem(Status::reauthRequired, "the provider no longer accepts this grant: connect again", error);
  }
  if (error == "invalid_client" || error == "unauthorized_client") {
    return Problem(Status::permanent, "the provider does not accept this installation's client id or secret", error);
  }
  if (error == "temporarily_unavailable" || error == "server_error") {
    return Problem(Status::transient, "the provider's token service is unavailable", error,
                   retryAfter(response, nowMs));
  }
  // An error that nobody knows means what the HTTP status means; with a status of success it is a refusal, too.
  const bool later =
      response.status == 408 || response.status == 425 || response.status == 429 || response.status >= 500;
  const bool refused = response.status >= 400 || !error.empty();
  if (refused && !later) {
    return Problem(Status::permanent,
                   "the provider's token service refused the request (HTTP " + std::to_string(response.status) + ")",
                   error);
  }
  Problem problem = restProblem(response, nowMs, "the provider's token service answered unexpectedly", error);
  return problem.status() == Status::permanent ? Problem(Status::transient, problem.what()) : problem;
}

} // namespace calbridge::sdk
