#include "http/edge/connection.hpp"

#include "core/error.hpp"
#include "http/edge/forwarding.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/NetException.h>
#include <Poco/Timespan.h>
#include <charconv>
#include <sys/socket.h>

namespace calbridge::http {

namespace {
constexpr TimeMs kLingerMs = 2000;
constexpr std::size_t kLingerBytes = 16 * 1024 * 1024;
constexpr std::size_t kCopyLimit = 256 * 1024;
constexpr char kTlsHandshake = 0x16; // the first byte of every TLS connection (RFC 8446 section 5.1)
} // namespace

Connection::Connection(ServerContext& context, Poco::Net::StreamSocket socket, std::string address,
                       std::shared_ptr<TlsIdentity> tls, std::optional<IpAddress> proxy)
    : context_(context), socket_(std::move(socket)), fd_(socket_.impl()->sockfd()), address_(std::move(address)),
      identity_(std::move(tls)), proxy_(proxy), mark_(markOf(Stage::head, context.clock.monotonic())),
      reader_(context_.limits, request_) {
  request_.peerAddress = address_;
}

/// Moves on unless somebody outside has ended the connection meanwhile.
bool Connection::enter(Stage stage) {
  std::uint64_t seen = mark_.load(std::memory_order_acquire);
  std::uint64_t wanted = markOf(stage, context_.clock.monotonic());
  do {
    if (stageOf(seen) == Stage::late || stageOf(seen) == Stage::evicted)
      return false;
  } while (!mark_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel));
  return true;
}

/// Moves on while a request is read. What has arrived of a late one is still read: the client may have been in time,
/// and this thread not.
bool Connection::readOn(Stage stage) {
  return enter(stage) || this->stage() == Stage::late;
}

/// The request is whole and becomes ours to answer, also when that was noticed too late.
bool Connection::begin() {
  if (enter(Stage::handling))
    return true;
  std::uint64_t seen = mark_.load(std::memory_order_acquire);
  inputClosed_ = stageOf(seen) == Stage::late &&
                 mark_.compare_exchange_strong(seen, markOf(Stage::handling, context_.clock.monotonic()),
                                               std::memory_order_acq_rel);
  return inputClosed_;
}

bool Connection::claim(std::uint64_t expected, Stage stage) {
  return mark_.compare_exchange_strong(expected, markOf(stage, sinceOf(expected)), std::memory_order_acq_rel);
}

void Connection::checkDeadline(TimeMs now) {
  std::uint64_t mark = mark_.load(std::memory_order_acquire);
  const ServerOptions& options = context_.options;
  TimeMs age = now - sinceOf(mark);
  switch (stageOf(mark)) {
  case Stage::idle:
    if (age >= options.idleTimeout.count())
      evict(Stage::idle);
    break;
  case Stage::head:
  case Stage::body: {
    auto limit = stageOf(mark) == Stage::head ? options.headerTimeout : options.bodyTimeout;
    if (age >= limit.count() && mark_.compare_exchange_strong(mark, markOf(Stage::late, now)))
      ::shutdown(fd_, SHUT_RD); // its thread sees the end and answers 408
    break;
  }
  case Stage::writing:
    if (age >= options.writeTimeout.count())
      evict(Stage::writing);
    break;
  case Stage::draining:
    if (age >= kLingerMs)
      evict(Stage::draining);
    break;
  case Stage::late: // the 408 itself does not go out
    if (age >= kLingerMs && claim(mark, Stage::evicted))
      abort();
    break;
  case Stage::handling:
  case Stage::evicted:
    break;
  }
}

bool Connection::evict(Stage stage) {
  std::uint64_t mark = mark_.load(std::memory_order_acquire);
  if (stageOf(mark) != stage || !claim(mark, Stage::evicted))
    return false;
  abort();
  return true;
}

void Connection::drain() {
  for (Stage stage : {Stage::idle, Stage::head, Stage::draining})
    evict(stage);
}

void Connection::abort() {
  ::shutdown(fd_, SHUT_RDWR);
}

/// Bytes received; 0 for any kind of end.
int Connection::receive(char* to, std::size_t size) noexcept {
  if (tls_)
    return static_cast<int>(tls_->read(to, size));
  try {
    return std::max(0, socket_.receiveBytes(to, static_cast<int>(size)));
  } catch (...) { // reset or shut down: the connection is over either way
    return 0;
  }
}

