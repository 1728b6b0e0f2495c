// A calendar provider that costs next to nothing, so that figures show the host and not what it talks to: the subset of
// Google's OAuth and Calendar v3 that a push needs, on one epoll loop. It checks nothing (the sandbox does) but counts:
// every write, every entry, and entries that came twice under different ids.
//
//   POST /token                           code=ACCOUNT or refresh_token=…: a token for that account
//   POST /calendars/{id}/events           made; 409 when the id is taken
//   GET, PUT, PATCH, DELETE …/events/{id} as Google does, without rules
//   GET  /stats                           {"pushes","entries","doubled"}
//   GET  /arrivals                        when the mark of each push came: {"mark": [microseconds of CLOCK_MONOTONIC…]}
//   POST /latency/{ms}                    from now on every calendar call takes that long
//   POST /reset                           forgets entries and counts
#include "core/digest.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

namespace {

using Steady = std::chrono::steady_clock;

/// What a benchmark writes into the service's name to recognise it in a push; nine digits follow.
constexpr std::string_view kMark = "Bench ";
constexpr std::size_t kMarkDigits = 9;

struct Peer {
  int fd = -1;
  std::string in;
  std::uint64_t serial = 0; ///< tells this use of the descriptor from a later one
};

struct Request {
  std::string_view method, path, head, body;
};

struct Answer {
  int status = 200;
  std::string body;
  bool slow = false; ///< of the calendar: takes the latency that was asked for
};

std::string_view between(std::string_view text, std::string_view before, char until) {
  const auto at = text.find(before);
  if (at == std::string_view::npos)
    return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find(until));
}

class Provider {
 public:
  Answer answer(const Request& request) {
    if (request.path.starts_with("/calendars/"))
      return calendar(request);
    if (request.path == "/token")
      return {200, token(request.body)};
    if (request.path == "/stats")
      return {200, "{\"pushes\":" + std::to_string(pushes_) + ",\"entries\":" + std::to_string(entries_.size()) +
                       ",\"doubled\":" + std::to_string(doubled_) + "}"};
    if (request.path == "/arrivals")
      return {200, arrivals()};
    if (request.path.starts_with("/latency/")) {
      int ms = 0;
      std::from_chars(request.path.data() + 9, request.path.data() + request.path.size(), ms);
      latency = std::chrono::milliseconds(ms);
      return {200, "{}"};
    }
    if (request.path == "/reset") {
      pushes_ = doubled_ = 0;
      entries_.clear();
      idOfMark_.clear();
      arrivals_.clear();
      return {200, "{}"};
    }
    return {404, R"({"error":{"code":404,"message":"unknown"}})"};
  }

  std::chrono::milliseconds latency{0};

 private:
  static std::string token(std::string_view form) {
    std::string account(between(form, "code=", '&'));
    if (account.empty())
      account = between(form, "refresh_token=refresh-", '&');
    const std::string claims = R"({"sub":")" + account + R"(","email":")" + account + R"(@bench.example"})";
    return R"({"access_token":"access-)" + account + R"(","refresh_token":"refresh-)" + account +
           R"(","expires_in":36000,"token_type":"Bearer","scope":"openid email https://www.googleapis.com/auth/)" +
           R"(calendar.events","id_token":")" + calbridge::base64UrlEncode(R"({"alg":"none"})") + "." +
           calbridge::base64UrlEncode(claims) + ".c2ln\"}";
  }

  static std::string entry(std::string_view id) {
    return R"({"id":")" + std::string(id) + R"(","etag":"\"p1\"","htmlLink":"https://calendar.example/e"})";
  }

  Answer calendar(const Request& request) {
    const auto path = request.path.substr(0, request.path.find('?'));
    const auto events = path.find("/events");
    if (events == std::string_view::npos)
      return {200, R"({"id":"primary"})", true};
    ++pushes_;
    const std::string account(between(request.head, "Bearer access-", '\r'));
    if (path.size() == events + 7) {
      const std::string id(between(request.body, "\"id\":\"", '"'));
      if (!entries_.try_emplace(account + "/" + id, true).second)
        return {409, R"({"error":{"code":409,"errors":[{"reason":"duplicate"}]}})", true};
      note(account, id, request.body);
      return {200, entry(id), true};
    }
    const auto id = path.substr(events + 8);
    const auto known = entries_.find(account + "/" + std::string(id));
    if (known == entries_.end())
      return {404, R"({"error":{"code":404,"errors":[{"reason":"notFound"}]}})", true};
    if (request.method == "DELETE") {
      entries_.erase(known);
      return {204, "", true};
    }
    if (request.method != "GET")
      note(account, std::string(id), request.body);
    return {200, entry(id), true};
  }

  void note(const std::string& account, const std::string& id, std::string_view body) {
    const auto at = body.find(kMark);
    if (at == std::string_view::npos || body.size() < at + kMark.size() + kMarkDigits)
      return;
    const std::string mark(body.substr(at + kMark.size(), kMarkDigits));
    arrivals_[mark].push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(Steady::now().time_since_epoch()).count());
    const auto [known, fresh] = idOfMark_.try_emplace(account + "/" + mark, id);
    if (!fresh && known->second != id)
      ++doubled_;
  }

  std::string arrivals() const {
    std::string out = "{";
    for (const auto& [mark, times] : arrivals_) {
      out += (out.size() > 1 ? ",\"" : "\"") + mark + "\":[";
      for (const auto time : times)
        out += (out.back() == '[' ? "" : ",") + std::to_string(time);
      out += "]";
    }
    return out + "}";
  }

  long pushes_ = 0;
  long doubled_ = 0;
  std::unordered_map<std::string, bool> entries_; ///< account/id
  std::unordered_map<std::string, std::string> idOfMark_;
  std::unordered_map<std::string, std::vector<long>> arrivals_;
};

