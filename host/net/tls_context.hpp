#pragma once
#include <Poco/Net/Context.h>
#include <filesystem>

namespace calbridge::net {

/// How this host meets servers: TLS 1.2 or later, certificates of the system's store or of `extraCaFile` (PEM, may be
/// empty), chains and host names checked. Poco's own default is relaxed. Poco's SSL must have been initialized, and a
/// RejectCertificateHandler must exist as long as the context is used. Throws Error("ca_file_invalid").
Poco::Net::Context::Ptr clientTlsContext(const std::filesystem::path& extraCaFile);

} // namespace calbridge::net
