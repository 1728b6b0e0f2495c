#pragma once
#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/SecureServerSocket.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

namespace calbridge::test {

/// One accepted connection, as a script sees it.
class Peer {
 public:
  explicit Peer(Poco::Net::StreamSocket socket) : socket_(std::move(socket)) {}

  /// Reads one request (head, and as much body as its Content-Length says); empty when the client has gone.
  std::string request() {
    std::string text;
    while (text.find("\r\n\r\n") == std::string::npos) {
      if (!readMore(text)) {
        return {};
      }
    }
    const std::size_t head = text.find("\r\n\r\n") + 4;
    const std::size_t length = text.find("Content-Length: ");
    const std::size_t body = length < head ? std::stoul(text.substr(length + 16)) : 0;
    while (text.size() < head + body) {
      if (!readMore(text)) {
        return {};
      }
    }
    return text;
  }
  void send(const std::string& bytes) { socket_.sendBytes(bytes.data(), static_cast<int>(bytes.size())); }
  void sendOk(const std::string& body) {
    send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  /// Waits until the client closes.
  void awaitClose() {
    std::string ignored;
    while (readMore(ignored)) {
    }
  }
  /// Ends the TCP connection under TLS, so that no closing alert is sent.
  void cut() { ::shutdown(socket_.impl()->sockfd(), SHUT_RDWR); }
  /// Closes with a TCP reset.
  void reset() {
    socket_.setLinger(true, 0);
    socket_.close();
  }

 private:
  bool readMore(std::string& text) {
    char buffer[4096];
    const int got = socket_.receiveBytes(buffer, sizeof buffer);
    text.append(buffer, static_cast<std::size_t>(std::max(got, 0)));
    return got > 0;
  }
  Poco::Net::StreamSocket socket_;
};

/// Runs `script(peer, n)` for the n-th connection (from 0), each on a thread of its own, then closes that connection.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer&, int)>;

  explicit ScriptedServer(Script script, Poco::Net::Context::Ptr tls = {})
      : script_(std::move(script)),
        listener_(tls ? Poco::Net::ServerSocket(Poco::Net::SecureServerSocket(tls)) : Poco::Net::ServerSocket()) {
    listener_.bind(Poco::Net::SocketAddress("127.0.0.1", 0));
    listener_.listen(128);
    port_ = listener_.address().port();
    acceptor_ = std::thread([this] { run(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    ::shutdown(listener_.impl()->sockfd(), SHUT_RDWR);
    acceptor_.join();
    const std::lock_guard lock(mutex_);
    for (auto& worker : workers_) {
      worker.join();
    }
  }
  int connections() const { return connections_; }
  std::string origin(const std::string& scheme = "http", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }
  std::string authority(const std::string& host = "127.0.0.1") const { return host + ":" + std::to_string(port_); }

 private:
  void run() {
    while (!stopping_) {
      try {
        // Shared through the standard library, since ThreadSanitizer does not see the counter inside of Poco's library.
        auto socket = std::make_shared<Poco::Net::StreamSocket>(listener_.acceptConnection());
        const int number = connections_++;
        const std::lock_guard lock(mutex_);
        workers_.emplace_back([this, socket, number] {
          try {
            Peer peer(*socket);
            script_(peer, number);
          } catch (const Poco::Exception&) { // the client went away; what it saw is what counts
          }
          try {
            socket->shutdown();
          } catch (const Poco::Exception&) { // closed already
          }
          socket->close();
        });
      } catch (const Poco::Exception&) { // the listener was shut down
      }
    }
  }

  Script script_;
  Poco::Net::ServerSocket listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<std::thread> workers_;
  std::thread acceptor_;
};

} // namespace calbridge::test
