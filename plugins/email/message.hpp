#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Internet messages (RFC 5322, RFC 2045 to 2047). Pure: no clock, no state; safe to call from any thread. Whatever
/// text comes in, the result is 7-bit text with CRLF, and no text can begin a header, a part or a line of its own.
namespace calbridge::email {

struct Mailbox {
  std::string name; ///< any text; may be empty
  std::string address;
};

struct Message {
  Mailbox from;
  Mailbox to;
  std::string replyTo; ///< an address, or empty
  std::string subject;
  std::string id;             ///< of Message-ID, without the angle brackets
  std::int64_t dateMs = 0;    ///< since 1970, UTC
  std::string unsubscribeUrl; ///< empty: none
  std::string text;           ///< for people; lines end with \n
  std::string calendar;       ///< a VCALENDAR
  std::string method;         ///< its METHOD
};

/// multipart/alternative of text and calendar, ready to be sent.
std::string write(const Message& message);

/// `text` as an unstructured header's value: itself where it is short and plain, encoded words otherwise (RFC 2047).
std::string headerText(std::string_view text);
/// "Name <address>" for From and To.
std::string headerMailbox(const Mailbox& mailbox);
/// RFC 5322 section 3.3, in UTC.
std::string headerDate(std::int64_t ms);
/// RFC 2045 section 6.7; \n becomes CRLF.
std::string quotedPrintable(std::string_view text);
/// RFC 2045 section 6.8, in lines of 76.
std::string base64Lines(std::string_view bytes);

} // namespace calbridge::email
