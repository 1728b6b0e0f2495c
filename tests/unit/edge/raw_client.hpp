#pragma once
#include <Poco/Exception.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/Timespan.h>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace calbridge::http {

/// One TCP connection that says exactly what a test wants said.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, const std::string& host = "127.0.0.1", const std::string& from = {}) {
    Poco::Net::SocketAddress to(host, port);
    if (!from.empty()) { // any 127.x.y.z is ours on Linux
      socket_ = Poco::Net::StreamSocket(Poco::Net::SocketAddress::IPv4);
      socket_.impl()->bind(Poco::Net::SocketAddress(from, 0), true);
    }
    socket_.connect(to);
    socket_.setReceiveTimeout(Poco::Timespan(20, 0));
    socket_.setNoDelay(true);
  }

  /// False when the other side has closed.
  bool send(std::string_view bytes) {
    try {
      while (!bytes.empty())
        bytes.remove_prefix(
            static_cast<std::size_t>(socket_.sendBytes(bytes.data(), static_cast<int>(bytes.size()), MSG_NOSIGNAL)));
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  /// Everything until the other side closes; "" also when it resets.
  std::string readAll() {
    std::string all = std::move(pending_);
    pending_.clear();
    while (fill(all)) {
    }
    return all;
  }

  /// One response with a Content-Length, head and body; what came of it when the connection ends before.
  std::string readResponse(bool bodyless = false) {
    std::size_t head = 0;
    while ((head = pending_.find("\r\n\r\n")) == std::string::npos)
      if (!fill(pending_))
        return std::move(pending_);
    std::size_t size = head + 4;
    std::size_t length = pending_.find("Content-Length: ");
    if (!bodyless && length < head)
      size += std::stoul(pending_.substr(length + 16));
    while (pending_.size() < size)
      if (!fill(pending_))
        return std::move(pending_);
    std::string response = pending_.substr(0, size);
    pending_.erase(0, size);
    return response;
  }

  /// True when the other side has closed and nothing is left to read.
  bool closed() { return pending_.empty() && !fill(pending_); }

  Poco::Net::StreamSocket& socket() { return socket_; }

 private:
  bool fill(std::string& into) {
    char buffer[65536];
    try {
      int got = socket_.receiveBytes(buffer, sizeof buffer);
      into.append(buffer, static_cast<std::size_t>(std::max(0, got)));
      return got > 0;
    } catch (const Poco::TimeoutException&) {
      throw std::runtime_error("the server neither answered nor closed within 20 s");
    } catch (const std::exception&) {
      return false;
    }
  }

  Poco::Net::StreamSocket socket_;
  std::string pending_;
};

} // namespace calbridge::http
