#include "http/edge/response.hpp"

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "http/edge/request.hpp"

#include <charconv>

namespace calbridge::http {

namespace {

bool isToken(std::string_view text) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  for (char c : text) {
    bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && kOthers.find(c) == std::string_view::npos)
      return false;
  }
  return !text.empty();
}

bool isFieldValue(std::string_view text) {
  for (char c : text) {
    auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\t') || u == 0x7F)
      return false;
  }
  return true;
}

void appendNumber(std::string& out, std::size_t number) {
  char digits[24];
  auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void checkHeader(const std::string& name, const std::string& value) {
  if (!isToken(name))
    throw Error("invalid_response", "the response holds a header whose name is no token");
  if (!isFieldValue(value))
    throw Error("invalid_response", "the response holds a control character in its header " + name);
  for (std::string_view own : {"Content-Length", "Transfer-Encoding", "Connection", "Date"})
    if (equalIgnoringCase(name, own))
      throw Error("invalid_response", "the response sets " + name + ", which only the edge may set");
}

} // namespace

std::string_view reasonPhrase(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 204:
    return "No Content";
  case 301:
    return "Moved Permanently";
  case 302:
    return "Found";
  case 303:
    return "See Other";
  case 304:
    return "Not Modified";
  case 307:
    return "Temporary Redirect";
  case 308:
    return "Permanent Redirect";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 406:
    return "Not Acceptable";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 410:
    return "Gone";
  case 411:
    return "Length Required";
  case 412:
    return "Precondition Failed";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 417:
    return "Expectation Failed";
  case 422:
    return "Unprocessable Content";
  case 428:
    return "Precondition Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 505:
    return "HTTP Version Not Supported";
  case 507:
    return "Insufficient Storage";
  default:
    return "Status";
  }
}

// Not inline: g++ 12 sees an overlap in the moved strings that is not there.
Response& Response::header(std::string name, std::string value) {
  headers.emplace_back(std::move(name), std::move(value));
  return *this;
}

Response Response::json(int status, const nlohmann::json& body) {
  Response response{.status = status};
  response.header("Content-Type", "application/json");
  response.body = jsonText(body);
  return response;
}

Response Response::html(int status, std::string body) {
  Response response{.status = status};
  response.header("Content-Type", "text/html; charset=utf-8");
  response.body = std::move(body);
  return response;
}

Response Response::text(int status, std::string body) {
  Response response{.status = status};
  response.header("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

Response Response::redirect(std::string location, int status) {
  Response response{.status = status};
  response.header("Location", std::move(location));
  return response;
}

Response problem(int status, std::string_view code, std::string_view detail, std::string_view pointer) {
  nlohmann::ordered_json body;
  body["type"] = "about:blank";
  body["title"] = reasonPhrase(status);
  body["status"] = status;
  body["code"] = code;
  body["detail"] = detail;
  if (!pointer.empty())
    body["pointer"] = pointer;
  Response response{.status = status};
  response.header("Content-Type", "application/problem+json");
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return response;
}

bool hasBody(const Response& response, const Framing& framing) {
  return !framing.headRequest && response.status != 204 && response.status != 304;
}

void serialize(const Response& response, const Framing& framing, std::string& out) {
  if (response.status < 200 || response.status > 599)
    throw Error("invalid_response", "the response has the status " + std::to_string(response.status));
  for (const auto& [name, value] : response.headers)
    checkHeader(name, value);
  out += "HTTP/1.1 ";
  appendNumber(out, static_cast<std::size_t>(response.status));
  out += ' ';
  out += reasonPhrase(response.status);
  out += "\r\nDate: ";
  out += framing.date;
  out += "\r\n";
  for (const auto& [name, value] : response.headers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  if (response.status != 204 && response.status != 304) {
    out += "Content-Length: ";
    appendNumber(out, response.content().size());
    out += "\r\n";
  }
  if (framing.close)
    out += "Connection: close\r\n";
  out += "\r\n";
  if (!response.sharedBody && hasBody(response, framing))
    out += response.body;
}

} // namespace calbridge::http
