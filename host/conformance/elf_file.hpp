#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace calbridge::conformance {

/// What the dynamic linker reads of a shared library (System V ABI, chapter 5). A plain value; nothing is loaded.
struct ElfFile {
  struct Symbol {
    std::string name;
    bool weak = false;
    bool unique = false; ///< STB_GNU_UNIQUE: merged over all libraries of the process
  };
  std::vector<std::string> needed;    ///< DT_NEEDED, in the file's order
  std::vector<Symbol> exported;       ///< defined in the dynamic symbol table, visible to others
  std::vector<Symbol> undefined;      ///< to be found in other libraries
  bool executableStack = false;       ///< PT_GNU_STACK asks for one, or is missing
  bool textRelocations = false;       ///< DT_TEXTREL
  std::vector<std::string> sanitizer; ///< "address", "thread", "undefined": what it is instrumented for
};

/// Reads a 64-bit little-endian shared library for this machine. Throws Error("plugin_invalid") that says in words what
/// the file is instead.
ElfFile readElf(const std::filesystem::path& path);

} // namespace calbridge::conformance
