#include "http/edge/acceptor.hpp"
#include "core/thread.hpp"

#include "core/error.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Timespan.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace calbridge::http {

namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr int kShortageMs = 100;
constexpr TimeMs kSlowReaderMs = 1000;
constexpr auto kThreadKept = std::chrono::seconds(10);

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

[[noreturn]] void failListen(const std::string& address, const std::string& reason, const std::string& advice) {
  throw Error("listen_failed", "cannot listen on " + address + ": " + reason + "; " + advice);
}

HostPort splitAddress(const std::string& address) {
  const std::string advice = "write it as host:port, e.g. 127.0.0.1:8000, localhost:8000 or [::1]:8000";
  std::size_t colon = address.rfind(':');
  if (colon == std::string::npos)
    failListen(address, "the port is missing", advice);
  std::string host = address.substr(0, colon);
  std::uint16_t port = 0;
  const char* end = address.data() + address.size();
  auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  if (parsed.ec != std::errc{} || parsed.ptr != end || colon + 1 == address.size())
    failListen(address, "the port is not a number from 0 to 65535", advice);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string::npos)
    failListen(address, "an IPv6 address belongs in brackets", advice);
  if (host == "localhost")
    host = "127.0.0.1";
  Poco::Net::IPAddress ip;
  if (!Poco::Net::IPAddress::tryParse(host, ip))
    failListen(address, "the host is neither an IP address nor localhost", advice);
  return {host, port};
}

void closeOnExec(int fd) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

std::string plainAddress(const Poco::Net::IPAddress& ip) {
  std::string text = ip.toString();
  return text.starts_with("::ffff:") && text.find('.') != std::string::npos ? text.substr(7) : text;
}

/// One customer of an IPv6 network owns a /64, so that is what counts as one address.
std::string limitKey(const Poco::Net::IPAddress& ip, const std::string& plain) {
  if (ip.family() != Poco::Net::AddressFamily::IPv6 || plain.find('.') != std::string::npos)
    return plain;
  return std::string(static_cast<const char*>(ip.addr()), 8);
}

} // namespace

Acceptor::Acceptor(ServerContext& context) : context_(context) {
  wakeFd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wakeFd_ < 0)
    throw Error("listen_failed", "cannot start the HTTP server: out of file descriptors; raise the limit (ulimit -n)");
}

Acceptor::~Acceptor() {
  stop();
  join();
  ::close(wakeFd_);
}

void Acceptor::listenOn(const std::string& address) {
  HostPort where = splitAddress(address);
  Poco::Net::ServerSocket socket;
  try {
    Poco::Net::SocketAddress at(where.host, where.port);
    if (at.family() == Poco::Net::SocketAddress::IPv6)
      socket.bind6(at, true, false, true);
    else
      socket.bind(at, true, false);
    socket.listen(1024);
    socket.setBlocking(false);
  } catch (const Poco::Exception& e) {
    int code = e.code() != 0 ? e.code() : errno;
    switch (code) {
    case EADDRINUSE:
      failListen(address, "address already in use",
                 "stop the program that uses it (ss -ltnp shows it) or choose another port in server.listen");
    case EACCES:
      failListen(address, "permission denied", "choose a port above 1023 or give the program CAP_NET_BIND_SERVICE");
    case EADDRNOTAVAIL:
      failListen(address, "this machine has no such address", "choose one that `ip addr` shows");
    default:
      failListen(address, std::generic_category().message(code), "choose another address in server.listen");
    }
  }
  closeOnExec(socket.impl()->sockfd());
  ports_.push_back(socket.address().port());
  listeners_.push_back(socket);
}

void Acceptor::listen() {
  if (context_.options.listen.empty())
    throw Error("listen_failed", "cannot listen: server.listen names no address; write e.g. 127.0.0.1:8000");
  try {
    for (const auto* addresses : {&context_.options.listen, &context_.options.listenPlain})
      for (const std::string& address : *addresses)
        listenOn(address);
  } catch (...) {
    listeners_.clear();
    ports_.clear();
    throw;
  }
}

void Acceptor::start() {
  if (listeners_.empty())
    listen();
  // Signals are for the main thread, and a peer that is gone must not end the process: new threads inherit this mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { acceptLoop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Acceptor::wake() {
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(wakeFd_, &one, sizeof one);
}

