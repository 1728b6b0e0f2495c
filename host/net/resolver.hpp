#pragma once
#include "net/deadline.hpp"

#include <Poco/Net/IPAddress.h>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::net {

/// Host names to addresses, within a deadline. The system's resolver blocks as long as it likes, so it runs on a thread
/// of its own which is left behind when the time is over; all callers of one name share one look-up, and its result for
/// half a minute. Thread-safe; may be destroyed while look-ups are under way.
class Resolver {
 public:
  /// At least one address. Literals and localhost are not looked up. Throws ExchangeError(connect | timeout |
  /// cancelled).
  std::vector<Poco::Net::IPAddress> resolve(const std::string& host, const Deadline& deadline);

 private:
  struct Lookup {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    std::string error;
    std::vector<Poco::Net::IPAddress> addresses;
    Deadline::SteadyClock::time_point finished;
  };
  std::shared_ptr<Lookup> lookup(const std::string& host);
  static void run(const std::string& host, Lookup& lookup);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Lookup>> lookups_;
};

} // namespace calbridge::net
