#pragma once
#include "core/logger.hpp"
#include "core/time.hpp"
#include "http/edge/request_reader.hpp"
#include "http/edge/response.hpp"
#include "http/edge/server.hpp"
#include "http/edge/tls.hpp"

#include <Poco/Net/StreamSocket.h>
#include <atomic>
#include <cstdint>
#include <string>

namespace calbridge::http {

/// What all connections of one server share; outlives them.
struct ServerContext {
  ServerOptions options;
  ReaderLimits limits;
  Handler handler;
  Logger& logger;
  const Clock& clock;
  std::string idPrefix; ///< of request ids
  std::atomic<std::uint64_t> requests{0};
  std::atomic<bool> stopping{false};
};

/// One accepted connection. run() belongs to its thread; everything named "from outside" may be called by the
/// acceptor's thread while the connection is registered, that is until its thread has said that it ends.
class Connection final : private Wire {
 public:
  /// Where a connection is. `late` and `evicted` are set from outside; `evicted` is never left, `late` only for a
  /// request that had arrived whole before its thread came to read it.
  enum class Stage : std::uint8_t { idle, head, body, handling, writing, draining, late, evicted };

  /// `tls` null: plain. `proxy` set: a trusted proxy, whose word on the client counts.
  Connection(ServerContext& context, Poco::Net::StreamSocket socket, std::string address,
             std::shared_ptr<TlsIdentity> tls = nullptr, std::optional<IpAddress> proxy = std::nullopt);

  /// Serves until the connection ends. Never throws.
  void run();

  /// From outside: ends what has exceeded its deadline at `now`.
  void checkDeadline(TimeMs now);
  /// From outside: closes the connection if it still is in `stage`; a request that is being answered is never cut off
  /// so.
  bool evict(Stage stage);
  /// From outside: no more requests; one that runs may finish.
  void drain();
  /// From outside: cut off whatever it does.
  void abort();
  /// From outside: stage and since when (monotonic ms).
  Stage stage() const { return stageOf(mark_.load(std::memory_order_acquire)); }
  TimeMs since() const { return sinceOf(mark_.load(std::memory_order_acquire)); }
  const std::string& address() const { return address_; }

 private:
  static Stage stageOf(std::uint64_t mark) { return static_cast<Stage>(mark & 7); }
  static TimeMs sinceOf(std::uint64_t mark) { return static_cast<TimeMs>(mark >> 3); }
  static std::uint64_t markOf(Stage stage, TimeMs since) {
    return (static_cast<std::uint64_t>(since) << 3) | static_cast<std::uint64_t>(stage);
  }

  bool enter(Stage stage);
  bool readOn(Stage stage);
  bool begin();
  bool claim(std::uint64_t expected, Stage stage);
  bool shakeHands();
  int receive(char* to, std::size_t size) noexcept;
  bool readRequest();
  void tellClient();
  void refuse();
  bool answer();
  Response handle();
  bool write(const Response& response, bool close);
  bool sendAll(std::string_view bytes) noexcept;
  void linger();
  std::string_view date();

  bool send(std::string_view bytes) override;
  bool wait(std::chrono::milliseconds time) override;
  void reset() override;

  ServerContext& context_;
  Poco::Net::StreamSocket socket_;
  const int fd_; ///< of socket_; what the acceptor's thread may shut down
  const std::string address_;
  const std::shared_ptr<TlsIdentity> identity_;
  const std::optional<IpAddress> proxy_;
  std::unique_ptr<TlsSession> tls_; ///< once the handshake has begun
  std::atomic<std::uint64_t> mark_;
  Request request_;
  RequestReader reader_;
  std::string out_;
  std::string date_;
  TimeMs dateSecond_ = -1;
  bool inputClosed_ = false; ///< the request was taken although it was late: no other can follow
};

} // namespace calbridge::http
