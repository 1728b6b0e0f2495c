#pragma once
#include "core/error.hpp"
#include "http/edge/server.hpp"
#include "raw_client.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::http {

/// Time that only the test moves.
class ManualClock final : public Clock {
 public:
  TimeMs now() const override { return 1'780'000'000'000 + ms_.load(); }
  TimeMs monotonic() const override { return 1000 + ms_.load(); }
  void advance(std::chrono::milliseconds by) { ms_ += by.count(); }

 private:
  std::atomic<TimeMs> ms_{0};
};

class RecordingLogger final : public Logger {
 public:
  bool enabled(Level) const override { return true; }
  void write(Level, std::string_view message, std::initializer_list<Field> fields) override {
    std::lock_guard lock(mutex_);
    text_ += message;
    for (const auto& [name, value] : fields)
      text_ += " " + std::string(name) + "=" + value;
    text_ += "\n";
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// Asks again until it is so; false when it is not within half a minute.
template <typename Check>
bool eventually(Check&& check) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!check()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::yield();
  }
  return true;
}

/// A server whose handler tells what it was asked, with gates for requests that must take their time.
class Edge {
 public:
  explicit Edge(ServerOptions options = {}, Handler handler = {}) {
    if (options.listen.empty())
      options.listen = {"127.0.0.1:0"};
    server_ = std::make_unique<Server>(
        std::move(options), handler ? std::move(handler) : Handler([this](Request& request) { return echo(request); }),
        logger, clock);
    server_->start();
    port = server_->ports().at(0);
  }
  ~Edge() { open(); }

  Server& server() { return *server_; }
  RawClient client(const std::string& from = {}) const { return RawClient(port, "127.0.0.1", from); }
  std::string ask(const std::string& bytes) const {
    RawClient client(port);
    client.send(bytes);
    return client.readAll();
  }
  void waitInside(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ >= count; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  std::vector<std::string> seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
  }

  ManualClock clock;
  RecordingLogger logger;
  std::uint16_t port = 0;

 private:
  Response echo(Request& request) {
    {
      std::unique_lock lock(mutex_);
      seen_.push_back(request.method + " " + request.path);
      if (request.path == "/wait") {
        ++inside_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_; });
      }
    }
    if (request.path == "/throw")
      throw std::runtime_error("the secret reason");
    if (request.path == "/throw-error")
      throw Error("some_code", "public", "private detail");
    if (request.path == "/split")
      return Response::text(200, "x").header("X-Evil", request.queryValue("v").value_or("a\r\nSet-Cookie: x"));
    if (request.path == "/large") {
      Response response;
      response.sharedBody = std::make_shared<const std::string>(std::size_t{64} << 20, 'x');
      return response;
    }
    return Response::text(200, request.method + " " + request.path + "?" + request.query + " [" + request.body + "]");
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int inside_ = 0;
  std::vector<std::string> seen_;
  std::unique_ptr<Server> server_;
};

inline int statusOf(const std::string& response) {
  return response.starts_with("HTTP/1.1 ") ? std::stoi(response.substr(9, 3)) : 0;
}

/// How often that text occurs.
inline std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size())
    ++found;
  return found;
}

} // namespace calbridge::http