void Connection::run() {
  try {
    socket_.setNoDelay(true);
    if (identity_ && !shakeHands())
      return;
    while (readRequest() && answer())
      reader_.next();
    if (tls_ && enter(Stage::draining))
      tls_->closeNotify();
  } catch (const std::exception& e) {
    context_.logger.debug("a connection ended with an error", {{"peer", address_}, {"reason", e.what()}});
  }
}

/// The TLS handshake, inside the first header's time. Who speaks plain HTTP instead is told so.
bool Connection::shakeHands() {
  char first = 0;
  if (::recv(fd_, &first, 1, MSG_PEEK) != 1)
    return false;
  std::string why = "the client does not speak TLS";
  if (first == kTlsHandshake) {
    tls_ = std::make_unique<TlsSession>(identity_->current(), fd_);
    if (tls_->accept(why))
      return true;
  }
  context_.logger.debug("no TLS handshake", {{"peer", address_}, {"reason", why}});
  if (!enter(Stage::writing))
    return false;
  if (!tls_)
    write(problem(400, "tls_required", "this port speaks TLS: write https:// instead of http://"), true);
  linger(); // so that the answer or the alert arrives
  return false;
}

/// True when a whole request is there and is ours to answer.
bool Connection::readRequest() {
  bool first = request_.requestId.empty();
  bool partly = !first && reader_.started(); // pipelined behind the request before
  if (!first && reader_.state() != RequestReader::State::complete &&
      !enter(!partly                                             ? Stage::idle
             : reader_.state() == RequestReader::State::needBody ? Stage::body
                                                                 : Stage::head))
    return false;
  bool timing = first || partly; // the first header's time began with the connection
  while (reader_.state() != RequestReader::State::complete) {
    if (reader_.state() == RequestReader::State::refused) {
      refuse();
      return false;
    }
    if (reader_.takeContinue() && !sendAll("HTTP/1.1 100 Continue\r\n\r\n"))
      return false;
    auto [to, size] = reader_.space();
    int got = receive(to, size);
    if (got == 0) {
      if (stage() == Stage::late && reader_.started())
        refuse();
      return false;
    }
    auto before = reader_.state();
    auto now = reader_.filled(static_cast<std::size_t>(got));
    if (now == RequestReader::State::needHead && !timing) {
      timing = true;
      if (!readOn(Stage::head))
        return false;
    } else if (now == RequestReader::State::needBody && before == RequestReader::State::needHead) {
      if (!readOn(Stage::body))
        return false;
    }
  }
  char id[40];
  auto end = context_.idPrefix.copy(id, 20);
  auto number = std::to_chars(id + end, id + sizeof id, context_.requests.fetch_add(1, std::memory_order_relaxed) + 1);
  request_.requestId.assign(id, number.ptr);
  tellClient();
  return begin();
}

/// Who the client is: the peer, unless that is a proxy whose word counts.
void Connection::tellClient() {
  request_.clientAddress = address_;
  request_.secure = tls_ != nullptr;
  request_.host = request_.headers.get("Host");
  if (!proxy_)
    return;
  if (auto forwarding = readForwarding(request_.headers, *proxy_, context_.options.trustedProxies)) {
    request_.clientAddress = std::move(forwarding->client);
    request_.secure = forwarding->secure.value_or(request_.secure);
    if (!forwarding->host.empty())
      request_.host = std::move(forwarding->host);
  }
}

void Connection::refuse() {
  bool late = stage() == Stage::late;
  Refusal refusal = late ? Refusal{408, "request_timeout", "the request did not arrive in time"} : reader_.refusal();
  if (!late && !enter(Stage::writing))
    return;
  context_.logger.debug("refused a request", {{"peer", address_}, {"code", refusal.code}});
  if (write(problem(refusal.status, refusal.code, refusal.detail), true))
    linger();
}

Response Connection::handle() {
  try {
    return context_.handler(request_);
  } catch (const Error& e) {
    context_.logger.error(
        "a request failed",
        {{"request", request_.requestId}, {"code", e.code()}, {"reason", e.what()}, {"detail", e.detail()}});
  } catch (const std::exception& e) {
    context_.logger.error("a request failed", {{"request", request_.requestId}, {"reason", e.what()}});
  } catch (...) {
    context_.logger.error("a request failed", {{"request", request_.requestId}, {"reason", "unknown exception"}});
  }
  return problem(500, "internal",
                 "The server failed to answer; its log says why under request " + request_.requestId + ".");
}

