#pragma once
#include "auth_fixture.hpp"
#include "store/store.hpp"
#include "temporary_folder.hpp"

#include <memory>

namespace calbridge::http::test {

/// A real store in a folder of its own.
class TemporaryStore {
 public:
  store::Store& operator*() { return *store_; }
  store::Store* operator->() { return store_.get(); }

  void addPerson(const std::string& id, const std::string& role) {
    store_->putPerson(
        {.id = id, .name = id, .email = id + "@example.com", .role = role, .timezone = "UTC", .teams = {}},
        std::nullopt);
  }

 private:
  testing::TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_ = store::openStore("sqlite:" + (folder_.path / "test.db").string());
};

} // namespace calbridge::http::test
