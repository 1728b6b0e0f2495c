#include "plugins/plugin_providers.hpp"

#include "core/error.hpp"
#include "core/url.hpp"
#include "plugins/in_process_instance.hpp"
#include "plugins/isolated_instance.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace calbridge::plugins {
namespace {

/// What is known of each file, and loaded of it, however many providers use it.
struct Known {
  PluginDescription description;
  std::shared_ptr<const PluginLibrary> library; ///< null: no provider runs it in this process
};
using Libraries = std::map<std::filesystem::path, Known>;

/// Builds one provider, or collects what keeps it from being built.
class Builder {
 public:
  Builder(const ProviderSpec& spec, const HostServices& host, std::vector<ProviderProblem>& problems)
      : spec_(spec), host_(host), problems_(problems) {}

  /// After build().
  const Manifest::Quota& quota() const { return quota_; }
  const std::vector<std::string>& gaps() const { return gaps_; }

  std::unique_ptr<PluginProvider> build(const PluginSearch& search, Libraries& libraries) {
    Known* known = look(search, libraries);
    if (known == nullptr) {
      return nullptr;
    }
    const Manifest& manifest = known->description.manifest;
    const std::size_t before = problems_.size();
    for (const std::string& need : unmetNeeds(manifest)) {
      add("/plugin", known->description.path.string() + ": " + need);
    }
    if (const auto& services = manifest.requiredServices;
        host_.mailer == nullptr &&
        std::find(services.begin(), services.end(), CALBRIDGE_SMTP_SERVICE) != services.end())
      add("/plugin", "SMTP is not configured, and " + manifest.name +
                         " sends mail: set SMTP_URL in the environment or in .env, e.g. smtp://mail.example.com:587");
    checkSettings(manifest);
    PluginIdentity identity{spec_.id, manifest.egress, {}};
    if (!manifest.egressCredentials.empty()) {
      identity.typedServers = spec_.allowedHosts;
    } else if (!spec_.allowedHosts.hosts.empty() || !spec_.allowedHosts.ranges.empty()) {
      add("/allowed_hosts", "people type no server for the plugin \"" + manifest.id + "\": leave this out");
    }
    for (const std::string& setting : manifest.egressSettings) {
      addEgress(setting, identity.egress);
    }
    if (!local_) {
      quota_ = manifest.quota;
    }
    return problems_.size() == before ? provide(search, *known, std::move(identity)) : nullptr;
  }

 private:
  Known* look(const PluginSearch& search, Libraries& libraries) {
    try {
      const std::filesystem::path path = findPlugin(spec_.plugin, search);
      if (const auto found = libraries.find(path); found != libraries.end()) {
        return &found->second;
      }
      return &libraries.emplace(path, Known{describePlugin(path, search.runner), nullptr}).first->second;
    } catch (const Error& error) {
      add("/plugin", error.message());
      return nullptr;
    }
  }

  void checkSettings(const Manifest& manifest) {
    for (const SchemaViolation& violation : violations(manifest.settingsSchema, spec_.settings)) {
      add("/settings" + violation.pointer, violation.message);
    }
  }

  /// A URL setting widens the list of hosts by its own.
  void addEgress(const std::string& setting, std::vector<std::string>& egress) {
    const auto value = spec_.settings.find(setting);
    if (value == spec_.settings.end() || !value->is_string()) {
      return; // absent, or already complained about
    }
    const auto url = parseUrl(value->get_ref<const std::string&>());
    if (!url) {
      add("/settings/" + setting, "must be an absolute URL such as https://api.example.com/v1");
    } else if (!url->secure() && !url->isLoopback()) {
      add("/settings/" + setting, "must be https: plain http is accepted for loopback addresses only");
    } else {
      egress.push_back(url->authority());
      local_ = local_ || url->isLoopback();
    }
  }

