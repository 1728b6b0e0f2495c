#pragma once
#include <string>
#include <string_view>
#include <vector>

/// What a fuzz target is made of. A target is one source file that defines run(); the same file is built with libFuzzer
/// (`./dev fuzz`) and with a main that replays its corpus (`./dev test`).
namespace calbridge::fuzz {

/// Tries one input. Whatever the bytes are: returns, or dies by require(), a sanitizer or an exception. Keeps nothing
/// from one input to the next that the outcome depends on.
void run(std::string_view input);

/// Ends the process with a message when an invariant does not hold. `seen` is what was found instead.
void require(bool holds, std::string_view invariant, std::string_view seen = {});

/// A part of an input that people can read and write: a line "=== TITLE" begins one, what stands before the first such
/// line is a section without a title. The line break before a title belongs to the title.
struct Section {
  std::string title;
  std::string text;
};
std::vector<Section> sections(std::string_view input);

/// Is this UTF-8 (RFC 3629)?
bool isUtf8(std::string_view text);
/// Does the text hold a C0 control character other than those in `allowed`, or DEL?
bool hasControls(std::string_view text, std::string_view allowed = {});

} // namespace calbridge::fuzz
