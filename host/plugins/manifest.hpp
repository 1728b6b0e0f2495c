#pragma once
#include "core/provider.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::plugins {

/// One violation of a JSON Schema.
struct SchemaViolation {
  std::string pointer; ///< RFC 6901, into the checked document
  std::string message;
};
/// Every violation; empty when `document` is valid. Throws Error("schema_invalid") when `schema` itself is no JSON
/// Schema (draft 7).
std::vector<SchemaViolation> violations(const nlohmann::json& schema, const nlohmann::json& document);

/// What a plugin says about itself; described field by field in sdk/README.md.
struct Manifest {
  std::string id;
  std::string name;
  std::string version;
  std::string description;
  int minHostMinor = 0;
  std::vector<std::string> requiredServices;
  std::vector<std::string> optionalServices;
  std::set<std::string> capabilities;
  std::vector<std::string> egress;
  std::vector<std::string> egressSettings;
  std::vector<std::string> egressCredentials; ///< fields of the form that name a server
  bool concurrent = false;
  int mailboxConcurrency = 1;
  struct Quota {
    int perMinute = 0;           ///< requests of all accounts together; 0: without a limit
    int perAccountPerMinute = 0; ///< requests for one account; 0: without a limit
  } quota;                       ///< what the service allows one application
  std::string disconnectUrl;
  nlohmann::json settingsSchema;
  nlohmann::ordered_json credentialsSchema; ///< null without the capability `credentials`
  std::vector<FormField> form;              ///< the same, in the order of the form
  nlohmann::json document;                  ///< all of it, unknown fields included
};

/// Throws Error("plugin_invalid") that says what is wrong with it, and where.
Manifest parseManifest(std::string_view json);

/// What this host lacks for the plugin, one sentence each; empty: they fit.
std::vector<std::string> unmetNeeds(const Manifest& manifest);

} // namespace calbridge::plugins
