#include "email/invitation.hpp"
#include "email/message.hpp"
#include "email/wording.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace calbridge;
using calbridge::sdk::PushRequest;

namespace {

PushRequest pushOf(PushRequest::Operation operation = PushRequest::Operation::upsert) {
  PushRequest request;
  request.operation = operation;
  request.uid = "u-1";
  request.idempotencyKey = "0f0e0d0c-0b0a-8988-8786-858483828180";
  request.sequence = 7;
  request.stamp = "2026-11-22T10:00:00Z";
  request.hasEntry = true;
  request.entry.title = "Deep clean";
  request.entry.location = "1 High Street";
  request.entry.start = "2026-12-01T09:00:00";
  request.entry.end = "2026-12-01T11:00:00";
  request.entry.timezone = "Europe/London";
  request.entry.startUtc = "2026-12-01T09:00:00Z";
  request.entry.endUtc = "2026-12-01T11:00:00Z";
  request.entry.reminders = {60};
  request.entry.showAs = "busy";
  request.entry.status = "confirmed";
  request.recipient = {"john@example.com", "John Smith", "", "https://host.example/api/calendar/unsubscribe/1.x/",
                       "https://host.example/settings/calendar"};
  return request;
}

const email::Organizer kOrganizer{"calendar@example.com", "Example \"Ltd\"", "NEEDS-ACTION"};

std::string times(int count, const char* text) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out.append(text);
  return out;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("headers take any text and stay headers") {
  CHECK(email::headerText("Deep clean") == "Deep clean");
  CHECK(email::headerText("a\r\nBcc: eve@example.com") == "a Bcc: eve@example.com");
  CHECK(email::headerText("Grüße") == "=?UTF-8?B?R3LDvMOfZQ==?=");
  CHECK(email::headerText("=?UTF-8?B?R3LDvMOfZQ==?=").starts_with("=?UTF-8?B?PT9V"));
  const std::string folded = email::headerText(times(100, "x").append("é").append(times(100, "y")));
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = folded.find("\r\n", begin)) != std::string::npos; begin = end + 2) {
    CHECK(end - begin <= 76);
    CHECK(folded[end + 2] == ' ');
  }
  CHECK(email::headerMailbox({"", "a@example.com"}) == "a@example.com");
  CHECK(email::headerMailbox({"O\"Brien\\", "a@example.com"}) == "\"O\\\"Brien\\\\\" <a@example.com>");
  CHECK(email::headerMailbox({"Zoé", "a@example.com"}) == "=?UTF-8?B?Wm/DqQ==?=\r\n <a@example.com>");
  CHECK(email::headerDate(0) == "Thu, 01 Jan 1970 00:00:00 +0000");
  CHECK(email::headerDate(1795860000000) == "Sat, 28 Nov 2026 10:00:00 +0000");
}

TEST_CASE("quoted-printable keeps every byte, in lines that every server takes") {
  CHECK(email::quotedPrintable("a=b é\n") == "a=3Db =C3=A9\r\n");
  CHECK(email::quotedPrintable("ends with a blank \nnext\t") == "ends with a blank=20\r\nnext=09");
  CHECK(email::quotedPrintable(".\n..\nFrom me") == "=2E\r\n=2E.\r\n=46rom me");
  const std::string wide = email::quotedPrintable(times(200, "x").append(times(30, "=")).append("\n"));
  std::size_t width = 0;
  for (const char c : wide) {
    width = c == '\n' ? 0 : width + 1;
    REQUIRE(width <= 77); // with the CR
  }
}

TEST_CASE("base64 is that of RFC 4648") {
  CHECK(email::base64Lines("") == "");
  CHECK(email::base64Lines("f") == "Zg==\r\n");
  CHECK(email::base64Lines("fo") == "Zm8=\r\n");
  CHECK(email::base64Lines("foo") == "Zm9v\r\n");
  CHECK(email::base64Lines(std::string(58, 'a')).find("\r\n") == 76);
}

TEST_CASE("a request names organizer and attendee, and a quote in a name ends nothing") {
  const std::string text = email::calendarOf(pushOf(), kOrganizer, "");
  CHECK(has(text, "METHOD:REQUEST\r\n"));
  CHECK(has(text, "ORGANIZER;CN=\"Example 'Ltd'\":mailto:calendar@example.com\r\n"));
  CHECK(has(text, "PARTSTAT=NEEDS-ACTION"));
  CHECK(has(text, "SEQUENCE:7\r\n"));
  CHECK(has(text, "UID:u-1@calbridge\r\n"));
  CHECK(has(text, "BEGIN:VALARM\r\n"));
  PushRequest odd = pushOf(); // RFC 6068: what means something else in a URL is encoded
  odd.recipient = {"o'b+a=b&c%d/e@x.example", "", "", "", ""};
  std::string unfolded = email::calendarOf(odd, kOrganizer, "");
  for (std::size_t at = 0; (at = unfolded.find("\r\n ")) != std::string::npos;)
    unfolded.erase(at, 3);
  CHECK(has(unfolded, ":mailto:o'b+a%3Db%26c%25d%2Fe@x.example\r\n"));
  PushRequest evil = pushOf();
  evil.recipient.name = "Eve\";X=\"\r\nATTENDEE:mailto:eve@example.com";
  const std::string tried = email::calendarOf(evil, kOrganizer, "");
  CHECK_FALSE(has(tried, "\r\nATTENDEE:"));
}

