#pragma once
#include "http/edge/connection.hpp"

#include <Poco/Net/ServerSocket.h>
#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace calbridge::http {

/// Accepts, hands connections to threads, and ends those that are late or in the way of others.
class Acceptor {
 public:
  explicit Acceptor(ServerContext& context);
  ~Acceptor();

  void listen();
  void start(); ///< after listen(), or instead
  std::vector<std::uint16_t> ports() const { return ports_; }
  bool stop();
  /// Waits for every thread, however long its handler takes. After stop().
  void join();
  std::size_t connections() const;
  std::size_t idleConnections() const;

 private:
  using Held = std::unique_ptr<Connection>;

  void listenOn(const std::string& address);
  void acceptLoop();
  void acceptOne(std::size_t listener);
  /// Makes room for one more of that address. False when everybody is busy.
  bool makeRoom(const std::string& address, bool proxy);
  bool evictOne(const std::string* address);
  Held accept(std::size_t listener, std::string& key);
  void place(Held connection, std::string key);
  void turnAway(Poco::Net::StreamSocket& socket);
  void checkDeadlines();
  void work();
  void wake();
  std::size_t live(const std::string* key) const;

  struct Entry {
    Held connection;
    std::string key;      ///< what the limit per address counts
    bool evicted = false; ///< on its way out, no longer counted
  };
  using Entries = std::list<Entry>;

  ServerContext& context_;
  std::vector<Poco::Net::ServerSocket> listeners_; ///< those of options.listen, then the plain ones
  std::vector<std::uint16_t> ports_;
  int wakeFd_ = -1;
  std::thread thread_;

  mutable std::mutex mutex_; ///< guards everything below
  std::condition_variable queued_;
  std::condition_variable ended_;
  Entries entries_;
  std::deque<Entries::iterator> queue_;
  std::unordered_map<std::string, std::size_t> perKey_;
  std::size_t counted_ = 0; ///< entries that are not evicted
  std::size_t idleThreads_ = 0;
  std::size_t threads_ = 0;
  std::vector<std::thread> finished_;
  std::unordered_map<std::thread::id, std::thread> running_;
  bool stopped_ = false;
  bool starved_ = false; ///< out of file descriptors; said once per shortage
};

} // namespace calbridge::http
