#pragma once
#include "conformance/service_model.hpp"

/// What the parts of ServiceModel share: a request as it reads it, and objects as it shows them.
namespace calbridge::conformance {

/// One request, taken apart.
struct ServiceModel::Ask {
  std::string method;
  std::string url; ///< without the query
  std::string key; ///< the url with its last segment decoded
  std::string text;
  nlohmann::json body; ///< null when it is no JSON
  Names path;
  Names query;
  Names form;
  Names headers;     ///< lower case
  std::string found; ///< lists
  nlohmann::json all = nlohmann::json::array();
  std::string accessToken; ///< just given out
  std::string refreshToken;

  explicit Ask(const HttpRequest& request);
};

/// Of a name in a header.
std::string lowerCase(std::string text);
/// The collection of a resource.
std::string parentOf(const std::string& key);
/// The object as an API shows it: what was sent, its id and version.
nlohmann::json shown(const ServiceModel::Object& object);
/// What was sent, to be searched.
std::string textOf(const ServiceModel::Object& object);

} // namespace calbridge::conformance
