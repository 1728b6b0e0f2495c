#pragma once
#include <string>
#include <string_view>

namespace calbridge::routing {

/// Stands for a line break inside a value while a template is rendered: values never decide about lines of the
/// template.
inline constexpr char kValueBreak = '\x02';
/// Marks a line that the template's author left blank on purpose.
inline constexpr char kBlankLine = '\x01';

/// A value of the application as plain text: C0 and C1 control characters and DEL are dropped except tabs, line breaks
/// (CR, LF, CRLF, U+2028, U+2029) become kValueBreak, blanks at both ends go, and 8192 bytes are kept.
std::string cleanValue(std::string_view text);

/// A template of the configuration: control characters dropped as above, its blank lines marked with kBlankLine.
std::string prepareTemplate(std::string_view text);

/// A rendered template as lines: those that became empty vanish, blank lines of the author stay, never two in a row and
/// none at the ends. At most `limit` bytes, cut between characters.
std::string finishLines(std::string_view rendered, std::size_t limit);

/// A rendered template as one line: every run of blanks and breaks is one space. At most `limit` bytes.
std::string finishLine(std::string_view rendered, std::size_t limit);

/// The longest prefix of at most `limit` bytes that does not end within a UTF-8 sequence.
std::string_view cutUtf8(std::string_view text, std::size_t limit);

} // namespace calbridge::routing
