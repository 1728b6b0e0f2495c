#include "net/resolver.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/DNS.h>
#include <Poco/Net/HostEntry.h>
#include <thread>

namespace calbridge::net {
namespace {

constexpr std::chrono::seconds kFresh{30};
constexpr std::size_t kKept = 256;

} // namespace

std::vector<Poco::Net::IPAddress> Resolver::resolve(const std::string& host, const Deadline& deadline) {
  if (Poco::Net::IPAddress literal; Poco::Net::IPAddress::tryParse(host, literal)) {
    return {literal};
  }
  if (host == "localhost") { // RFC 6761 section 6.3: loopback, whatever a resolver says
    return {Poco::Net::IPAddress("127.0.0.1"), Poco::Net::IPAddress("::1")};
  }
  const std::shared_ptr<Lookup> found = lookup(host);
  std::unique_lock lock(found->mutex);
  while (!found->done) {
    found->changed.wait_for(lock, deadline.slice());
  }
  if (found->addresses.empty()) {
    throw ExchangeError{HttpFailure::Kind::connect, "cannot resolve " + host + ": " + found->error};
  }
  return found->addresses;
}

std::shared_ptr<Resolver::Lookup> Resolver::lookup(const std::string& host) {
  const auto stale = [](Lookup& known) {
    const std::lock_guard lock(known.mutex);
    return known.done && (known.addresses.empty() || Deadline::SteadyClock::now() - known.finished > kFresh);
  };
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Lookup>& known = lookups_[host];
  if (known && !stale(*known)) {
    return known;
  }
  auto started = std::make_shared<Lookup>();
  known = started;
  if (lookups_.size() > kKept) {
    std::erase_if(lookups_, [&](const auto& entry) { return entry.second != started; });
  }
  try {
    std::thread([host, started] { run(host, *started); }).detach();
  } catch (const std::system_error&) {
    lookups_.erase(host);
    throw ExchangeError{HttpFailure::Kind::connect, "cannot resolve " + host + ": out of threads"};
  }
  return started;
}

void Resolver::run(const std::string& host, Lookup& lookup) {
  std::vector<Poco::Net::IPAddress> addresses;
  std::string error = "no address";
  try {
    const Poco::Net::HostEntry entry = Poco::Net::DNS::hostByName(host);
    addresses.assign(entry.addresses().begin(), entry.addresses().end());
  } catch (const Poco::Exception& exception) {
    error = exception.name();
  } catch (const std::exception& exception) {
    error = exception.what();
  }
  const std::lock_guard lock(lookup.mutex);
  lookup.addresses = std::move(addresses);
  lookup.error = std::move(error);
  lookup.finished = Deadline::SteadyClock::now();
  lookup.done = true;
  lookup.changed.notify_all();
}

} // namespace calbridge::net
