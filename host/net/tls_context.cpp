#include "net/tls_context.hpp"

#include "core/error.hpp"

#include <Poco/Crypto/X509Certificate.h>
#include <Poco/Exception.h>

namespace calbridge::net {

using Poco::Net::Context;

Context::Ptr clientTlsContext(const std::filesystem::path& extraCaFile) {
  Context::Params params;
  params.verificationMode = Context::VERIFY_STRICT;
  params.verificationDepth = 9;
  params.loadDefaultCAs = true;
  params.cipherList = "HIGH:!aNULL:!MD5:!RC4:!3DES";
  Context::Ptr context = new Context(Context::TLS_CLIENT_USE, params);
  context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
  if (!extraCaFile.empty()) {
    try {
      for (const auto& certificate : Poco::Crypto::X509Certificate::readPEM(extraCaFile.string())) {
        context->addCertificateAuthority(certificate);
      }
    } catch (const Poco::Exception& exception) {
      throw Error("ca_file_invalid", "cannot read certificates from " + extraCaFile.string() + ": give a PEM file",
                  exception.displayText());
    }
  }
  return context;
}

} // namespace calbridge::net