void Acceptor::acceptLoop() {
  nameThread("http accept");
  std::vector<pollfd> watched;
  for (auto& listener : listeners_)
    watched.push_back({listener.impl()->sockfd(), POLLIN, 0});
  watched.push_back({wakeFd_, POLLIN, 0});
  // How often it looks is the machine's time, as poll's is; what it looks at is the injected clock, which may stand
  // still after a step that made a deadline pass.
  auto checked = std::chrono::steady_clock::now();
  while (!context_.stopping.load()) {
    ::poll(watched.data(), watched.size(), connections() == 0 ? -1 : static_cast<int>(kTick.count()));
    for (std::size_t i = 0; i < listeners_.size() && !context_.stopping.load(); ++i)
      if (watched[i].revents & POLLIN)
        acceptOne(i);
    auto now = std::chrono::steady_clock::now();
    if (now - checked >= kTick) {
      checked = now;
      checkDeadlines();
    }
  }
}

/// The next connection, or null when it was turned away. No other reference to its socket is left: its own thread
/// closes it.
Acceptor::Held Acceptor::accept(std::size_t listener, std::string& key) {
  Poco::Net::SocketAddress peer;
  Poco::Net::StreamSocket socket = listeners_[listener].acceptConnection(peer);
  closeOnExec(socket.impl()->sockfd());
  if (starved_) {
    starved_ = false;
    context_.logger.info("accepting connections again");
  }
  std::string address = plainAddress(peer.host());
  key = limitKey(peer.host(), address);
  auto tls = listener < context_.options.listen.size() ? context_.options.tls : nullptr;
  auto proxy = IpAddress::parse(address);
  if (proxy && !contains(context_.options.trustedProxies, *proxy))
    proxy.reset();
  if (makeRoom(key, proxy.has_value()))
    return std::make_unique<Connection>(context_, socket, std::move(address), std::move(tls), proxy);
  // Over TLS it would take a handshake: a private-key operation, a thread and seconds of waiting for each of those who
  // are refused because there are too many. They see an orderly end instead.
  if (!tls)
    turnAway(socket);
  return nullptr;
}

void Acceptor::acceptOne(std::size_t listener) {
  try {
    std::string key;
    if (Held connection = accept(listener, key))
      place(std::move(connection), std::move(key));
  } catch (const Poco::Exception& e) {
    int code = e.code() != 0 ? e.code() : errno;
    if (code != EMFILE && code != ENFILE && code != ENOBUFS && code != ENOMEM)
      return; // the client has gone meanwhile
    if (!starved_)
      context_.logger.error(
          "cannot accept connections: out of file descriptors or memory; raise the limit (ulimit -n)");
    starved_ = true;
    {
      std::lock_guard lock(mutex_);
      evictOne(nullptr);
    }
    pollfd woken{wakeFd_, POLLIN, 0};
    ::poll(&woken, 1, kShortageMs);
  } catch (const std::exception& e) { // no memory or no thread for this connection
    context_.logger.error("cannot serve a connection", {{"reason", e.what()}});
  }
}

std::size_t Acceptor::live(const std::string* key) const {
  if (!key)
    return counted_;
  auto found = perKey_.find(*key);
  return found == perKey_.end() ? 0 : found->second;
}

bool Acceptor::makeRoom(const std::string& key, bool proxy) {
  std::lock_guard lock(mutex_);
  if (!proxy && live(&key) >= context_.options.maxConnectionsPerAddress && !evictOne(&key))
    return false;
  return live(nullptr) < context_.options.maxConnections || evictOne(nullptr);
}

/// Idle connections go first, then the slowest senders, then readers that are slower than a second; within each the
/// oldest.
bool Acceptor::evictOne(const std::string* key) {
  using Stage = Connection::Stage;
  static constexpr std::array kOrder{Stage::draining, Stage::idle, Stage::head, Stage::body, Stage::writing};
  for (int attempt = 0; attempt < 3; ++attempt) { // the chosen one may begin to be answered meanwhile
    Entry* chosen = nullptr;
    std::size_t chosenRank = kOrder.size();
    TimeMs chosenSince = 0;
    for (Entry& entry : entries_) {
      if (entry.evicted || (key && entry.key != *key))
        continue;
      Stage stage = entry.connection->stage();
      TimeMs since = entry.connection->since();
      auto rank = static_cast<std::size_t>(std::find(kOrder.begin(), kOrder.end(), stage) - kOrder.begin());
      if (rank == kOrder.size() || (stage == Stage::writing && context_.clock.monotonic() - since < kSlowReaderMs))
        continue;
      if (!chosen || rank < chosenRank || (rank == chosenRank && since < chosenSince)) {
        chosen = &entry;
        chosenRank = rank;
        chosenSince = since;
      }
    }
    if (!chosen)
      return false;
    if (!chosen->connection->evict(kOrder[chosenRank]))
      continue;
    chosen->evicted = true;
    --counted_;
    if (--perKey_[chosen->key] == 0)
      perKey_.erase(chosen->key);
    return true;
  }
  return false;
}

