#include "conformance/mail_text.hpp"

#include <catch2/catch.hpp>

using namespace calbridge::conformance;
using Catch::Contains;

namespace {

const std::string kHead = "From: <a@b.example>\r\nTo: <c@d.example>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
                          "Message-ID: <1@b.example>\r\n";

} // namespace

TEST_CASE("a whole message has no breaches") {
  CHECK(breachesOf(kHead + "\r\nhello\r\n").empty());
  CHECK(breachesOf(kHead + "Subject: a\r\n folded one\r\n\r\n" + std::string(998, 'w') + "\r\n").empty());
}

TEST_CASE("each thing that keeps a message from being whole is told") {
  const auto [message, words] = GENERATE(table<std::string, std::string>({
      {"", "the field from is missing"},
      {kHead, "are not told apart"},
      {kHead + "\r\nhello", "has no end"},
      {kHead + "\r\nhello\n\r\n", "a line ends without CRLF"},
      {kHead + "\r\nhello\rthere\r\n", "a line ends without CRLF"},
      {kHead + "\r\n" + std::string(999, 'w') + "\r\n", "999 bytes"},
      {kHead + "\r\nca\xc3\xa9\r\n", "7-bit"},
      {kHead + std::string("\r\n\0\r\n", 5), "7-bit"},
      {kHead + "To: <e@f.example>\r\n\r\nhello\r\n", "the field to is there twice"},
      {kHead + "no colon here\r\n\r\nhello\r\n", "without a name"},
  }));
  std::string told;
  for (const std::string& breach : breachesOf(message)) {
    told += breach + "\n";
  }
  CHECK_THAT(told, Contains(words));
}

TEST_CASE("header fields are unfolded and found in any case") {
  const std::string message = "SUBJECT: one\r\n two\r\nX-Empty:\r\n\r\nbody\r\n";
  CHECK(headerOf(message, "subject") == "one two");
  CHECK(headerOf(message, "x-empty").empty());
  CHECK(headerOf(message, "body").empty());
  CHECK(headersOf(message).size() == 2);
}

TEST_CASE("what a reader sees is there however it was encoded") {
  const auto [message, words] = GENERATE(table<std::string, std::string>({
      {"Subject: =?utf-8?B?SGVsbG8gdGhlcmU=?=\r\n\r\n", "Hello there"},
      {"Subject: =?utf-8?Q?Hello_=74here?= =?utf-8?q?_again?=\r\n\r\n", "Hello there again"},
      {"Subject: =?utf-8?B?half\r\n\r\n", "=?utf-8?B?half"},
      {kHead + "\r\nHello =74=\r\nhere =3D x =zz\r\n", "Hello there = x =zz"},
      {kHead + "\r\nSGVsbG8g\r\ndGhlcmU=\r\n\r\nand plain\r\n", "Hello there"},
      {kHead + "\r\nTEFCRUw6SGVsbG8NCiB0aGVyZQ==\r\n", "LABEL:Hellothere"},
  }));
  CHECK_THAT(readableText(message), Contains(words));
}
