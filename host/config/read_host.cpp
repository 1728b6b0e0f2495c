#include "config/addresses.hpp"
#include "config/readers.hpp"
#include "core/certificate_files.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace calbridge {
namespace {

const nlohmann::json& section(const nlohmann::json& value, const char* key) {
  static const nlohmann::json none = nlohmann::json::object();
  const auto it = value.is_object() ? value.find(key) : value.end();
  return value.is_object() && it != value.end() && it->is_object() ? *it : none;
}

std::chrono::milliseconds seconds(const nlohmann::json& object, const char* key, std::chrono::milliseconds otherwise) {
  const double value = valueOr<double>(object, key, -1.0);
  return value < 0 || value > 1e9 ? otherwise : std::chrono::milliseconds(std::llround(value * 1000.0));
}

std::string originAt(const Document& document, const nlohmann::json& value, const std::string& pointer,
                     Problems& problems) {
  std::string why;
  if (!value.is_string())
    return {};
  auto origin = parseOrigin(value.get_ref<const std::string&>(), why);
  if (!origin)
    problems.push_back({document.where(pointer), why});
  return origin.value_or("");
}

/// Why the host does not listen there; empty: it does.
std::string complainAboutListening(const ListenAddress& address, const ServerConfig& server, bool plain) {
  const auto among = [&](const std::vector<ListenAddress>& list) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  if (address.port != 0 && (among(server.listen) || among(server.tls.plainListen)))
    return "the host would listen on this address twice";
  const bool v6 = address.host.find(':') != std::string::npos;
  if (plain && !isLoopbackUrl("http://" + (v6 ? "[" + address.host + "]" : address.host)))
    return "without TLS the host listens on this machine's own addresses only, such as 127.0.0.1";
  return {};
}

void readAddresses(const Document& document, const nlohmann::json& list, bool plain, ServerConfig& server,
                   Problems& problems) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string why;
    if (!list[i].is_string())
      continue;
    const auto address = parseListenAddress(list[i].get_ref<const std::string&>(), why);
    if (address)
      why = complainAboutListening(*address, server, plain);
    if (!why.empty())
      problems.push_back(
          {document.where((plain ? "/server/tls/plain_listen/" : "/server/listen/") + std::to_string(i)), why});
    else
      (plain ? server.tls.plainListen : server.listen).push_back(*address);
  }
}

void readTls(const Document& document, ServerConfig& server, Problems& problems, Problems& warnings) {
  const nlohmann::json& json = section(section(document.value(), "server"), "tls");
  auto& tls = server.tls;
  tls.certificateFile = valueOr<std::string>(json, "certificate_file", "");
  tls.keyFile = valueOr<std::string>(json, "key_file", "");
  if (const auto it = json.find("plain_listen"); it != json.end() && it->is_array())
    readAddresses(document, *it, true, server, problems);
  if (tls.certificateFile.empty() || tls.keyFile.empty())
    return; // the schema wants both, and says so
  const auto read = readServerCertificate(tls.certificateFile, tls.keyFile, SystemClock().now());
  const auto tell = [&](const std::vector<CertificateComplaint>& complaints, Problems& into) {
    for (const auto& complaint : complaints)
      into.push_back(
          {document.where(complaint.about == CertificateComplaint::About::key ? "/server/tls/key_file"
                                                                              : "/server/tls/certificate_file"),
           complaint.message});
  };
  tell(read.problems, problems);
  tell(read.warnings, warnings);
}

void readProxies(const Document& document, ServerConfig& server, Problems& problems) {
  const nlohmann::json& json = section(document.value(), "server");
  const auto it = json.find("trusted_proxies");
  if (it == json.end() || !it->is_array())
    return;
  for (std::size_t i = 0; i < it->size(); ++i) {
    std::string why;
    if (!(*it)[i].is_string())
      continue;
    if (auto range = AddressRange::parse((*it)[i].get_ref<const std::string&>(), why))
      server.trustedProxies.push_back(*range);
    else
      problems.push_back({document.where("/server/trusted_proxies/" + std::to_string(i)), why});
  }
}

