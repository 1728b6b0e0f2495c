#include "store/sqlite/database_file.hpp"

#include "store/sql/embedded.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace calbridge::store::sqlite {
namespace {

constexpr std::int64_t kApplicationId = 0x43414c42; // "CALB": tells our databases from other programs'

Error cannotOpen(const std::string& path, const std::string& why) {
  return {"store_unavailable", "Cannot open the database " + path + ": " + why};
}

void makeParents(const std::string& path) {
  std::filesystem::path at;
  for (const auto& part : std::filesystem::path(path).parent_path()) {
    at /= part;
    if (::mkdir(at.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      const int error = errno;
      std::error_code ignored;
      if (!std::filesystem::is_directory(at, ignored)) {
        throw cannotOpen(path, "the directory " + at.string() + " cannot be made: " + std::strerror(error));
      }
    }
  }
}

/// Creates the file with its mode before SQLite opens it; its log and shared memory take the mode over.
void makeFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    throw cannotOpen(path, std::strerror(errno));
  struct stat info {};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  ::close(fd);
  if (!regular)
    throw cannotOpen(path, "it is not a regular file");
}

void migrate(Session& session, const std::string& path) {
  const auto migrations = sql::sqliteMigrations();
  const auto known = static_cast<std::int64_t>(migrations.size());
  const std::int64_t application = session.number("PRAGMA application_id");
  const std::int64_t version = session.number("PRAGMA user_version");
  if (application != kApplicationId && session.number("SELECT count(*) FROM sqlite_schema") > 0) {
    throw cannotOpen(path, "it is a database of another program. Name another file in storage.url");
  }
  if (version > known) {
    throw Error("store_newer", "The database " + path + " was made by a newer version (schema " +
                                   std::to_string(version) + ", this program knows " + std::to_string(known) +
                                   "): use that version, or restore a backup.");
  }
  for (const auto& migration : migrations) {
    if (migration.version <= version)
      continue;
    session["begin_immediate"].run();
    session.script(std::string(migration.text));
    session.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
    session.execute("PRAGMA user_version = " + std::to_string(migration.version));
    session["commit"].run();
  }
}

} // namespace

LockFile::LockFile(const std::string& databasePath) {
  makeParents(databasePath);
  const std::string path = databasePath + ".lock";
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0)
    throw cannotOpen(databasePath, "its lock file " + path + ": " + std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    char owner[32] = {};
    const auto read = ::pread(fd_, owner, sizeof owner - 1, 0);
    ::close(fd_);
    if (error != EWOULDBLOCK)
      throw cannotOpen(databasePath, "its lock file " + path + ": " + std::strerror(error));
    const std::string pid(owner, static_cast<std::size_t>(read > 0 ? read : 0));
    throw Error("store_locked", "The database " + databasePath + " is in use by another calbridge (pid " +
                                    (pid.empty() ? "unknown" : pid.substr(0, pid.find('\n'))) +
                                    "). Stop that one first, or name another file in storage.url.");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // Only for the message above; a full disk must not keep the program from starting.
  if (::ftruncate(fd_, 0) == 0) [[maybe_unused]]
    const auto written = ::pwrite(fd_, pid.data(), pid.size(), 0);
}

LockFile::~LockFile() {
  ::close(fd_);
}

std::unique_ptr<Session> openDatabase(const std::string& path) {
  makeFile(path);
  try {
    auto session = std::make_unique<Session>(path, Session::Role::writer);
    session->number("PRAGMA schema_version"); // reads the file: fails on what is no database
    migrate(*session, path);
    session->execute("PRAGMA journal_mode = WAL");
    session->execute("PRAGMA synchronous = FULL");
    return session;
  } catch (const Failure& failure) {
    switch (failure.code() & 0xff) {
    case SQLITE_NOTADB:
      throw Error("store_unavailable", "Cannot open the database " + path + ": it is not an SQLite database.");
    case SQLITE_READONLY:
      throw Error("store_unavailable", "Cannot open the database " + path + ": it cannot be written.");
    default:
      throw Error("store_unavailable", "Cannot open the database " + path + ": " + failure.what());
    }
  }
}

} // namespace calbridge::store::sqlite
