#pragma once
#include "calbridge/http_auth.hpp"
#include "xml.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::caldav {

/// What a person typed, as it is kept.
struct Account {
  std::string server; ///< absolute URL
  std::string username;
  std::string password;
};
/// Reads what authenticate gave. Throws sdk::Problem(reauthRequired) when it is incomplete.
Account readAccount(const sdk::Json& secret);

/// How often each digest nonce has been used: servers may demand that the number grows (RFC 7616 section 3.3).
/// Thread-safe; one for all connections.
class NonceCounts {
 public:
  std::uint32_t next(const std::string& nonce);

 private:
  std::mutex mutex_;
  std::map<std::string, std::uint32_t> counts_;
};

/// WebDAV for one account during one call: answers challenges, follows redirects, and remembers what was asked. Not
/// thread-safe.
class DavClient {
 public:
  /// Everything is borrowed.
  DavClient(sdk::Call& call, Account account, NonceCounts& counts);

  struct Answer {
    sdk::HttpResponse response;
    std::string url; ///< that gave it, behind all redirects
  };
  /// Sends and returns whatever the server answered in the end. Throws sdk::Problem: reauthRequired
  /// (`invalid_credentials`: it does not take user name and password), permanent (`auth_unsupported`,
  /// `foreign_redirect`: the password would leave the domain that it was typed for), notFound (`not_caldav`: it
  /// redirects in circles), transient (`too_many_requests` in one call), and sdk::HttpProblem.
  Answer send(const std::string& method, const std::string& url, const sdk::Headers& headers, const std::string& body);
  /// PROPFIND with these properties, as XML elements.
  Answer propfind(const std::string& url, int depth, const std::string& properties);

  /// From now on the password is sent to that URL's origin without waiting to be asked: some servers answer everybody.
  void insist(const std::string& url);

  const Account& account() const { return account_; }
  sdk::Call& call() { return call_; }
  /// What was asked and answered so far, for people: "PROPFIND https://…: 401; …".
  std::string trace() const;

 private:
  struct Method {
    bool basic = false;
    std::optional<sdk::DigestNonce> digest;
  };
  std::optional<std::string> authorization(const std::string& method, const std::string& url);
  void learn(const std::string& origin, const sdk::HttpResponse& response);
  void load();
  void save();

  sdk::Call& call_;
  Account account_;
  NonceCounts& counts_;
  std::map<std::string, Method> methods_; ///< by origin
  std::vector<std::string> trace_;
  int requests_ = 0;
};

} // namespace calbridge::caldav
