#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace calbridge::http {

/// The bare connection, for the few answers that are not one head and one body (streams, and a test server's faults).
/// Borrowed for the call; used by that thread only.
class Wire {
 public:
  virtual ~Wire() = default;
  /// Writes all of it. False when the peer is gone, the write deadline passed or the server stops.
  virtual bool send(std::string_view bytes) = 0;
  /// Waits that long. False at once when the peer closes or the server stops.
  virtual bool wait(std::chrono::milliseconds time) = 0;
  /// Closes with a TCP reset instead of an orderly end.
  virtual void reset() = 0;
};

/// One answer. Content-Length, Date and Connection are the edge's: a handler that sets them, or sets a header with a
/// control character, gets a 500 instead of a split response.
struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::shared_ptr<const std::string> sharedBody{}; ///< sent instead of `body` when set, without copying a large one
  bool close = false;                              ///< end the connection after this answer
  std::function<void(Wire&)> takeOver{}; ///< when set, nothing else is sent; the connection closes when it returns
  std::function<void()> afterwards{};    ///< when set, called on the connection's thread once the answer is sent

  Response& header(std::string name, std::string value);
  /// The body that will be sent.
  const std::string& content() const { return sharedBody ? *sharedBody : body; }

  static Response json(int status, const nlohmann::json& body);
  static Response html(int status, std::string body);
  static Response text(int status, std::string body);
  static Response redirect(std::string location, int status = 302);
  static Response noContent() { return Response{.status = 204}; }
};

/// RFC 9457 problem details with our own `code` and, when one field is to blame, its JSON pointer.
Response problem(int status, std::string_view code, std::string_view detail, std::string_view pointer = {});

/// Reason phrase of RFC 9110; "Status" for numbers that it does not name.
std::string_view reasonPhrase(int status);

/// How the head of a response is completed by the edge.
struct Framing {
  bool headRequest = false; ///< HEAD: the length is told, the body is not sent
  bool close = false;
  std::string_view date; ///< IMF-fixdate
};

/// Appends status line and headers, and the body unless it is shared or not to be sent. Throws
/// Error("invalid_response") for a status outside 200–599, a header name that is no token, a value with a control
/// character, or a header of the edge's own.
void serialize(const Response& response, const Framing& framing, std::string& out);
/// True when `response`'s body follows its head (not for HEAD, 204 and 304).
bool hasBody(const Response& response, const Framing& framing);

} // namespace calbridge::http
