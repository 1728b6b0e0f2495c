#include "connections/key_file.hpp"
#include "connections/vault.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

namespace calbridge::connections {
namespace {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  /// False when the system reported a late write error.
  bool close() {
    const int fd = fd_;
    fd_ = -1;
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

std::string reason(int error) {
  return std::error_code(error, std::generic_category()).message();
}

bool writeAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void syncFolder(const std::filesystem::path& folder, const std::string& name) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0)
    throw Error("master_key_unwritable", "cannot make the key file " + name + " durable: " + reason(errno));
}

} // namespace

std::optional<MasterKey> readKeyFile(const std::filesystem::path& file) {
  const std::string name = file.string();
  // O_NONBLOCK: a pipe in the file's place must not hang the start.
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT)
      return std::nullopt;
    if (errno == ELOOP)
      throw Error("master_key_exposed",
                  "the key file " + name + " is a symbolic link; put the file itself there, mode 0600");
    throw Error("master_key_invalid", "cannot read the key file " + name + ": " + reason(errno));
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0)
    throw Error("master_key_invalid", "cannot read the key file " + name + ": " + reason(errno));
  if (!S_ISREG(info.st_mode))
    throw Error("master_key_exposed", "the key file " + name + " is not an ordinary file");
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    throw Error("master_key_exposed", "the key file " + name + " belongs to another user; make it this user's own");
  if ((info.st_mode & 077) != 0)
    throw Error("master_key_exposed",
                "the key file " + name + " can be read by others; run `chmod 600 " + name + "` and start again");

  std::array<char, 256> buffer{};
  std::size_t size = 0;
  while (size < buffer.size()) {
    const auto got = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      throw Error("master_key_invalid", "cannot read the key file " + name + ": " + reason(errno));
    if (got == 0)
      break;
    size += static_cast<std::size_t>(got);
  }
  struct Wiped {
    std::array<char, 256>& buffer;
    ~Wiped() { OPENSSL_cleanse(buffer.data(), buffer.size()); }
  } wiped{buffer};
  return MasterKey::fromBase64({buffer.data(), size}, "the key file " + name);
}

bool makeKeyFile(const std::filesystem::path& file, Random& random) {
  const std::string name = file.string();
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const std::string draft = name + ".new-" + random.token(9);

  std::string raw(MasterKey::kBytes, '\0');
  random.fill({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
  std::string text = base64Encode(raw) + "\n";
  wipe(raw);

  Descriptor fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  int error = errno;
  bool written = false;
  if (fd.valid()) {
    // 0600 whatever the umask is; closed before use so that late write errors are seen.
    written = ::fchmod(fd.get(), 0600) == 0 && writeAll(fd.get(), text) && ::fsync(fd.get()) == 0;
    error = errno;
    if (!fd.close() && written) {
      written = false;
      error = errno;
    }
  }
  wipe(text);
  bool made = false;
  if (written) {
    // link() gives the complete file its name, and like O_EXCL never replaces one that another process made first.
    made = ::link(draft.c_str(), file.c_str()) == 0;
    error = errno;
  }
  ::unlink(draft.c_str());
  if (!made && written && error == EEXIST)
    return false;
  if (!made)
    throw Error("master_key_unwritable", "cannot make the key file " + name + ": " + reason(error) +
                                             ". Make its folder writable or set CALBRIDGE_MASTER_KEY");
  syncFolder(folder, name);
  return true;
}

void replaceKeyFile(const std::filesystem::path& fresh, const std::filesystem::path& file) {
  if (::rename(fresh.c_str(), file.c_str()) != 0)
    throw Error("master_key_unwritable", "cannot put " + fresh.string() + " in the place of the key file " +
                                             file.string() + ": " + reason(errno));
  syncFolder(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."), file.string());
}

} // namespace calbridge::connections
