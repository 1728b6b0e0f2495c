#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/types.h>

namespace calbridge::plugins {

/// A descriptor that closes itself.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd() { close(); }
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    close();
    fd_ = other.release();
    return *this;
  }
  int get() const { return fd_; }
  void close();
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

/// A process of calbridge-plugin-runner, and the host's ends of what leads to it. It dies with the *thread* that
/// started it (PR_SET_PDEATHSIG counts threads), so that no such process outlives a host that was killed.
class RunnerProcess {
 public:
  /// Starts `runner` for `plugin`, an absolute path, with an empty environment, no descriptors but those here, and in a
  /// session of its own, where no Ctrl-C reaches it. Throws Error("plugin_invalid").
  RunnerProcess(const std::filesystem::path& runner, const std::filesystem::path& plugin);
  /// Ends it at once.
  ~RunnerProcess();
  RunnerProcess(const RunnerProcess&) = delete;
  RunnerProcess& operator=(const RunnerProcess&) = delete;

  /// frames.hpp; reads give up after 100 ms. Shared: it stays open, and its number its own, until the last one who may
  /// still write to it is done, although the process is gone.
  const std::shared_ptr<const OwnedFd>& socket() const { return socket_; }
  int output() const { return output_.get(); } ///< its standard output; reads do not block
  int errors() const { return errors_.get(); } ///< its standard error

  /// Waits for its end, ends it when `patience` is over, and says in words how it came about: "it crashed
  /// (Segmentation fault)". Further calls give the same words.
  const std::string& finish(std::chrono::milliseconds patience);

 private:
  std::shared_ptr<const OwnedFd> socket_;
  OwnedFd output_;
  OwnedFd errors_;
  pid_t id_ = -1;
  std::string end_;
};

} // namespace calbridge::plugins
