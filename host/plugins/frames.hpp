#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

/// What the host and a plugin's own process (calbridge-plugin-runner) say to each other, over a stream socket.
///
/// A frame is: u32 length of its payload, u8 kind, u32 call, payload; all numbers little-endian. A payload is numbers
/// (i64) and texts (u32 length, bytes) in the order given with its kind.
namespace calbridge::plugins {

enum class FrameKind : std::uint8_t {
  hello = 1,    ///< runner: JSON {"version","minor","operations","gaps"}, the manifest's bytes
  refused = 2,  ///< runner, instead of hello: why the plugin cannot be used
  create = 3,   ///< host: settings, request id, 1 where there is a mail server
  call = 4,     ///< host: number of the operation, request, request id
  reply = 5,    ///< runner: status, body; ends a create or a call
  question = 6, ///< runner, during a call: ServiceQuestion as function, number, two texts
  answer = 7,   ///< host: ServiceAnswer as status, number, two texts
  complaint = 8 ///< runner, during a call: level, text for the host's log
};

/// Of this description; both programs are of one build, and say so.
inline constexpr std::int64_t kFramesVersion = 1;
inline constexpr std::size_t kLargestFrame = 16 << 20;

struct Frame {
  FrameKind kind = FrameKind::hello;
  std::uint32_t call = 0;
  std::string payload;
};

class PayloadWriter {
 public:
  PayloadWriter& number(std::int64_t value);
  /// Throws Error("frame_too_large") beyond kLargestFrame.
  PayloadWriter& text(std::string_view value);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Reads what a PayloadWriter wrote. Texts are views into the payload. What is not there is 0 or empty, and failed().
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view payload) : rest_(payload) {}
  std::int64_t number();
  std::string_view text();
  /// Was the payload something else than what was read?
  bool failed() const { return failed_ || !rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

/// Frames over a connected stream socket.
class FrameStream {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Got { frame, nothing, end, garbage };

  /// `socket` is borrowed. Blocking; with SO_RCVTIMEO set, a read may get nothing by that time.
  explicit FrameStream(int socket);

  /// Waits for one frame. Of one that comes in drops there is nothing yet after 100 ms; the next read goes on with it.
  /// One thread at a time.
  Got read(Frame& frame);
  /// Writes a whole frame. False when the other side is gone, or has not read until `until`; then nothing more can be
  /// written. Thread-safe.
  bool write(FrameKind kind, std::uint32_t call, std::string_view payload, Time until = Time::max());

 private:
  bool take(Frame& frame, bool& garbage);

  int socket_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::mutex writing_;
  bool broken_ = false;
};

} // namespace calbridge::plugins