  std::unique_ptr<PluginProvider> provide(const PluginSearch& search, Known& known, PluginIdentity identity) {
    const Manifest& manifest = known.description.manifest;
    ProviderInfo info;
    info.id = spec_.id;
    info.label = spec_.label.empty() ? manifest.name : spec_.label;
    info.version = manifest.version;
    info.capabilities = capabilitiesOf(known.description);
    info.form = manifest.form;
    info.formSchema = manifest.credentialsSchema;
    info.mailboxConcurrency = manifest.mailboxConcurrency;
    info.redirectUri = spec_.redirectUri;
    info.disconnectUrl = manifest.disconnectUrl;
    info.configured = true;
    if (info.can("oauth2")) {
      info.missing = spec_.missing;
      info.configured = spec_.missing.empty() && !spec_.clientId.empty();
    }
    try {
      std::unique_ptr<PluginInstance> instance = instantiate(search, known, std::move(identity));
      return std::make_unique<PluginProvider>(std::move(info), spec_.clientSecret, std::move(instance), host_.clock);
    } catch (const Error& error) {
      add("/settings", error.message());
      return nullptr;
    }
  }

  /// What the manifest says, less what the library has no operation for: nothing may be offered that it cannot do.
  std::set<std::string> capabilitiesOf(const PluginDescription& plugin) const {
    static constexpr std::pair<const char*, Operation> kBacked[] = {{"credentials", Operation::authenticate},
                                                                    {"list-calendars", Operation::listCalendars},
                                                                    {"free-busy", Operation::freeBusy},
                                                                    {"changes", Operation::changes}};
    std::set<std::string> capabilities = plugin.manifest.capabilities;
    for (const auto& [capability, operation] : kBacked) {
      if (!plugin.has(operation) && capabilities.erase(capability) > 0) {
        host_.logger.warning("a plugin names a capability but has no operation for it: it is not used",
                             {{"provider", spec_.id}, {"capability", capability}, {"operation", toString(operation)}});
      }
    }
    return capabilities;
  }

  std::unique_ptr<PluginInstance> instantiate(const PluginSearch& search, Known& known, PluginIdentity identity) {
    const std::array<std::string_view, 1> secrets = {spec_.clientSecret};
    std::string settings = settingsToWire(spec_.clientId, spec_.clientSecret, spec_.settings);
    if (isIsolated(spec_.isolation, known.description.path, search)) {
      gaps_ = known.description.gaps;
      return std::make_unique<IsolatedInstance>(known.description, search.runner, host_, std::move(identity),
                                                std::move(settings), secrets);
    }
    if (!known.library) {
      known.library = PluginLibrary::loadHere(known.description.path);
    }
    return std::make_unique<InProcessInstance>(known.library, host_, std::move(identity), settings, secrets);
  }

  void add(const std::string& pointer, const std::string& message) {
    problems_.push_back({spec_.id, "/providers/" + spec_.id + pointer, message});
  }

  const ProviderSpec& spec_;
  const HostServices& host_;
  std::vector<ProviderProblem>& problems_;
  bool local_ = false; ///< some setting leads to this machine
  Manifest::Quota quota_;
  std::vector<std::string> gaps_; ///< in what confines it
};

} // namespace

bool isIsolated(Isolation isolation, const std::filesystem::path& path, const PluginSearch& search) {
  return isolation == Isolation::byOrigin ? !isBundled(path, search) : isolation == Isolation::isolated;
}

PluginProviders::PluginProviders(const std::vector<ProviderSpec>& specs, const PluginSearch& search,
                                 const HostServices& host) {
  Libraries libraries;
  for (const ProviderSpec& spec : specs) {
    Builder builder(spec, host, problems_);
    if (auto provider = builder.build(search, libraries); provider) {
      providers_.push_back(std::move(provider));
      quotas_[spec.id] = builder.quota();
      for (const std::string& gap : builder.gaps()) {
        gaps_.push_back({spec.id, "/providers/" + spec.id, gap});
      }
    }
  }
}

Provider* PluginProviders::find(const std::string& id) const {
  for (const auto& provider : providers_) {
    if (provider->info().id == id) {
      return provider.get();
    }
  }
  return nullptr;
}

std::vector<Provider*> PluginProviders::all() const {
  std::vector<Provider*> all;
  for (const auto& provider : providers_) {
    all.push_back(provider.get());
  }
  return all;
}

} // namespace calbridge::plugins
