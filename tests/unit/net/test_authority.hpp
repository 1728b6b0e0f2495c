#pragma once
#include <filesystem>
#include <string>

namespace calbridge::test {

/// A certification authority made for one test run, in a folder of its own that goes away with it.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::filesystem::path& caFile() const { return caFile_; }
  struct Identity {
    std::filesystem::path certificateFile;
    std::filesystem::path keyFile;
  };
  /// A server certificate for `subjectAltName` ("DNS:localhost", "IP:127.0.0.1").
  Identity issue(const std::string& name, const std::string& subjectAltName) const;

 private:
  std::filesystem::path folder_;
  std::filesystem::path caFile_;
  void* key_ = nullptr;         ///< EVP_PKEY
  void* certificate_ = nullptr; ///< X509
};

} // namespace calbridge::test
