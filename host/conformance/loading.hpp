#pragma once
#include "conformance/elf_file.hpp"

#include <functional>
#include <string>
#include <vector>

namespace calbridge::conformance {

/// The files that `body` opens, in a forked process that is traced (ptrace) while it runs. For processes with one
/// thread. Throws Skipped where this machine allows no tracing.
std::vector<std::string> filesOpenedBy(const std::function<void()>& body);

/// Symbols that a loaded library uses and that none of the libraries has that it names: they come from whatever else is
/// in this process, or from nowhere.
std::vector<ElfFile::Symbol> symbolsFromElsewhere(const ElfFile& loaded);

/// The threads of this process.
std::size_t threadCount();
/// Waits, at most a second, until this process has no more than `count` threads; false when it keeps more.
bool threadsFallTo(std::size_t count);
/// The open descriptors of this process, each with what it leads to.
std::vector<std::string> openDescriptors();

} // namespace calbridge::conformance
