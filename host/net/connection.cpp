#include "net/connection.hpp"

#include <Poco/Error.h>
#include <Poco/Exception.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

namespace calbridge::net {
namespace {

using Poco::Net::SecureStreamSocket;
using Poco::Net::StreamSocket;
using Kind = HttpFailure::Kind;

/// Waits until the socket is ready. One poll(2); Poco's own poll() makes and closes an epoll instance each time.
void awaitReady(const StreamSocket& socket, short events, const Deadline& deadline) {
  pollfd waiting{socket.impl()->sockfd(), events, 0};
  for (;;) {
    const int ready = ::poll(&waiting, 1, static_cast<int>(deadline.slice().count()));
    if (ready > 0) {
      return; // an error or hang-up counts: the next system call reports it
    }
    if (ready < 0 && errno != EINTR) {
      throw ExchangeError{Kind::connect, "cannot wait for the connection: " + Poco::Error::getMessage(errno)};
    }
  }
}

/// Nothing to read and not closed: what an idle keep-alive connection must look like.
enum class Pending { nothing, bytes, closed };
Pending pending(const StreamSocket& socket) {
  char byte = 0;
  const ssize_t got = ::recv(socket.impl()->sockfd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) {
    return Pending::bytes;
  }
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Pending::nothing : Pending::closed;
}

StreamSocket connectTo(const Url& url, const Poco::Net::SocketAddress& address, const Deadline& deadline) {
  try {
    StreamSocket socket;
    socket.connectNB(address);
    awaitReady(socket, POLLOUT, deadline);
    if (const int error = socket.impl()->socketError(); error != 0) {
      throw ExchangeError{Kind::connect,
                          "cannot connect to " + url.authority() + ": " + Poco::Error::getMessage(error)};
    }
    socket.setNoDelay(true);
    return socket;
  } catch (const Poco::Exception& exception) {
    throw ExchangeError{Kind::connect, "cannot connect to " + url.authority() + ": " + exception.name()};
  }
}

/// Plain TCP, on a blocking socket whose kernel timeout is one slice: two system calls an exchange, and no poll.
class PlainConnection final : public Connection {
 public:
  explicit PlainConnection(const StreamSocket& socket) : socket_(socket) { socket_.setBlocking(true); }

  void write(std::string_view bytes, bool& sent, const Deadline& deadline) override {
    try {
      while (!bytes.empty()) {
        setTimeout(SO_SNDTIMEO, sendSlice_, deadline.slice());
        const int done = sendSome(bytes);
        sent = sent || done > 0;
        bytes.remove_prefix(static_cast<std::size_t>(done));
      }
    } catch (const Poco::Exception& exception) {
      throw ExchangeError{Kind::truncated, std::string("the connection broke while sending: ") + exception.name()};
    }
  }

  std::size_t read(std::span<char> into, const Deadline& deadline) override {
    for (;;) {
      setTimeout(SO_RCVTIMEO, receiveSlice_, deadline.slice());
      try {
        return static_cast<std::size_t>(socket_.receiveBytes(into.data(), static_cast<int>(into.size())));
      } catch (const Poco::TimeoutException&) {
        continue; // the slice is over; the deadline decides
      } catch (const Poco::Exception& exception) {
        throw ExchangeError{Kind::truncated, std::string("the connection broke: ") + exception.name()};
      }
    }
  }

  bool usable() override { return pending(socket_) == Pending::nothing; }

  /// The socket as TLS wants it.
  const StreamSocket& unblocked() {
    socket_.setBlocking(false);
    return socket_;
  }

 private:
  int sendSome(std::string_view bytes) {
    try {
      return socket_.sendBytes(bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)));
    } catch (const Poco::TimeoutException&) {
      return 0;
    }
  }

  void setTimeout(int option, std::chrono::milliseconds& current, std::chrono::milliseconds wanted) {
    if (current != wanted) {
      socket_.impl()->setOption(SOL_SOCKET, option, Poco::Timespan(wanted.count() * 1000));
      current = wanted;
    }
  }