void readServer(const Document& document, ServerConfig& server, Problems& problems, Problems& warnings) {
  const nlohmann::json& json = section(document.value(), "server");
  if (const auto it = json.find("listen"); it != json.end() && it->is_array())
    readAddresses(document, *it, false, server, problems);
  else
    server.listen = {{"127.0.0.1", 8000}, {"127.0.0.1", 3000}};
  readTls(document, server, problems, warnings);
  readProxies(document, server, problems);
  server.publicUrl = originAt(document, json.contains("public_url") ? json["public_url"] : "http://localhost:8000",
                              "/server/public_url", problems);
  server.frontendUrl =
      originAt(document, json.contains("frontend_url") ? json["frontend_url"] : "http://localhost:3000",
               "/server/frontend_url", problems);
  if (const auto it = json.find("allowed_origins"); it != json.end() && it->is_array()) {
    for (std::size_t i = 0; i < it->size(); ++i)
      if (auto origin = originAt(document, (*it)[i], "/server/allowed_origins/" + std::to_string(i), problems);
          !origin.empty())
        server.allowedOrigins.push_back(std::move(origin));
  } else if (!server.frontendUrl.empty()) {
    server.allowedOrigins = {server.frontendUrl};
  }
  server.maxConnections = valueOr(json, "max_connections", server.maxConnections);
  server.maxConnectionsPerAddress = valueOr(json, "max_connections_per_address", server.maxConnectionsPerAddress);
  if (server.maxConnectionsPerAddress > server.maxConnections)
    problems.push_back({document.where("/server/max_connections_per_address"),
                        "one address can not have more connections than there are in all (max_connections)"});
  server.headerDeadline = seconds(json, "header_deadline_seconds", server.headerDeadline);
  server.bodyDeadline = seconds(json, "body_deadline_seconds", server.bodyDeadline);
}

bool isProviderId(const std::string& id) {
  return !id.empty() && id.size() <= 32 && id.front() >= 'a' && id.front() <= 'z' &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool isPluginName(const std::string& name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

/// "host", "host:port", an address or a range of addresses.
void readAllowedHosts(const Document& document, const nlohmann::json& json, const std::string& pointer,
                      ProviderConfig& provider, Problems& problems) {
  const auto list = json.is_object() ? json.find("allowed_hosts") : json.end();
  if (!json.is_object() || list == json.end() || !list->is_array())
    return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* text = (*list)[i].get_ptr<const std::string*>();
    if (text == nullptr)
      continue;
    std::string why;
    if (const auto range = AddressRange::parse(*text, why)) {
      provider.allowedRanges.push_back(*range);
      continue;
    }
    const auto url = parseUrl("https://" + *text);
    if (url && url->target == "/" && text->find('/') == std::string::npos)
      provider.allowedHosts.push_back(text->ends_with(":443") ? url->host + ":443" : url->authority());
    else
      problems.push_back({document.where(pointer + "/allowed_hosts/" + std::to_string(i)),
                          "\"" + *text +
                              "\" is neither a host (cloud.example.lan, 127.0.0.1:5232) nor a range of "
                              "addresses (10.0.0.0/8)"});
  }
}

void readProviders(const Document& document, std::vector<ProviderConfig>& providers, Problems& problems) {
  for (const auto& id : document.keys("/providers")) {
    const std::string pointer = "/providers/" + escapePointer(id);
    const nlohmann::json& json = document.value()["providers"][id];
    if (!isProviderId(id))
      problems.push_back({document.where(pointer, true), "\"" + id +
                                                             "\" can not name a provider: use up to 32 lower-case "
                                                             "letters, digits and -, a letter first"});
    if (id == "default")
      problems.push_back({document.where(pointer, true),
                          "\"default\" can not name a provider: in plugins.isolation it speaks of all others"});
    ProviderConfig provider;
    provider.id = id;
    provider.enabled = valueOr(json, "enabled", true);
    provider.plugin = valueOr<std::string>(json, "plugin", "");
    if (!provider.plugin.empty() && !isPluginName(provider.plugin))
      problems.push_back(
          {document.where(pointer + "/plugin"),
           "a plugin is named by its id, not by a path; plugins.directories tells where to look for it"});
    provider.label = valueOr<std::string>(json, "label", "");
    provider.settings = section(json, "settings");
    readAllowedHosts(document, json, pointer, provider, problems);
    const auto& limits = section(json, "limits");
    const auto limit = [&](const char* key) {
      const int value = valueOr<int>(limits, key, -1);
      return value < 0 ? std::nullopt : std::optional(value);
    };
    provider.perMinute = limit("per_minute");
    provider.perAccountPerMinute = limit("per_account_per_minute");
    providers.push_back(std::move(provider));
  }
}

/// A file that the configuration names must be there, so that `check` says so and not the first request.
void checkFile(const Document& document, const std::string& pointer, const std::string& path, Problems& problems) {
  if (path.empty())
    return;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || !std::ifstream(path))
    problems.push_back({document.where(pointer), "the file " + path + " does not exist or can not be read"});
}

