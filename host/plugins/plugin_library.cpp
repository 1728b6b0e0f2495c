#define BOOST_DLL_USE_STD_FS // std::filesystem, and nothing of Boost to link

#include "plugins/plugin_library.hpp"

#include "core/error.hpp"

#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <dlfcn.h>

namespace calbridge::plugins {
namespace {

constexpr std::uint32_t kLargestTable = 4096;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error("plugin_invalid", path.string() + ": " + why);
}

/// Checks the exported struct before anything in it is used, and copies what both sides know.
calbridge_plugin_v1_t readTable(const std::filesystem::path& path, const calbridge_plugin_v1_t& exported) {
  if (exported.magic != CALBRIDGE_MAGIC) {
    refuse(path, "its " CALBRIDGE_SYMBOL " is no calbridge plugin table (wrong magic number)");
  }
  if (exported.struct_size < CALBRIDGE_PLUGIN_MIN_SIZE || exported.struct_size > kLargestTable ||
      exported.struct_size % sizeof(calbridge_operation) != 0) {
    refuse(path, "its plugin table says that it is " + std::to_string(exported.struct_size) +
                     " bytes long, which no version is: build it against the SDK's abi.h");
  }
  if (exported.major != CALBRIDGE_MAJOR) {
    refuse(path, "it is made for plugin interface " + std::to_string(exported.major) + ", this host offers " +
                     std::to_string(CALBRIDGE_MAJOR));
  }
  calbridge_plugin_v1_t table{};
  std::memcpy(&table, &exported, std::min<std::size_t>(exported.struct_size, sizeof table));
  if (table.create == nullptr || table.destroy == nullptr || table.connect == nullptr || table.exchange == nullptr ||
      table.refresh == nullptr || table.push == nullptr) {
    refuse(path, "its plugin table lacks one of create, destroy, connect, exchange, refresh, push");
  }
  if (table.manifest.data == nullptr || table.manifest.size == 0 || table.manifest.size > CALBRIDGE_JSON_MAX_BYTES) {
    refuse(path, "its manifest is empty or larger than 1 MiB");
  }
  return table;
}

} // namespace

std::shared_ptr<const PluginLibrary> PluginLibrary::loadHere(const std::filesystem::path& path) {
  if (!path.is_absolute()) {
    refuse(path, "give the absolute path of a plugin");
  }
  namespace dll = boost::dll;
  std::shared_ptr<PluginLibrary> library(new PluginLibrary);
  library->path_ = path;
  try {
    // RTLD_NODELETE: the handle may be closed, the library stays.
    const auto mode =
        dll::load_mode::rtld_now | dll::load_mode::rtld_local | static_cast<dll::load_mode::type>(RTLD_NODELETE);
    dll::shared_library handle(path, mode);
    if (!handle.has(CALBRIDGE_SYMBOL)) {
      refuse(path, "it does not export " CALBRIDGE_SYMBOL ": it is no calbridge plugin, or hides its table");
    }
    library->table_ = readTable(path, handle.get<const calbridge_plugin_v1_t>(CALBRIDGE_SYMBOL));
  } catch (const std::system_error& error) {
    refuse(path, std::string("it cannot be loaded: ") + error.what());
  }
  try {
    library->manifest_ = parseManifest({library->table_.manifest.data, library->table_.manifest.size});
  } catch (const Error& error) {
    refuse(path, error.message());
  }
  return library;
}

calbridge_operation PluginLibrary::operation(Operation operation) const {
  switch (operation) {
  case Operation::connect:
    return table_.connect;
  case Operation::exchange:
    return table_.exchange;
  case Operation::refresh:
    return table_.refresh;
  case Operation::push:
    return table_.push;
  case Operation::revoke:
    return table_.revoke;
  case Operation::feed:
    return table_.feed;
  case Operation::authenticate:
    return table_.authenticate;
  case Operation::listCalendars:
    return table_.list_calendars;
  case Operation::freeBusy:
    return table_.free_busy;
  case Operation::changes:
    return table_.changes;
  }
  return nullptr;
}

} // namespace calbridge::plugins
