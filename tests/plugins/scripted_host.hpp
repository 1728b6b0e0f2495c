#pragma once
#include "calbridge/abi.h"

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace calbridge::testing {

using Json = nlohmann::json;
using Headers = std::vector<std::pair<std::string, std::string>>;

/// One HTTP request as a plugin made it.
struct Request {
  std::string method;
  std::string url;
  Headers headers;
  std::string body;

  std::string header(const std::string& name) const;
  Json json() const { return Json::parse(body); }
  /// The fields of a form, decoded.
  std::map<std::string, std::string> form() const;
};

/// How an operation ended.
struct Outcome {
  std::string status; ///< "ok", "transient", …
  Json body;

  std::string code() const { return body.value("code", ""); }
  std::string message() const { return body.value("message", ""); }
  long retryAfterMs() const { return body.value("retry_after_ms", -1L); }
};

class IsolatedRun;

/// A host that loads one plugin through the C boundary alone and plays both its services and its provider from a
/// script. With CALBRIDGE_TEST_ISOLATION=isolated in the environment, the plugin runs in a process of its own, and
/// every test holds for its bytes there. Strict: a request that the script does not have next, and a part of the script
/// that no request used, fail the test that ran the operation. One thread each.
class ScriptedHost {
 public:
  /// Throws std::runtime_error when the library cannot be loaded or has no calbridge_plugin_v1.
  explicit ScriptedHost(const std::filesystem::path& library);
  /// Another caller of the same instance and the same connection, for use by another thread.
  explicit ScriptedHost(ScriptedHost& first);
  ~ScriptedHost();
  ScriptedHost(const ScriptedHost&) = delete;
  ScriptedHost& operator=(const ScriptedHost&) = delete;

  /// Makes the instance. Ends as the plugin said, or ok.
  Outcome create(const Json& settings);

  /// The next request must be `method url`; it is answered so.
  void expect(std::string method, std::string url, int status, std::string body = {}, Headers headers = {});
  /// The next request must be `method url`; no answer comes.
  void expectFailure(std::string method, std::string url, calbridge_status status, std::string kind, bool sent);

  Outcome connect(const Json& request) { return run(plugin_->connect, request); }
  Outcome exchange(const Json& request) { return run(plugin_->exchange, request); }
  Outcome refresh(const Json& request) { return run(plugin_->refresh, request); }
  Outcome push(const Json& request) { return run(plugin_->push, request); }
  Outcome revoke(const Json& request) { return run(plugin_->revoke, request); }
  Outcome feed(const Json& request) { return run(plugin_->feed, request); }
  Outcome run(calbridge_operation operation, const Json& request) { return runBytes(operation, request.dump()); }
  Outcome runBytes(calbridge_operation operation, const std::string& bytes);

  const calbridge_plugin_v1_t& plugin() const { return *plugin_; }
  Json manifest() const { return Json::parse(std::string(plugin_->manifest.data, plugin_->manifest.size)); }

  /// Instead of a script: answers every request with a status and a body.
  std::function<std::pair<int, std::string>(const Request&)> answerAll;

  std::vector<Request> requests;         ///< of the last operation
  std::map<std::string, std::string> kv; ///< of the one connection there is
  std::function<void()> onKvGet;         ///< called for every kv.get, outside of any lock
  std::vector<std::string> logged;
  std::int64_t nowMs = 1796000000000;
  std::int64_t remainingMs = 30000;
  bool belongsToConnection = true; ///< otherwise kv answers unsupported

  // What the C tables call; see scripted_host.cpp.
  void reply(calbridge_status status, calbridge_bytes body);
  calbridge_status send(calbridge_bytes head, calbridge_bytes body, calbridge_bytes* responseHead,
                        calbridge_bytes* responseBody);
  calbridge_status kvGet(calbridge_bytes key, calbridge_bytes* value);
  calbridge_status kvSet(calbridge_bytes key, calbridge_bytes value);

 private:
  struct Exchange {
    std::string method;
    std::string url;
    calbridge_status failure = CALBRIDGE_OK;
    Json head;
    std::string body;
  };

  Outcome finish();
  IsolatedRun* isolated() const { return first_ != nullptr ? first_->isolated() : isolated_.get(); }

  std::filesystem::path path_;
  void* library_ = nullptr;
  const calbridge_plugin_v1_t* plugin_ = nullptr;
  void* instance_ = nullptr;
  std::unique_ptr<IsolatedRun> isolated_; ///< instead of instance_
  ScriptedHost* first_ = nullptr;         ///< whose instance and kv these are
  std::mutex kvMutex_;
  std::string lent_; ///< what the last kv.get lent
  std::deque<Exchange> script_;
  std::vector<std::string> surprises_;
  std::vector<std::pair<calbridge_status, std::string>> replies_;
  std::string responseHead_;
  std::string responseBody_;
};

/// Percent-decodes.
std::string decoded(const std::string& text);
/// The query parameters of a URL, decoded.
std::map<std::string, std::string> queryOf(const std::string& url);

} // namespace calbridge::testing
