#include "plugins/catalog.hpp"

#include "core/error.hpp"
#include "plugins/plugin_description.hpp"

#include <algorithm>

namespace calbridge::plugins {
namespace {

InstalledPlugin look(const std::filesystem::path& path, const PluginSearch& search) {
  InstalledPlugin plugin;
  plugin.path = path;
  try {
    PluginDescription description = describePlugin(path, search.runner);
    plugin.problems = unmetNeeds(description.manifest);
    plugin.isolated = !isBundled(path, search);
    for (const Operation operation : description.operations) {
      plugin.operations.emplace_back(toString(operation));
    }
    plugin.gaps = std::move(description.gaps);
    plugin.manifest = std::move(description.manifest);
  } catch (const Error& error) {
    plugin.problems.push_back(error.message());
  }
  return plugin;
}

const char* wayOf(bool isolated) {
  return isolated ? "isolated" : "in-process";
}

/// One word where all providers that use the plugin agree; else each with its own.
std::string waysOf(const InstalledPlugin& plugin) {
  const auto& as = plugin.isolatedAs;
  const bool agreed = std::all_of(as.begin(), as.end(), [&](const auto& p) { return p.second == as.begin()->second; });
  if (agreed) {
    return wayOf(as.empty() ? plugin.isolated : as.begin()->second);
  }
  std::string out;
  for (const auto& [provider, isolated] : as) {
    out += (out.empty() ? "" : ", ") + (wayOf(isolated) + (" as " + provider));
  }
  return out;
}

template <typename Strings>
std::string joined(const Strings& strings) {
  std::string out;
  for (const std::string& one : strings) {
    out += (out.empty() ? "" : ", ") + one;
  }
  return out.empty() ? "none" : out;
}

/// The fields of the form by name, in its order, with what is special about each.
std::string formLine(const Manifest& manifest) {
  std::vector<std::string> fields;
  for (const FormField& field : manifest.form) {
    const auto& servers = manifest.egressCredentials;
    const bool server = std::find(servers.begin(), servers.end(), field.name) != servers.end();
    fields.push_back(field.name + (field.secret ? " (secret)" : "") + (server ? " (names a server to talk to)" : ""));
  }
  return joined(fields);
}

} // namespace

std::vector<InstalledPlugin> listPlugins(const PluginSearch& search) {
  std::vector<InstalledPlugin> plugins;
  for (const auto& path : installedPlugins(search)) {
    plugins.push_back(look(path, search));
  }
  return plugins;
}

InstalledPlugin inspectPlugin(const std::string& nameOrPath, const PluginSearch& search) {
  return look(findTypedPlugin(nameOrPath, search), search);
}

nlohmann::json toJson(const InstalledPlugin& plugin) {
  nlohmann::json runsAs = nlohmann::json::object();
  for (const auto& [provider, isolated] : plugin.isolatedAs) {
    runsAs[provider] = wayOf(isolated);
  }
  return {{"path", plugin.path.string()},
          {"usable", plugin.problems.empty()},
          {"problems", plugin.problems},
          {"operations", plugin.operations},
          {"runs", wayOf(plugin.isolated)},
          {"runs_as", runsAs},
          {"gaps", plugin.gaps},
          {"manifest", plugin.manifest ? plugin.manifest->document : nlohmann::json()}};
}

std::string listLine(const InstalledPlugin& plugin) {
  if (!plugin.manifest) {
    return plugin.path.filename().string() + "  cannot be used: " + joined(plugin.problems);
  }
  const Manifest& manifest = *plugin.manifest;
  return manifest.id + "  " + manifest.version + "  " + manifest.name + "  [" + joined(manifest.capabilities) + "]" +
         "  " + waysOf(plugin) + (plugin.problems.empty() ? "" : "  cannot be used: " + joined(plugin.problems));
}

std::string describe(const InstalledPlugin& plugin) {
  std::string out = plugin.path.string() + "\n";
  for (const std::string& problem : plugin.problems) {
    out += "  problem           " + problem + "\n";
  }
  if (!plugin.manifest) {
    return out;
  }
  const Manifest& manifest = *plugin.manifest;
  out += "  id                " + manifest.id + "\n  name              " + manifest.name + "\n  version           " +
         manifest.version + "\n";
  out += manifest.description.empty() ? "" : "  description       " + manifest.description + "\n";
  out += "  runs              " + waysOf(plugin) + "\n";
  for (const auto& [provider, isolated] : plugin.isolatedAs) {
    out += "    as " + provider + ": " + wayOf(isolated) + "\n";
  }
  for (const std::string& gap : plugin.gaps) {
    out += "  not confined      " + gap + "\n";
  }
  out += "  operations        " + joined(plugin.operations) + "\n  capabilities      " + joined(manifest.capabilities) +
         "\n";
  out += "  requires          " + joined(manifest.requiredServices) + "\n  optional          " +
         joined(manifest.optionalServices) + "\n";
  out += "  may talk to       " + joined(manifest.egress) + "\n";
  out += "  and the hosts of  " + joined(manifest.egressSettings) + "\n";
  out += manifest.form.empty() ? "" : "  people type       " + formLine(manifest) + "\n";
  out += std::string("  calls at a time   ") + (manifest.concurrent ? "many" : "one") + ", per mailbox " +
         std::to_string(manifest.mailboxConcurrency) + "\n";
  out += manifest.disconnectUrl.empty() ? "" : "  consent page      " + manifest.disconnectUrl + "\n";
  out += "  settings schema\n";
  std::string schema = manifest.settingsSchema.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  for (std::size_t at = 0; (at = schema.find('\n', at)) != std::string::npos; at += 5) {
    schema.replace(at, 1, "\n    ");
  }
  return out + "    " + schema + "\n";
}

} // namespace calbridge::plugins