/// True when the connection goes on.
bool Connection::answer() {
  Response response = handle();
  if (!enter(Stage::writing))
    return false;
  if (response.takeOver) {
    try {
      response.takeOver(*this);
    } catch (const std::exception& e) {
      context_.logger.error("a request failed", {{"request", request_.requestId}, {"reason", e.what()}});
    }
    return false;
  }
  bool close =
      response.close || reader_.wantsClose() || inputClosed_ || context_.stopping.load(std::memory_order_relaxed);
  bool sent;
  try {
    sent = write(response, close);
  } catch (const std::exception& e) {
    context_.logger.error("a response was refused", {{"request", request_.requestId}, {"reason", e.what()}});
    close = true;
    sent = write(problem(500, "internal",
                         "The server failed to answer; its log says why under request " + request_.requestId + "."),
                 true);
  }
  if (response.afterwards) {
    try {
      response.afterwards();
    } catch (const std::exception& e) {
      context_.logger.error("what follows a request failed", {{"request", request_.requestId}, {"reason", e.what()}});
    }
  }
  if (sent && close)
    linger();
  return sent && !close;
}

bool Connection::write(const Response& response, bool close) {
  Framing framing{.headRequest = request_.method == "HEAD", .close = close, .date = date()};
  out_.clear();
  serialize(response, framing, out_);
  const std::string* shared = response.sharedBody && hasBody(response, framing) ? response.sharedBody.get() : nullptr;
  if (shared && shared->size() <= kCopyLimit) {
    out_ += *shared;
    shared = nullptr;
  }
  bool sent = sendAll(out_) && (!shared || sendAll(*shared));
  if (out_.capacity() > kCopyLimit)
    out_ = {};
  return sent;
}

bool Connection::sendAll(std::string_view bytes) noexcept {
  if (tls_)
    return tls_->write(bytes);
  try {
    while (!bytes.empty()) {
      auto piece = static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20));
      int sent = socket_.sendBytes(bytes.data(), piece, MSG_NOSIGNAL);
      if (sent <= 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  } catch (...) { // the peer is gone, or the write deadline cut the connection
    return false;
  }
}

/// Reads what still comes before closing: data left unread would turn the end into a reset that can destroy the answer.
void Connection::linger() {
  enter(Stage::draining);
  if (tls_)
    tls_->closeNotify();
  if (::shutdown(fd_, SHUT_WR) != 0)
    return;
  char waste[4096];
  for (std::size_t total = 0; total < kLingerBytes;) {
    ssize_t got = ::recv(fd_, waste, sizeof waste, 0); // of TLS the ciphertext: nobody looks at it
    if (got <= 0)
      return;
    total += static_cast<std::size_t>(got);
  }
}

std::string_view Connection::date() {
  TimeMs now = context_.clock.now();
  if (now / 1000 != dateSecond_) {
    dateSecond_ = now / 1000;
    date_ = formatHttpDate(dateSecond_ * 1000);
  }
  return date_;
}

bool Connection::send(std::string_view bytes) {
  return enter(Stage::writing) && sendAll(bytes);
}

bool Connection::wait(std::chrono::milliseconds time) {
  if (!enter(Stage::writing) || context_.stopping.load(std::memory_order_relaxed))
    return false;
  char waste[1024];
  auto until = context_.clock.monotonic() + time.count();
  try {
    for (TimeMs left = time.count(); left > 0; left = until - context_.clock.monotonic()) {
      if (!enter(Stage::handling) || context_.stopping.load(std::memory_order_relaxed))
        return false;
      auto slice = std::min<TimeMs>(left, 100); // so that stop() is noticed
      if (socket_.poll(Poco::Timespan(slice * 1000), Poco::Net::Socket::SELECT_READ) &&
          receive(waste, sizeof waste) == 0)
        return false;
    }
  } catch (const std::exception&) {
    return false;
  }
  return enter(Stage::writing);
}

void Connection::reset() {
  try {
    socket_.setLinger(true, 0);
  } catch (const std::exception&) {
    return; // already gone
  }
}

} // namespace calbridge::http
