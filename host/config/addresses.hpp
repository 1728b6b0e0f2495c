#pragma once
#include "config/server_config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace calbridge {

/// "127.0.0.1:8000", "[::1]:8000", "localhost:0". Sets `why` when it is none.
std::optional<ListenAddress> parseListenAddress(std::string_view text, std::string& why);

/// Checks http(s)://host[:port] without user, path, query or fragment (one slash at the end is dropped). nullopt with
/// `why` otherwise.
std::optional<std::string> parseOrigin(std::string_view text, std::string& why);

/// Checks http(s)://host[:port]/path for a redirect URI: no user, query or fragment, no "." or ".." segment, no "//".
/// Empty when it is fine, else what is wrong.
std::string complainAboutCallback(std::string_view text);

/// Is the host of this URL this machine (localhost, 127.0.0.0/8, ::1)?
bool isLoopbackUrl(std::string_view url);

/// sqlite:PATH or postgresql://…; nullopt with `why` otherwise.
std::optional<StorageConfig> parseStorageUrl(std::string_view text, std::string& why);

} // namespace calbridge
