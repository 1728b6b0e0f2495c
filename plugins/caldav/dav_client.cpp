#include "dav_client.hpp"

#include "calbridge/answers.hpp"

#include "url.hpp"

namespace calbridge::caldav {
namespace {

constexpr int kMostRedirects = 5;
constexpr int kMostRequests = 90; ///< of one call; what honest servers need is a third of that
constexpr std::size_t kShown = 300;
constexpr const char* kMethodsKey = "auth";

bool isRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// A line of the trace. Servers may name things at any length.
std::string traced(const std::string& method, const std::string& url, const std::string& outcome) {
  return method + " " + (url.size() > kShown ? url.substr(0, kShown) + "…" : url) + ": " + outcome;
}

std::string randomHex(sdk::Call& call) {
  std::array<std::uint8_t, 16> bytes{};
  call.random().fill(bytes);
  return sdk::detail::hexOf(bytes.data(), bytes.size());
}

} // namespace

Account readAccount(const sdk::Json& secret) {
  Account account{sdk::textOf(secret, "server"), sdk::textOf(secret, "username"), sdk::textOf(secret, "password")};
  if (account.server.empty() || account.username.empty() || account.password.empty()) {
    throw sdk::Problem(sdk::Status::reauthRequired,
                       "server, user name and password are not known any more; please connect again",
                       "invalid_credentials");
  }
  return account;
}

std::uint32_t NonceCounts::next(const std::string& nonce) {
  const std::scoped_lock lock(mutex_);
  if (counts_.size() > 10'000) { // a nonce that is forgotten begins again, and the server then gives a new one
    counts_.clear();
  }
  return ++counts_[nonce];
}

DavClient::DavClient(sdk::Call& call, Account account, NonceCounts& counts)
    : call_(call), account_(std::move(account)), counts_(counts) {
  load();
}

DavClient::Answer DavClient::send(const std::string& method, const std::string& url, const sdk::Headers& headers,
                                  const std::string& body) {
  std::string at = url;
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    call_.checkpoint();
    const std::string origin = originOf(at);
    if (!trusts(account_.server, at)) {
      throw sdk::Problem(sdk::Status::permanent,
                         hostOf(account_.server) + " leads to " + origin +
                             ", and the password is not sent there because that is another domain. If it is the right "
                             "server, connect with its own address. Asked were: " +
                             trace(),
                         "foreign_redirect");
    }
    sdk::HttpResponse response;
    for (int attempt = 0;; ++attempt) {
      if (++requests_ > kMostRequests) {
        throw sdk::Problem(sdk::Status::transient,
                           hostOf(at) + " leads from one address to the next; this was given up", "too_many_requests");
      }
      sdk::Headers all = headers;
      const auto value = authorization(method, at);
      if (value) {
        all.emplace_back("Authorization", *value);
      }
      try {
        response = call_.http().send(method, at, all, body);
      } catch (const sdk::HttpProblem& problem) {
        trace_.push_back(traced(method, at, problem.what()));
        throw;
      }
      trace_.push_back(traced(method, at, std::to_string(response.status)));
      if (response.status != 401) {
        break;
      }
      // What was refused with what the server asked for a moment ago is refused. A nonce of an earlier call may just be
      // too old.
      const bool fresh = attempt > 0 && !(attempt == 1 && sdk::digestStale(sdk::challengesOf(response)));
      const bool basicRefused =
          value && value->starts_with("Basic ") && !sdk::digestOffered(sdk::challengesOf(response));
      if (fresh || basicRefused) {
        throw sdk::Problem(sdk::Status::reauthRequired, hostOf(at) + " does not accept this user name and password",
                           "invalid_credentials");
      }
      learn(origin, response);
    }
    const std::string_view location = response.header("location");
    if (!isRedirect(response.status) || location.empty()) {
      save();
      return {std::move(response), at};
    }
    at = resolved(at, location);
    if (at.empty()) {
      break;
    }
  }
  throw sdk::Problem(sdk::Status::notFound, "the server redirects without an end. Asked were: " + trace(),
                     "not_caldav");
}

