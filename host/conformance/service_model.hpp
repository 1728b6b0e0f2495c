#pragma once
#include "conformance/script.hpp"
#include "conformance/template_text.hpp"
#include "core/http_client.hpp"

#include <set>
#include <string>
#include <vector>

namespace calbridge::conformance {

/// The provider's service, played in memory: a script's routes first, then what most REST services do (OAuth 2.0 token
/// endpoint, POST creates, PUT and PATCH change, DELETE removes, GET shows). Remembers what was created under which
/// URL, id and idempotency key. Not thread-safe.
class ServiceModel {
 public:
  /// One resource. Its key is its URL, the last segment decoded.
  struct Object {
    std::string key;
    std::string id;
    nlohmann::json body; ///< null when what was sent is no JSON object
    std::string text;    ///< as sent last
    int version = 1;
    bool live = true;
    bool kept = false; ///< deleted, and still to be seen
    std::vector<std::string> once;
  };

  /// `stem` starts every token and code that is given out, so that they are known wherever they turn up.
  ServiceModel(const Script& script, std::string stem);

  HttpResponse answer(const HttpRequest& request);
  /// How this service says `status`, with `said` (what an error may echo) in its text.
  HttpResponse error(int status, const std::string& said = {}) const;

  /// A code, as the service would send it with the browser.
  std::string newCode();
  /// A live refresh token and a live access token, as after a consent.
  std::string newRefreshToken();
  std::string newAccessToken();
  /// Uids and keys that stand for nothing yet: a look-up of one finds nothing.
  void announce(const std::string& word) { words_.insert(word); }

  /// Live resources whose text holds `mark`.
  std::vector<const Object*> liveWith(const std::string& mark) const;
  /// Puts a person's own entry into every collection that holds `mark`; their keys.
  std::vector<std::string> plantForeign(const std::string& mark);
  const Object* find(const std::string& key) const;

  nlohmann::json state() const;
  void restore(const nlohmann::json& state);

  bool rotates = true; ///< a refresh gives a new refresh token
  bool oddIds = false; ///< ids that it gives hold characters that URLs do not
  std::string scope = "calendar";

 private:
  struct Ask;
  bool routeFits(const nlohmann::json& route, Ask& ask) const;
  HttpResponse perform(const nlohmann::json& route, Ask& ask);
  HttpResponse grant(const nlohmann::json& route, Ask& ask);
  HttpResponse create(const nlohmann::json& route, Ask& ask);
  HttpResponse change(const nlohmann::json& route, Ask& ask, bool merge);
  HttpResponse erase(const nlohmann::json& route, Ask& ask);
  HttpResponse read(const nlohmann::json& route, Ask& ask);
  HttpResponse list(const nlohmann::json& route, Ask& ask);
  HttpResponse browse(const nlohmann::json& route, Ask& ask);
  HttpResponse reply(const nlohmann::json& route, const char* which, Ask& ask, int status, const Object* object) const;
  std::optional<nlohmann::json> look(const std::string& name, const Ask& ask, const Object* object) const;
  Object* at(const std::string& key);
  bool holdsObjects(const std::string& collection) const;
  bool namesUnknown(std::string_view text) const;

  Script script_;
  nlohmann::json builtIn_;
  std::string stem_;
  std::vector<Object> objects_;
  std::set<std::string> codes_;
  std::set<std::string> refreshTokens_;
  std::set<std::string> words_;
  int count_ = 0;
};

} // namespace calbridge::conformance
