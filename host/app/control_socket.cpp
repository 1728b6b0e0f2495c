#include "app/control_socket.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <atomic>
#include <sys/stat.h>
#include <thread>

namespace calbridge::app {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxLine = 64 << 20; ///< the whole directory may travel in one answer
const Poco::Timespan kPatience(30, 0);

Poco::Net::SocketAddress addressOf(const std::filesystem::path& path) {
  return {Poco::Net::SocketAddress::UNIX_LOCAL, path.string()};
}

/// Reads up to the line feed; an empty string when the peer says nothing whole.
std::string readLine(Poco::Net::StreamSocket& socket) {
  std::string line;
  char buffer[16384];
  while (line.size() < kMaxLine) {
    const int count = socket.receiveBytes(buffer, sizeof buffer);
    if (count <= 0)
      return {};
    line.append(buffer, static_cast<std::size_t>(count));
    if (line.back() == '\n') {
      line.pop_back();
      return line;
    }
  }
  return {};
}

void writeLine(Poco::Net::StreamSocket& socket, const json& document) {
  const std::string line = document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  std::size_t sent = 0;
  while (sent < line.size()) {
    const int count =
        socket.sendBytes(line.data() + sent, static_cast<int>(std::min<std::size_t>(line.size() - sent, 1 << 20)));
    if (count <= 0)
      return;
    sent += static_cast<std::size_t>(count);
  }
}

} // namespace

class ControlSocket::Listener {
 public:
  Listener(const std::filesystem::path& path, Run run, Logger& logger)
      : path_(path), run_(std::move(run)), logger_(logger) {
    try {
      std::filesystem::remove(path);
      const auto mask = ::umask(0177); // the file must never be open to others, not even for a moment
      try {
        socket_.bind(addressOf(path));
      } catch (...) {
        ::umask(mask);
        throw;
      }
      ::umask(mask);
      socket_.listen(8);
    } catch (const std::exception& error) {
      const auto* poco = dynamic_cast<const Poco::Exception*>(&error);
      throw Error("listen_failed", "cannot open the control socket " + path.string() + ": " +
                                       (poco ? poco->displayText() : error.what()));
    }
    thread_ = std::thread([this] { serve(); });
  }

  ~Listener() {
    stopping_ = true;
    thread_.join();
    socket_.close();
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

 private:
  void serve() {
    while (!stopping_) {
      try {
        if (!socket_.poll(Poco::Timespan(0, 200'000), Poco::Net::Socket::SELECT_READ))
          continue;
        auto peer = socket_.acceptConnection();
        peer.setReceiveTimeout(Poco::Timespan(5, 0));
        peer.setSendTimeout(Poco::Timespan(5, 0));
        answer(peer);
      } catch (const std::exception& error) {
        logger_.warning("a request on the control socket was given up", {{"reason", error.what()}});
      }
    }
  }

  void answer(Poco::Net::StreamSocket& peer) {
    const std::string line = readLine(peer);
    if (line.empty())
      return;
    try {
      writeLine(peer, {{"answer", run_(parseJson(line))}});
    } catch (const Error& error) {
      writeLine(peer, {{"error", {{"code", error.code()}, {"message", error.message()}}}});
    } catch (const json::exception&) {
      writeLine(peer, {{"error", {{"code", "usage"}, {"message", "the request to the host is malformed"}}}});
    }
  }

  const std::filesystem::path path_;
  const Run run_;
  Logger& logger_;
  Poco::Net::ServerSocket socket_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

ControlSocket::ControlSocket(const std::filesystem::path& path, Run run, Logger& logger)
    : listener_(std::make_unique<Listener>(path, std::move(run), logger)) {}

ControlSocket::~ControlSocket() = default;

std::optional<json> ControlSocket::ask(const std::filesystem::path& path, const json& request) {
  Poco::Net::StreamSocket socket;
  try {
    socket.connect(addressOf(path));
  } catch (const Poco::Exception&) {
    return std::nullopt;
  }
  json reply;
  try {
    socket.setReceiveTimeout(kPatience);
    writeLine(socket, request);
    reply = parseJson(readLine(socket), 64);
  } catch (const Poco::Exception& error) {
    throw Error("host_failed", "the running host did not answer: " + error.displayText());
  }
  if (reply.contains("error"))
    throw Error(reply["error"].at("code"), reply["error"].at("message"));
  return reply.at("answer");
}

} // namespace calbridge::app
