#pragma once
#include "auth_fixture.hpp"
#include "store/store.hpp"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace calbridge::http::test {

/// A real store in a folder of its own.
class TemporaryStore {
 public:
  TemporaryStore() {
    std::string pattern = (std::filesystem::temp_directory_path() / "calbridge-auth-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      throw std::runtime_error("mkdtemp");
    folder_ = pattern;
    store_ = store::openStore("sqlite:" + (folder_ / "test.db").string());
  }
  ~TemporaryStore() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  TemporaryStore(const TemporaryStore&) = delete;
  TemporaryStore& operator=(const TemporaryStore&) = delete;

  store::Store& operator*() { return *store_; }
  store::Store* operator->() { return store_.get(); }

  void addPerson(const std::string& id, const std::string& role) {
    store_->putPerson(
        {.id = id, .name = id, .email = id + "@example.com", .role = role, .timezone = "UTC", .teams = {}},
        std::nullopt);
  }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<store::Store> store_;
};

} // namespace calbridge::http::test