class Loop {
 public:
  explicit Loop(Provider& provider) : provider_(provider), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  int listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 4096) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
      return 0;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener_;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
    return ntohs(at.sin_port);
  }

  [[noreturn]] void run() {
    epoll_event events[256];
    for (;;) {
      const int ready = ::epoll_wait(epoll_, events, 256, untilNext());
      for (int i = 0; i < ready; ++i) {
        if (events[i].data.fd == listener_)
          acceptAll();
        else
          receive(events[i].data.fd);
      }
      sendDue();
    }
  }

 private:
  struct Late {
    Steady::time_point at;
    int fd;
    std::uint64_t serial;
    std::string bytes;
  };

  int untilNext() const {
    if (late_.empty())
      return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(late_.front().at - Steady::now()).count();
    return static_cast<int>(std::max<long>(left, 0));
  }

  void acceptAll() {
    for (int fd = 0; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
      const int one = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      peers_[fd] = Peer{fd, {}, ++serial_};
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    }
  }

  void receive(int fd) {
    Peer& peer = peers_[fd];
    char buffer[16384];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (got <= 0) {
      ::close(fd);
      peers_.erase(fd);
      return;
    }
    peer.in.append(buffer, static_cast<std::size_t>(got));
    while (takeRequest(peer)) {
    }
  }

  bool takeRequest(Peer& peer) {
    const std::string_view in = peer.in;
    const auto headEnd = in.find("\r\n\r\n");
    if (headEnd == std::string_view::npos)
      return false;
    Request request;
    request.head = in.substr(0, headEnd + 2);
    std::size_t length = 0;
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    if (const auto at = request.head.find(kLength); at != std::string_view::npos)
      std::from_chars(in.data() + at + kLength.size(), in.data() + headEnd, length);
    if (in.size() < headEnd + 4 + length)
      return false;
    request.body = in.substr(headEnd + 4, length);
    const auto space = request.head.find(' ');
    request.method = request.head.substr(0, space);
    request.path = request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
    const Answer answer = provider_.answer(request);
    std::string bytes =
        "HTTP/1.1 " + std::to_string(answer.status) +
        " OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" +
        answer.body;
    peer.in.erase(0, headEnd + 4 + length);
    if (answer.slow && provider_.latency.count() > 0)
      late_.push_back({Steady::now() + provider_.latency, peer.fd, peer.serial, std::move(bytes)});
    else
      sendAll(peer.fd, bytes);
    return true;
  }

  void sendDue() {
    const auto now = Steady::now();
    while (!late_.empty() && late_.front().at <= now) {
      const auto peer = peers_.find(late_.front().fd);
      if (peer != peers_.end() && peer->second.serial == late_.front().serial)
        sendAll(late_.front().fd, late_.front().bytes);
      late_.pop_front();
    }
  }

  /// Answers are small but for /arrivals, whose reader is waited for.
  static void sendAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (sent <= 0)
        return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  Provider& provider_;
  int epoll_;
  int listener_ = -1;
  std::uint64_t serial_ = 0;
  std::unordered_map<int, Peer> peers_;
  std::deque<Late> late_;
};

} // namespace

int main() {
  Provider provider;
  Loop loop(provider);
  const int port = loop.listen();
  if (port == 0) {
    std::perror("bench_provider: cannot listen on loopback");
    return 3;
  }
  std::printf("http://127.0.0.1:%d\n", port);
  std::fflush(stdout);
  loop.run();
}