void Acceptor::place(Held connection, std::string key) {
  std::lock_guard lock(mutex_);
  if (queue_.size() >= idleThreads_) {
    // The new thread registers itself under the lock that is held here.
    std::thread thread([this] { work(); });
    auto id = thread.get_id();
    running_.emplace(id, std::move(thread));
    ++threads_;
  }
  entries_.push_front(Entry{std::move(connection), key, false});
  queue_.push_back(entries_.begin());
  ++counted_;
  ++perKey_[key];
  queued_.notify_one();
}

void Acceptor::turnAway(Poco::Net::StreamSocket& socket) {
  Response response = problem(503, "too_many_connections", "Too many connections are being served; try again later.");
  response.header("Retry-After", "1");
  std::string bytes;
  std::string date = formatHttpDate(context_.clock.now());
  serialize(response, Framing{.close = true, .date = date}, bytes);
  ::send(socket.impl()->sockfd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Acceptor::checkDeadlines() {
  std::vector<std::thread> over;
  {
    std::lock_guard lock(mutex_);
    TimeMs now = context_.clock.monotonic();
    for (Entry& entry : entries_)
      entry.connection->checkDeadline(now);
    over.swap(finished_);
  }
  for (std::thread& thread : over)
    thread.join();
}

void Acceptor::work() {
  nameThread("http");
  standBehind(3); // the store's one writer, on whom all of them wait, goes first
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idleThreads_;
    bool called = queued_.wait_for(lock, kThreadKept, [&] { return !queue_.empty() || stopped_; });
    --idleThreads_;
    if (!called || queue_.empty())
      break;
    auto entry = queue_.front();
    queue_.pop_front();
    lock.unlock();
    entry->connection->run();
    lock.lock();
    Held over =
        std::move(entry->connection); // unregistered first, closed after: nobody outside touches a reused descriptor
    if (!entry->evicted) {
      --counted_;
      if (--perKey_[entry->key] == 0)
        perKey_.erase(entry->key);
    }
    entries_.erase(entry);
    lock.unlock();
    over.reset();
    lock.lock();
    ended_.notify_all();
  }
  --threads_;
  auto self = running_.extract(std::this_thread::get_id());
  finished_.push_back(std::move(self.mapped()));
  ended_.notify_all();
}

bool Acceptor::stop() {
  context_.stopping.store(true);
  wake();
  if (thread_.joinable())
    thread_.join();
  for (auto& listener : listeners_)
    listener.close();
  listeners_.clear();
  std::unique_lock lock(mutex_);
  stopped_ = true;
  queued_.notify_all();
  auto nobody = [&] { return entries_.empty(); };
  auto until = std::chrono::steady_clock::now() + context_.options.stopTimeout;
  bool finished = false;
  while (!finished && std::chrono::steady_clock::now() < until) {
    for (Entry& entry : entries_)
      entry.connection->drain();
    finished = ended_.wait_for(lock, std::chrono::milliseconds(50), nobody);
  }
  if (!finished)
    finished = nobody();
  if (finished)
    return true;
  context_.logger.warning("requests were cut off at the stop", {{"connections", std::to_string(entries_.size())}});
  for (Entry& entry : entries_)
    entry.connection->abort();
  ended_.wait_for(lock, std::chrono::seconds(1), nobody);
  return false;
}

void Acceptor::join() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return threads_ == 0; });
  std::vector<std::thread> over;
  over.swap(finished_);
  lock.unlock();
  for (std::thread& thread : over)
    thread.join();
}

std::size_t Acceptor::idleConnections() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return !entry.evicted && entry.connection && entry.connection->stage() == Connection::Stage::idle;
  }));
}

std::size_t Acceptor::connections() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

} // namespace calbridge::http
