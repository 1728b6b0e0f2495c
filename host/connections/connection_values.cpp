#include "connections/connection_values.hpp"
#include "core/error.hpp"

#include <nlohmann/json.hpp>

namespace calbridge::connections {
namespace {

// The store has one name space per connection: plugins' keys get a prefix, and the index lies beside them.
constexpr auto kIndexKey = "index";
std::string stored(const std::string& key) {
  return "plugin." + key;
}

void checkText(const std::string& text, const char* what) {
  if (text.find('\0') != std::string::npos)
    throw Error("invalid_value", std::string("the ") + what + " of a connection value contains a NUL byte");
}

/// Sizes by key; what the quota is counted from.
std::map<std::string, std::size_t> readIndex(store::Store& store, std::int64_t connectionId) {
  std::map<std::string, std::size_t> index;
  const auto text = store.connectionValue(connectionId, kIndexKey);
  if (!text)
    return index;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (json.is_array())
    for (const auto& row : json)
      if (row.is_array() && row.size() == 2 && row[0].is_string() && row[1].is_number_unsigned())
        index[row[0].get<std::string>()] = row[1].get<std::size_t>();
  return index;
}

std::string indexText(const std::map<std::string, std::size_t>& index) {
  auto json = nlohmann::json::array();
  for (const auto& [key, size] : index)
    json.push_back({key, size});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace

std::optional<std::string> ConnectionValues::get(const std::string& key) {
  return store_.connectionValue(connectionId_, stored(key));
}

void ConnectionValues::set(const std::string& key, const std::string& value) {
  if (key.empty() || key.size() > 128)
    throw Error("invalid_value", "the key of a connection value must have 1 to 128 bytes");
  checkText(key, "key");
  checkText(value, "text");
  const std::scoped_lock lock(locks_.of(connectionId_));
  auto index = readIndex(store_, connectionId_);
  const auto before = index;
  if (value.empty()) {
    index.erase(key);
  } else {
    index[key] = value.size();
    std::size_t bytes = 0;
    for (const auto& [name, size] : index)
      bytes += name.size() + size;
    if (index.size() > kMaxKeys || bytes > kMaxBytes)
      throw Error("quota_exceeded", "a plugin may keep 64 values and 16 KiB for one connection");
  }
  // The index is never behind the values: what a crash between the two writes leaves is counted too high at worst.
  if (value.empty()) {
    store_.setConnectionValue(connectionId_, stored(key), value);
    if (index != before)
      store_.setConnectionValue(connectionId_, kIndexKey, index.empty() ? "" : indexText(index));
  } else {
    if (index != before)
      store_.setConnectionValue(connectionId_, kIndexKey, indexText(index));
    store_.setConnectionValue(connectionId_, stored(key), value);
  }
}

} // namespace calbridge::connections
