#include "load_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace calbridge::bench {

namespace {

using Steady = std::chrono::steady_clock;

struct Peer {
  int fd = -1;
  std::string out;
  std::size_t sent = 0;
  std::string in;
  Steady::time_point begin;
  ~Peer() {
    if (fd >= 0)
      ::close(fd);
  }
};

int connectTo(const LoadPlan& plan) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(plan.port);
  bool fine = fd >= 0 && ::inet_pton(AF_INET, plan.host.c_str(), &to.sin_addr) == 1 &&
              ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  if (!fine) {
    std::string reason = std::strerror(errno);
    if (fd >= 0)
      ::close(fd);
    throw std::runtime_error("cannot connect to " + plan.host + ":" + std::to_string(plan.port) + ": " + reason);
  }
  int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

double threadCpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Size of the first whole answer in `in`, 0 when more must come, npos when it is none.
std::size_t answerSize(std::string_view in, int& status) {
  std::size_t end = in.find("\r\n\r\n");
  if (end == std::string_view::npos)
    return 0;
  if (!in.starts_with("HTTP/1.1 ") || std::from_chars(in.data() + 9, in.data() + 12, status).ec != std::errc{})
    return std::string_view::npos;
  std::size_t length = 0;
  constexpr std::string_view kName = "\r\ncontent-length:";
  auto head = in.substr(0, end + 2);
  auto found = std::search(head.begin(), head.end(), kName.begin(), kName.end(),
                           [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
  if (found != head.end()) {
    auto at = static_cast<std::size_t>(found - head.begin()) + kName.size();
    while (at < head.size() && head[at] == ' ')
      ++at;
    std::from_chars(head.data() + at, head.data() + head.size(), length);
  }
  std::size_t size = end + 4 + length;
  return in.size() < size ? 0 : size;
}

/// One thread's share of the connections.
class Loop {
 public:
  Loop(const LoadPlan& plan, std::atomic<std::size_t>& next, std::size_t connections) : plan_(plan), next_(next) {
    for (std::size_t i = 0; i < connections; ++i) {
      peers_.push_back(std::make_unique<Peer>());
      peers_.back()->fd = connectTo(plan);
    }
  }

  void run() {
    double cpu = threadCpu();
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (auto& peer : peers_) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = peer.get();
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, peer->fd, &event);
      start(*peer);
    }
    epoll_event events[64];
    while (busy_ > 0) {
      int ready = ::epoll_wait(epoll_, events, 64, 30000);
      if (ready == 0) { // nothing for half a minute
        failed += busy_;
        break;
      }
      for (int i = 0; i < ready; ++i)
        receive(*static_cast<Peer*>(events[i].data.ptr));
    }
    ::close(epoll_);
    cpuSeconds = threadCpu() - cpu;
  }

  std::size_t failed = 0;
  double cpuSeconds = 0;
  std::map<int, std::size_t> statuses;
  std::vector<std::uint32_t> latencies;

 private:
  void start(Peer& peer) {
    std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= plan_.requests)
      return;
    peer.out.clear();
    plan_.request(index, peer.out);
    peer.begin = Steady::now();
    ++busy_;
    for (std::size_t sent = 0; sent < peer.out.size();) { // requests are small: blocking is fine
      ssize_t n = ::send(peer.fd, peer.out.data() + sent, peer.out.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) {
        lose(peer);
        return;
      }
      sent += static_cast<std::size_t>(n);
    }
  }

  void receive(Peer& peer) {
    char buffer[16384];
    ssize_t got = ::recv(peer.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (got <= 0) {
      lose(peer);
      return;
    }
    peer.in.append(buffer, static_cast<std::size_t>(got));
    int status = 0;
    std::size_t size = answerSize(peer.in, status);
    if (size == 0)
      return;
    if (size == std::string::npos) {
      lose(peer);
      return;
    }
    peer.in.erase(0, size);
    --busy_;
    ++statuses[status];
    auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - peer.begin).count();
    latencies.push_back(static_cast<std::uint32_t>(took));
    start(peer);
  }

  /// The request is counted as failed, and the connection is made anew.
  void lose(Peer& peer) {
    --busy_;
    ++failed;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, peer.fd, nullptr);
    ::close(peer.fd);
    peer.fd = -1;
    peer.in.clear();
    try {
      peer.fd = connectTo(plan_);
    } catch (const std::exception&) {
      return; // the others go on
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &peer;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.fd, &event);
    start(peer);
  }

  const LoadPlan& plan_;
  std::atomic<std::size_t>& next_;
  std::vector<std::unique_ptr<Peer>> peers_;
  int epoll_ = -1;
  std::size_t busy_ = 0;
};

} // namespace

std::size_t LoadReport::notSuccessful() const {
  std::size_t count = 0;
  for (auto [status, times] : statuses)
    if (status < 200 || status > 299)
      count += times;
  return count;
}

std::uint32_t LoadReport::percentile(double share) const {
  if (latencies.empty())
    return 0;
  auto at = static_cast<std::size_t>(share * static_cast<double>(latencies.size()));
  return latencies[std::min(at, latencies.size() - 1)];
}

std::string LoadReport::summary() const {
  return std::to_string(static_cast<long>(perSecond())) + " req/s, p50 " + std::to_string(percentile(0.5)) +
         " us, p99 " + std::to_string(percentile(0.99)) + " us, " + std::to_string(notSuccessful()) + " not 2xx, " +
         std::to_string(failed) + " failed";
}

LoadReport runLoad(const LoadPlan& plan) {
  std::atomic<std::size_t> next{0};
  std::vector<std::unique_ptr<Loop>> loops;
  std::size_t threads = std::max<std::size_t>(1, std::min(plan.threads, plan.connections));
  for (std::size_t t = 0; t < threads; ++t)
    loops.push_back(
        std::make_unique<Loop>(plan, next, plan.connections / threads + (t < plan.connections % threads ? 1 : 0)));
  auto begin = Steady::now();
  std::vector<std::thread> running;
  for (auto& loop : loops)
    running.emplace_back([&loop] { loop->run(); });
  for (auto& thread : running)
    thread.join();
  LoadReport report;
  report.seconds = std::chrono::duration<double>(Steady::now() - begin).count();
  for (auto& loop : loops) {
    report.cpuSeconds += loop->cpuSeconds;
    report.failed += loop->failed;
    for (auto [status, times] : loop->statuses)
      report.statuses[status] += times;
    report.latencies.insert(report.latencies.end(), loop->latencies.begin(), loop->latencies.end());
  }
  std::sort(report.latencies.begin(), report.latencies.end());
  report.answered = report.latencies.size();
  return report;
}

std::string postJson(const std::string& path, const std::string& body, const std::string& authorization) {
  std::string request = "POST " + path + " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n";
  if (!authorization.empty())
    request += "Authorization: " + authorization + "\r\n";
  return request + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

} // namespace calbridge::bench