TEST_CASE("a cancellation has the push's own number, no alarms, and works when nobody knows what was there") {
  PushRequest removal = pushOf(PushRequest::Operation::remove);
  const std::string text = email::calendarOf(removal, kOrganizer, "");
  CHECK(has(text, "METHOD:CANCEL\r\n"));
  CHECK(has(text, "STATUS:CANCELLED\r\n"));
  CHECK(has(text, "SEQUENCE:7\r\n"));
  CHECK_FALSE(has(text, "VALARM"));
  removal.hasEntry = false;
  removal.entry = {};
  const std::string bare = email::calendarOf(removal, kOrganizer, "");
  CHECK(has(bare, "UID:u-1@calbridge\r\n"));
  CHECK(has(bare, "SEQUENCE:7\r\n"));
  CHECK_FALSE(has(bare, "DTSTART"));
  CHECK_FALSE(has(bare, "SUMMARY"));
}

TEST_CASE("two pushes that say the same have one fingerprint, whatever their number") {
  PushRequest later = pushOf();
  later.sequence = 9;
  later.stamp = "2026-11-23T10:00:00Z";
  CHECK(email::fingerprint(later, kOrganizer, "") == email::fingerprint(pushOf(), kOrganizer, ""));
  later.entry.location = "2 High Street";
  CHECK(email::fingerprint(later, kOrganizer, "") != email::fingerprint(pushOf(), kOrganizer, ""));
}

TEST_CASE("times are said as people say them") {
  sdk::Entry entry = pushOf().entry;
  CHECK(email::whenOf(entry) == "Tuesday, 1 December 2026, 09:00–11:00 (Europe/London)");
  entry.end = "2026-12-02T01:00:00";
  CHECK(email::whenOf(entry) == "Tuesday, 1 December 2026, 09:00 to Wednesday, 2 December 2026, 01:00 (Europe/London)");
  entry.end = entry.start;
  CHECK(email::whenOf(entry) == "Tuesday, 1 December 2026, 09:00 (Europe/London)");
  entry.allDay = true;
  entry.start = "2026-12-01";
  entry.end = "2026-12-02";
  CHECK(email::whenOf(entry) == "Tuesday, 1 December 2026");
  entry.end = "2026-12-04";
  CHECK(email::whenOf(entry) == "Tuesday, 1 December 2026 to Thursday, 3 December 2026");
  entry.start = "soon";
  CHECK(email::whenOf(entry).empty());
}

TEST_CASE("each occasion has its own words, and every message its way out") {
  using email::Occasion;
  CHECK(email::subjectOf(pushOf(), Occasion::invited) == "Deep clean – Tue 1 Dec 2026, 09:00");
  CHECK(email::subjectOf(pushOf(), Occasion::changed).starts_with("Changed: Deep clean"));
  CHECK(email::subjectOf(pushOf(), Occasion::cancelled).starts_with("Cancelled: "));
  CHECK_FALSE(has(email::subjectOf(pushOf(), Occasion::withdrawn), "Cancelled"));
  for (const Occasion occasion : {Occasion::invited, Occasion::changed, Occasion::cancelled, Occasion::withdrawn}) {
    const std::string text = email::textOf(pushOf(), occasion, "Example Ltd");
    CHECK(has(text, "Deep clean\n"));
    CHECK(has(text, "https://host.example/api/calendar/unsubscribe/1.x/"));
  }
  CHECK(has(email::textOf(pushOf(), Occasion::withdrawn, ""), "is not cancelled"));
}

TEST_CASE("a whole message is 7-bit lines with CRLF, whatever goes in") {
  email::Message message;
  message.from = {"Exämple\r\nX: y", "calendar@example.com"};
  message.to = {"\xff\xfe", "john@example.com"};
  message.subject = times(300, "\x01").append("é\n.\nBcc: x");
  message.id = "k.7@example.com";
  message.unsubscribeUrl = "https://host.example/u/";
  message.text = std::string("--=_boundary--\n.\n").append(times(2000, "x")).append("\nü\r\n");
  message.calendar = email::calendarOf(pushOf(), kOrganizer, "");
  message.method = "REQUEST";
  const std::string text = email::write(message);
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    REQUIRE((c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c <= '~')));
    REQUIRE((c != '\n' || (i > 0 && text[i - 1] == '\r')));
    width = c == '\n' ? 0 : width + 1;
    REQUIRE(width <= 200);
  }
  CHECK_FALSE(has(text, "\r\nX: y"));
  CHECK_FALSE(has(text, "\r\nBcc:"));
  CHECK(has(text, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
}