DavClient::Answer DavClient::propfind(const std::string& url, int depth, const std::string& properties) {
  return send("PROPFIND", url, {{"Depth", std::to_string(depth)}, {"Content-Type", "application/xml; charset=utf-8"}},
              "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:propfind xmlns:D=\"DAV:\" "
              "xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:A=\"http://apple.com/ns/ical/\"><D:prop>" +
                  properties + "</D:prop></D:propfind>");
}

void DavClient::insist(const std::string& url) {
  methods_[originOf(url)].basic = true;
}

std::string DavClient::trace() const {
  std::string out;
  for (const std::string& line : trace_) {
    out += (out.empty() ? "" : "; ") + line;
  }
  return out.empty() ? "nothing yet" : out;
}

std::optional<std::string> DavClient::authorization(const std::string& method, const std::string& url) {
  const auto found = methods_.find(originOf(url));
  if (found == methods_.end()) {
    return std::nullopt;
  }
  if (const auto& digest = found->second.digest) {
    return sdk::digestAuthorization(*digest, method, targetOf(url), account_.username, account_.password,
                                    counts_.next(digest->nonce), randomHex(call_));
  }
  return found->second.basic ? std::optional(sdk::basicAuthorization(account_.username, account_.password))
                             : std::nullopt;
}

void DavClient::learn(const std::string& origin, const sdk::HttpResponse& response) {
  const auto challenges = sdk::challengesOf(response);
  Method method;
  method.digest = sdk::digestOffered(challenges);
  // A server that names no way at all is tried with the usual one.
  method.basic = challenges.empty() || std::any_of(challenges.begin(), challenges.end(),
                                                   [](const auto& challenge) { return challenge.scheme == "basic"; });
  if (!method.digest && !method.basic) {
    std::string schemes;
    for (const sdk::Challenge& challenge : challenges) {
      schemes += (schemes.empty() ? "" : ", ") + challenge.scheme;
    }
    throw sdk::Problem(sdk::Status::permanent,
                       hostOf(origin) + " wants people to sign in by " + schemes +
                           "; only user name and password (Basic or Digest) work here",
                       "auth_unsupported");
  }
  methods_[origin] = std::move(method);
}

/// What an earlier call learnt, so that not every call begins with a refusal.
void DavClient::load() {
  const auto text = call_.kv().get(kMethodsKey);
  const sdk::Json json = text ? sdk::Json::parse(*text, nullptr, false) : sdk::Json();
  if (!json.is_object()) {
    return;
  }
  for (const auto& [origin, value] : json.items()) {
    Method method;
    method.basic = value.is_object() && value.value("basic", false);
    if (const std::string nonce = sdk::textOf(value, "nonce"); !nonce.empty()) {
      method.digest = sdk::DigestNonce{sdk::textOf(value, "realm"), nonce, sdk::textOf(value, "opaque"),
                                       sdk::textOf(value, "algorithm"), value.value("qop", false)};
    }
    methods_[origin] = std::move(method);
  }
}

void DavClient::save() {
  sdk::Json json = sdk::Json::object();
  for (const auto& [origin, method] : methods_) {
    sdk::Json value = {{"basic", method.basic}};
    if (method.digest) {
      value.update({{"realm", method.digest->realm},
                    {"nonce", method.digest->nonce},
                    {"opaque", method.digest->opaque},
                    {"algorithm", method.digest->algorithm},
                    {"qop", method.digest->qop}});
    }
    json[origin] = std::move(value);
  }
  const std::string text = json.dump(-1, ' ', false, sdk::Json::error_handler_t::replace);
  const auto known = call_.kv().get(kMethodsKey);
  if (methods_.empty() || known == text) {
    return;
  }
  try {
    call_.kv().set(kMethodsKey, text);
  } catch (const sdk::Problem&) { // no connection yet, or no room: the next call asks again
  }
}

} // namespace calbridge::caldav
