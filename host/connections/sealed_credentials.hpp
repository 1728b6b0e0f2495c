#pragma once
#include "connections/vault.hpp"
#include "core/provider.hpp"

namespace calbridge::connections {

/// Where a connection's credentials are sealed for.
SealedPlace placeOf(const store::ConnectionRecord& record);
/// Seals a connection's credentials for the row `connectionId`. Errors as Vault::seal.
std::string sealCredentials(const Vault& vault, const Credentials& credentials, std::int64_t connectionId,
                            const std::string& personId, const std::string& provider);
/// Opens what the store has. Throws Error("vault_damaged") as Vault::open, also for an empty value.
Credentials openCredentials(const Vault& vault, const store::ConnectionRecord& record);
/// Overwrites the tokens in memory.
void wipe(Credentials& credentials) noexcept;

} // namespace calbridge::connections
