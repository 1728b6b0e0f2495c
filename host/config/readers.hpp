#pragma once
#include "config/configuration.hpp"
#include "config/document.hpp"

#include <string>
#include <vector>

namespace calbridge {

/// The three readers turn a document into structs and report what a schema cannot say. They are given documents that
/// may violate their schema (which is reported elsewhere) and then use defaults, so that all problems come out in one
/// go.
void readHost(const Document& document, Configuration& into, Problems& problems, Problems& warnings);
/// `providers` null: calbridge.json could not be read, so that nothing can be said about them; likewise `roles`.
RolesConfig readRoles(const Document& document, const std::vector<std::string>* providers, Problems& problems);
RoutingConfig readRouting(const Document& document, const RolesConfig* roles, Problems& problems);

/// Credentials, master key and JWT secret.
Secrets readSecrets(const Environment& environment, const Configuration& configuration, Problems& problems,
                    Problems& warnings);

/// SMTP_URL, SMTP_USERNAME and SMTP_PASSWORD; nullopt when the first is not set, or has a problem.
std::optional<SmtpConfig> readSmtp(const Environment& environment, Problems& problems);

/// The value of `key` in an object when it has the wanted type, else the default.
template <typename Type>
Type valueOr(const nlohmann::json& object, const char* key, Type otherwise) {
  if (!object.is_object())
    return otherwise;
  const auto it = object.find(key);
  if (it == object.end())
    return otherwise;
  if constexpr (std::is_same_v<Type, std::string>)
    return it->is_string() ? it->template get<std::string>() : otherwise;
  else if constexpr (std::is_same_v<Type, bool>)
    return it->is_boolean() ? it->template get<bool>() : otherwise;
  else if constexpr (std::is_integral_v<Type>)
    return it->is_number_integer() ? it->template get<Type>() : otherwise;
  else
    return it->is_number() ? it->template get<Type>() : otherwise;
}

} // namespace calbridge
