#pragma once
#include "store/sqlite/session.hpp"

#include <memory>
#include <string>

namespace calbridge::store::sqlite {

/// Keeps every other process away from a database for as long as it lives: an exclusive flock on PATH.lock, which the
/// kernel gives back however the process ends.
class LockFile {
 public:
  /// Creates missing directories (0700). Throws Error: store_locked, naming the owner; store_unavailable.
  explicit LockFile(const std::string& databasePath);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  int fd_ = -1;
};

/// Opens the database for writing, creates it (0600) when it is missing and brings its schema to this version.
/// Throws Error: store_newer, store_unavailable.
std::unique_ptr<Session> openDatabase(const std::string& path);

} // namespace calbridge::store::sqlite
