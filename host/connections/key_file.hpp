#pragma once
#include "connections/key_ring.hpp"

namespace calbridge::connections {

/// Reads a key file. nullopt when there is none. Errors: master_key_exposed (readable by others, owned by somebody else
/// than this user or root, a link or no ordinary file), master_key_invalid (malformed or unreadable).
std::optional<MasterKey> readKeyFile(const std::filesystem::path& file);
/// Makes a key file of a fresh key: complete and on disk (file and directory fsynced) before it appears under its name,
/// mode 0600. False, with nothing changed, when there is one already. Errors: master_key_unwritable.
bool makeKeyFile(const std::filesystem::path& file, Random& random);
/// Puts `fresh` in the place of `file`, whose key is gone then; one step on disk: never both, never neither. Errors:
/// master_key_unwritable.
void replaceKeyFile(const std::filesystem::path& fresh, const std::filesystem::path& file);

} // namespace calbridge::connections
