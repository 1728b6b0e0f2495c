#include "plugins/frames.hpp"

#include "core/error.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace calbridge::plugins {
namespace {

constexpr std::size_t kHeader = 9;
constexpr std::size_t kUsualBuffer = 64 * 1024;
constexpr std::chrono::milliseconds kLongestRead{100};

std::uint64_t little(const char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

void putLittle(char* bytes, std::uint64_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i, value >>= 8) {
    bytes[i] = static_cast<char>(value & 0xff);
  }
}

} // namespace

PayloadWriter& PayloadWriter::number(std::int64_t value) {
  std::array<char, 8> bytes{};
  putLittle(bytes.data(), static_cast<std::uint64_t>(value), bytes.size());
  bytes_.append(bytes.data(), bytes.size());
  return *this;
}

PayloadWriter& PayloadWriter::text(std::string_view value) {
  if (bytes_.size() + 4 + value.size() > kLargestFrame) {
    throw Error("frame_too_large", "what goes to or comes from a plugin of its own process is at most 16 MiB at once");
  }
  std::array<char, 4> length{};
  putLittle(length.data(), value.size(), length.size());
  bytes_.append(length.data(), length.size()).append(value);
  return *this;
}

std::int64_t PayloadReader::number() {
  if (rest_.size() < 8) {
    failed_ = true;
    return 0;
  }
  const auto value = static_cast<std::int64_t>(little(rest_.data(), 8));
  rest_.remove_prefix(8);
  return value;
}

std::string_view PayloadReader::text() {
  const std::size_t size = rest_.size() < 4 ? 0 : static_cast<std::size_t>(little(rest_.data(), 4));
  if (rest_.size() < 4 || rest_.size() - 4 < size) {
    failed_ = true;
    return {};
  }
  const std::string_view value = rest_.substr(4, size);
  rest_.remove_prefix(4 + size);
  return value;
}

FrameStream::FrameStream(int socket) : socket_(socket), buffer_(kUsualBuffer) {}

/// Takes a frame that is in the buffer as a whole; else makes room for the rest of it.
bool FrameStream::take(Frame& frame, bool& garbage) {
  const std::size_t there = end_ - begin_;
  std::size_t needed = kHeader;
  if (there >= kHeader) {
    const char* header = buffer_.data() + begin_;
    const std::size_t size = static_cast<std::size_t>(little(header, 4));
    const auto kind = static_cast<std::uint8_t>(header[4]);
    garbage = size > kLargestFrame || kind < static_cast<std::uint8_t>(FrameKind::hello) ||
              kind > static_cast<std::uint8_t>(FrameKind::complaint);
    if (garbage) {
      return false;
    }
    needed += size;
    if (there >= needed) {
      frame.kind = static_cast<FrameKind>(kind);
      frame.call = static_cast<std::uint32_t>(little(header + 5, 4));
      frame.payload.assign(header + kHeader, size);
      begin_ += needed;
      return true;
    }
  }
  std::memmove(buffer_.data(), buffer_.data() + begin_, there);
  begin_ = 0;
  end_ = there;
  if (needed > buffer_.size() || (buffer_.size() > kUsualBuffer && needed <= kUsualBuffer && there <= kUsualBuffer)) {
    buffer_.resize(std::max(needed, kUsualBuffer));
    buffer_.shrink_to_fit();
  }
  return false;
}

FrameStream::Got FrameStream::read(Frame& frame) {
  std::optional<Time> since; // the first bytes that are no whole frame yet
  for (bool more = false;; more = true) {
    bool garbage = false;
    if (take(frame, garbage)) {
      return Got::frame;
    }
    if (garbage) {
      return Got::garbage;
    }
    if (more) {
      const Time now = std::chrono::steady_clock::now();
      since = since.value_or(now);
      if (now - *since >= kLongestRead) {
        return Got::nothing;
      }
    }
    const ssize_t got = ::recv(socket_, buffer_.data() + end_, buffer_.size() - end_, 0);
    if (got > 0) {
      end_ += static_cast<std::size_t>(got);
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return Got::nothing;
    } else if (got == 0 || errno != EINTR) {
      return Got::end;
    }
  }
}

bool FrameStream::write(FrameKind kind, std::uint32_t call, std::string_view payload, Time until) {
  std::array<char, kHeader> header{};
  putLittle(header.data(), payload.size(), 4);
  header[4] = static_cast<char>(kind);
  putLittle(header.data() + 5, call, 4);
  const std::lock_guard lock(writing_);
  std::size_t done = 0;
  while (!broken_ && done < kHeader + payload.size()) {
    const std::size_t ofHeader = std::min(done, kHeader);
    const std::string_view rest = payload.substr(done - ofHeader);
    std::array<iovec, 2> parts = {iovec{header.data() + ofHeader, kHeader - ofHeader},
                                  iovec{const_cast<char*>(rest.data()), rest.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      done += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      using std::chrono::ceil, std::chrono::milliseconds, std::chrono::steady_clock;
      const bool endless = until == Time::max();
      const auto left = endless ? 1 : ceil<milliseconds>(until - steady_clock::now()).count();
      pollfd waiting{socket_, POLLOUT, 0};
      const int ready = left <= 0 ? 0 : ::poll(&waiting, 1, endless ? -1 : static_cast<int>(left));
      broken_ = ready == 0 || (ready < 0 && errno != EINTR);
    } else {
      broken_ = errno != EINTR;
    }
  }
  return !broken_;
}

} // namespace calbridge::plugins
