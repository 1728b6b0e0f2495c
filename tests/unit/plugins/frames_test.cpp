#include "core/error.hpp"
#include "plugins/frames.hpp"
#include "plugins/output_lines.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace calbridge::plugins;
using namespace std::chrono_literals;

namespace {

struct Ends {
  Ends() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0); }
  ~Ends() {
    ::close(fds[0]);
    ::close(fds[1]);
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  void raw(const std::string& bytes) {
    REQUIRE(::write(fds[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  std::array<int, 2> fds{};
};

} // namespace

TEST_CASE("what is written to a payload is read from it, and nothing else is") {
  PayloadWriter writer;
  writer.number(-5).text("text").text("").number(INT64_MAX);
  PayloadReader reader(writer.bytes());
  CHECK(reader.number() == -5);
  CHECK(reader.text() == "text");
  CHECK(reader.text().empty());
  CHECK(reader.failed()); // there is more
  CHECK(reader.number() == INT64_MAX);
  CHECK_FALSE(reader.failed());
  CHECK(reader.number() == 0);
  CHECK(reader.failed());
  PayloadReader lying(std::string_view("\xff\xff\xff\xff"
                                       "abc",
                                       7));
  CHECK(lying.text().empty());
  CHECK(lying.failed());
  CHECK_THROWS_AS(PayloadWriter().text(std::string(kLargestFrame, 'x')), calbridge::Error);
}

TEST_CASE("frames arrive whole, in order, however large, and however the bytes come") {
  Ends ends;
  FrameStream to(ends.fds[1]);
  FrameStream from(ends.fds[0]);
  const std::string large(3 << 20, 'l');
  std::thread writer([&] {
    to.write(FrameKind::call, 7, "first");
    to.write(FrameKind::reply, 8, large);
    to.write(FrameKind::hello, 9, "");
  });
  Frame frame;
  REQUIRE(from.read(frame) == FrameStream::Got::frame);
  CHECK((frame.kind == FrameKind::call && frame.call == 7 && frame.payload == "first"));
  REQUIRE(from.read(frame) == FrameStream::Got::frame);
  CHECK((frame.kind == FrameKind::reply && frame.call == 8 && frame.payload == large));
  REQUIRE(from.read(frame) == FrameStream::Got::frame);
  CHECK((frame.kind == FrameKind::hello && frame.call == 9 && frame.payload.empty()));
  writer.join();
  for (const char byte : std::string("\x01\0\0\0\x04\x01\0\0\0!", 10)) {
    ends.raw(std::string(1, byte));
  }
  REQUIRE(from.read(frame) == FrameStream::Got::frame);
  CHECK((frame.kind == FrameKind::call && frame.call == 1 && frame.payload == "!"));
  ::shutdown(ends.fds[1], SHUT_RDWR);
  CHECK(from.read(frame) == FrameStream::Got::end);
}

TEST_CASE("a frame of no kind, and one beyond all measure, are garbage before they are read") {
  const auto header = GENERATE(std::string("\0\0\0\0\x63\0\0\0\0", 9), std::string("\0\0\0\0\0\0\0\0\0", 9),
                               std::string("\xff\xff\xff\x7f\x04\0\0\0\0", 9));
  Ends ends;
  FrameStream from(ends.fds[0]);
  ends.raw(header);
  Frame frame;
  CHECK(from.read(frame) == FrameStream::Got::garbage);
}

TEST_CASE("whoever does not read is given up at the deadline, and for good") {
  Ends ends;
  FrameStream to(ends.fds[1]);
  CHECK_FALSE(to.write(FrameKind::call, 1, std::string(8 << 20, 'x'), std::chrono::steady_clock::now() + 20ms));
  CHECK_FALSE(to.write(FrameKind::call, 2, "", std::chrono::steady_clock::now() + 20ms));
}

TEST_CASE("lines are cut and counted, and a pause makes room for more") {
  OutputLines lines;
  std::vector<std::string> seen;
  const auto sink = [&](std::string_view line, std::size_t dropped) {
    seen.push_back(dropped > 0 ? "dropped " + std::to_string(dropped) : std::string(line));
  };
  const OutputLines::Time start = std::chrono::steady_clock::now();
  for (int i = 0; i < 130; ++i) {
    lines.add("line\n", start, sink);
  }
  CHECK(seen.size() == 100);
  lines.add("af", start + 1s, sink);
  lines.add("ter\n" + std::string(20000, 'l') + "\nrest", start + 1s, sink);
  REQUIRE(seen.size() == 103);
  CHECK(seen[100] == "dropped 30");
  CHECK(seen[101] == "after");
  CHECK(seen[102] == std::string(16384, 'l'));
  lines.finish(start + 1s, sink);
  CHECK(seen.back() == "rest");
}
