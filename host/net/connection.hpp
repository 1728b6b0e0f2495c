#pragma once
#include "core/url.hpp"
#include "net/deadline.hpp"

#include <Poco/Net/Context.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <boost/beast/core/flat_buffer.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace calbridge::net {

/// One open connection to an origin, plain or TLS, every wait of which ends with the deadline. One thread at a time.
class Connection {
 public:
  /// Connects and, for https, shakes hands and checks the certificate against `url.host`. Throws ExchangeError.
  static std::unique_ptr<Connection> open(const Url& url, const Poco::Net::SocketAddress& address,
                                          const Poco::Net::Context::Ptr& context, const Deadline& deadline);
  /// The same connection with TLS from here on, as after STARTTLS (RFC 3207). `plain` was opened for an http URL and
  /// has nothing left to read; `url.host` is what the certificate must name. Throws ExchangeError.
  static std::unique_ptr<Connection> secure(std::unique_ptr<Connection> plain, const Url& url,
                                            const Poco::Net::Context::Ptr& context, const Deadline& deadline);
  virtual ~Connection() = default;

  /// Sends all of it. `sent` becomes true as soon as one byte is on its way. Throws ExchangeError.
  virtual void write(std::string_view bytes, bool& sent, const Deadline& deadline) = 0;
  /// At least one byte, or 0 when the peer closed in an orderly way. Throws ExchangeError.
  virtual std::size_t read(std::span<char> into, const Deadline& deadline) = 0;
  /// Did the peer leave it open and send nothing since the last exchange? Does not wait.
  virtual bool usable() = 0;

  /// When it was last given back; kept by the pool.
  Deadline::SteadyClock::time_point idleSince{};
  /// Has an exchange been completed on it before?
  bool reused = false;
  /// What has been read and not yet taken; empty between exchanges. It stays with the connection: a buffer made and
  /// freed for every answer was the dearest allocation of a push.
  boost::beast::flat_buffer received;

 protected:
  Connection() = default;
};

} // namespace calbridge::net