void readDelivery(const Document& document, DeliveryConfig& delivery, Problems& problems) {
  const nlohmann::json& json = section(document.value(), "delivery");
  delivery.maxInFlight = valueOr(json, "max_in_flight", delivery.maxInFlight);
  delivery.lease = seconds(json, "lease_seconds", delivery.lease);
  delivery.timeout = seconds(json, "timeout_seconds", delivery.timeout);
  if (delivery.timeout >= delivery.lease)
    problems.push_back({document.where("/delivery/timeout_seconds"),
                        "a push must end before its lease does: make timeout_seconds smaller than lease_seconds"});
  const auto& backoff = section(json, "backoff");
  delivery.backoffInitial = seconds(backoff, "initial_seconds", delivery.backoffInitial);
  delivery.backoffMax = seconds(backoff, "max_seconds", delivery.backoffMax);
  if (delivery.backoffInitial > delivery.backoffMax)
    problems.push_back({document.where("/delivery/backoff/initial_seconds"),
                        "the first wait is longer than the longest (max_seconds)"});
  delivery.backoffJitter = valueOr(backoff, "jitter", delivery.backoffJitter);
  const auto& brake = section(json, "deletion_brake");
  delivery.brakeShare = valueOr(brake, "share", delivery.brakeShare);
  delivery.brakeAtLeast = valueOr(brake, "at_least", delivery.brakeAtLeast);
  const double hours = valueOr<double>(backoff, "give_up_hours", 72.0);
  delivery.giveUpAfter =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::clamp(hours, 1.0, 8760.0) * 3600.0 * 1000.0));
}

void readIsolation(const Document& document, Configuration& into, Problems& problems) {
  const nlohmann::json& isolation = section(section(document.value(), "plugins"), "isolation");
  const auto isIsolated = [](const nlohmann::json& value) { return value == "isolated"; };
  if (const auto all = isolation.find("default"); all != isolation.end())
    into.plugins.isolated = isIsolated(*all);
  for (auto& provider : into.providers)
    provider.isolated = into.plugins.isolated;
  for (const auto& [id, value] : isolation.items()) {
    if (id == "default")
      continue;
    const auto provider = std::find_if(into.providers.begin(), into.providers.end(),
                                       [&id = id](const ProviderConfig& candidate) { return candidate.id == id; });
    if (provider == into.providers.end())
      problems.push_back({document.where("/plugins/isolation/" + escapePointer(id), true),
                          "there is no provider \"" + id + "\"; name one of providers, or \"default\" for all"});
    else
      provider->isolated = isIsolated(value);
  }
}

/// After the providers, which it speaks of.
void readPlugins(const Document& document, Configuration& into, Problems& problems) {
  const nlohmann::json& plugins = section(document.value(), "plugins");
  if (const auto it = plugins.find("directories"); it != plugins.end() && it->is_array())
    for (std::size_t i = 0; i < it->size(); ++i) {
      std::error_code error;
      const auto directory = (*it)[i].is_string() ? (*it)[i].get<std::string>() : std::string();
      if (!directory.empty() && !std::filesystem::is_directory(directory, error))
        problems.push_back({document.where("/plugins/directories/" + std::to_string(i)),
                            "the directory " + directory + " does not exist"});
      into.plugins.directories.push_back(directory);
    }
  readIsolation(document, into, problems);
  into.plugins.quarantine = seconds(plugins, "quarantine_seconds", into.plugins.quarantine);
}

} // namespace

void readHost(const Document& document, Configuration& into, Problems& problems, Problems& warnings) {
  const nlohmann::json& root = document.value();
  readServer(document, into.server, problems, warnings);
  std::string why;
  const nlohmann::json& storageJson = section(root, "storage");
  const std::string url = valueOr<std::string>(storageJson, "url", "sqlite:var/calbridge.db");
  if (auto storage = parseStorageUrl(url, why))
    into.storage = std::move(*storage);
  else
    problems.push_back({document.where("/storage/url"), why});
  into.storage.node = valueOr<std::string>(storageJson, "node", "");
  into.storage.nodeTimeout = std::chrono::seconds(valueOr<int>(storageJson, "node_timeout_seconds", 15));
  readProviders(document, into.providers, problems);
  readPlugins(document, into, problems);
  into.jwtKeysFile = valueOr<std::string>(section(root, "security"), "jwt_keys", "");
  checkFile(document, "/security/jwt_keys", into.jwtKeysFile, problems);
  readDelivery(document, into.delivery, problems);
  const nlohmann::json& retention = section(root, "retention");
  into.retention.eventsDays = valueOr(retention, "events_days", into.retention.eventsDays);
  into.retention.cancelledDays = valueOr(retention, "cancelled_days", into.retention.cancelledDays);
  into.retention.auditDays = valueOr(retention, "audit_days", into.retention.auditDays);
  const nlohmann::json& logging = section(root, "logging");
  into.logging.level = valueOr(logging, "level", into.logging.level);
  into.logging.format = valueOr(logging, "format", into.logging.format);
  into.tlsCaFile = valueOr<std::string>(section(root, "tls"), "ca_file", "");
  checkFile(document, "/tls/ca_file", into.tlsCaFile, problems);
}

} // namespace calbridge
