#pragma once
#include <string>

namespace calbridge::store::postgresql {

/// Brings the database behind `url` to this version's schema. Several nodes may do so at the same time. Throws Error:
/// store_unavailable (cannot be reached, or is not fit: version, encoding, tables of another program), store_newer.
void openSchema(const std::string& url);

/// Does the database behind `url` hold tables of ours? Throws Error("store_unavailable").
bool hasSchema(const std::string& url);

/// Where the database is, for messages: without password and options.
std::string placeOf(const std::string& url);

} // namespace calbridge::store::postgresql