  StreamSocket socket_;
  std::chrono::milliseconds sendSlice_{0};
  std::chrono::milliseconds receiveSlice_{0};
};

/// TLS on a non-blocking socket: OpenSSL says which way it wants to wait.
class TlsConnection final : public Connection {
 public:
  TlsConnection(const Url& url, const StreamSocket& socket, const Poco::Net::Context::Ptr& context,
                const Deadline& deadline)
      : socket_(SecureStreamSocket::attach(socket, url.host, context)) {
    try {
      for (int done = 0; (done = socket_.completeHandshake()) != 1;) {
        awaitWanted(done, deadline);
      }
      socket_.verifyPeerCertificate(url.host);
    } catch (const Poco::Net::CertificateValidationException&) {
      throw ExchangeError{Kind::tls, "the certificate is not valid for " + url.host};
    } catch (const Poco::Exception& exception) {
      throw ExchangeError{Kind::tls, "no trusted TLS connection to " + url.authority() + ": " + exception.message()};
    }
  }

  void write(std::string_view bytes, bool& sent, const Deadline& deadline) override {
    try {
      while (!bytes.empty()) {
        deadline.slice();
        const int done =
            socket_.sendBytes(bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), kRecord)));
        if (done > 0) {
          bytes.remove_prefix(static_cast<std::size_t>(done));
          sent = true;
        } else {
          sent = true; // a record may be half on its way
          awaitWanted(done, deadline);
        }
      }
    } catch (const Poco::Exception& exception) {
      throw ExchangeError{Kind::truncated, std::string("the connection broke while sending: ") + exception.name()};
    }
  }

  std::size_t read(std::span<char> into, const Deadline& deadline) override {
    try {
      for (;;) {
        deadline.slice();
        const int done = socket_.receiveBytes(into.data(), static_cast<int>(into.size()));
        if (done >= 0) {
          return static_cast<std::size_t>(done);
        }
        awaitWanted(done, deadline);
      }
    } catch (const Poco::Exception& exception) {
      // An end without close_notify comes here too: it may be an attacker's, so it is never a complete body.
      throw ExchangeError{Kind::truncated, std::string("the connection broke: ") + exception.name()};
    }
  }

  bool usable() override {
    try {
      char byte = 0;
      const Pending state = pending(socket_);
      // Session tickets arrive as bytes that are no application data.
      return state == Pending::nothing ||
             (state == Pending::bytes && socket_.receiveBytes(&byte, 1) == SecureStreamSocket::ERR_SSL_WANT_READ);
    } catch (const Poco::Exception&) {
      return false;
    }
  }

 private:
  static constexpr std::size_t kRecord = 16384; // the same length must be offered again after "want write"

  void awaitWanted(int answer, const Deadline& deadline) {
    awaitReady(socket_, answer == SecureStreamSocket::ERR_SSL_WANT_WRITE ? POLLOUT : POLLIN, deadline);
  }

  SecureStreamSocket socket_;
};

} // namespace

std::unique_ptr<Connection> Connection::open(const Url& url, const Poco::Net::SocketAddress& address,
                                             const Poco::Net::Context::Ptr& context, const Deadline& deadline) {
  const StreamSocket socket = connectTo(url, address, deadline);
  try {
    if (!url.secure()) {
      return std::make_unique<PlainConnection>(socket);
    }
    return std::make_unique<TlsConnection>(url, socket, context, deadline);
  } catch (const Poco::Exception& exception) {
    throw ExchangeError{Kind::connect, "cannot talk to " + url.authority() + ": " + exception.name()};
  }
}

std::unique_ptr<Connection> Connection::secure(std::unique_ptr<Connection> plain, const Url& url,
                                               const Poco::Net::Context::Ptr& context, const Deadline& deadline) {
  try {
    return std::make_unique<TlsConnection>(url, dynamic_cast<PlainConnection&>(*plain).unblocked(), context, deadline);
  } catch (const Poco::Exception& exception) {
    throw ExchangeError{Kind::tls, "no TLS with " + url.authority() + ": " + exception.name()};
  }
}

} // namespace calbridge::net
