#include "conformance/elf_file.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <string_view>

namespace calbridge::conformance {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr std::uint16_t kMachine = EM_RISCV;
#else
constexpr std::uint16_t kMachine = EM_NONE;
#endif

/// The bytes of the file; every read is checked, since a plugin may be anything.
class Image {
 public:
  explicit Image(const std::filesystem::path& path) : path_(path) {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    if (!in && bytes_.empty()) {
      refuse("it cannot be read");
    }
  }

  [[noreturn]] void refuse(const std::string& why) const { throw Error("plugin_invalid", path_.string() + ": " + why); }

  template <typename T>
  T at(std::uint64_t offset) const {
    T value{};
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof value) {
      refuse("it is cut off: a table lies behind its end");
    }
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  bool startsWith(std::string_view mark) const { return bytes_.starts_with(mark); }

  std::string text(std::uint64_t offset) const {
    if (offset >= bytes_.size()) {
      refuse("it is cut off: a name lies behind its end");
    }
    const std::string_view rest = std::string_view(bytes_).substr(offset);
    return std::string(rest.substr(0, rest.find('\0')));
  }

 private:
  std::filesystem::path path_;
  std::string bytes_;
};

Elf64_Ehdr readHeader(const Image& image) {
  if (!image.startsWith(ELFMAG)) {
    image.refuse("it is no shared library (no ELF file)");
  }
  const auto header = image.at<Elf64_Ehdr>(0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    image.refuse("it is a shared library of another machine: calbridge plugins are 64-bit, little-endian");
  }
  if (header.e_machine != kMachine) {
    image.refuse("it is made for another processor (ELF machine " + std::to_string(header.e_machine) + ", this is " +
                 std::to_string(kMachine) + "): build it for this one");
  }
  if (header.e_type != ET_DYN) {
    image.refuse("it is no shared library: link it with -shared");
  }
  return header;
}

std::vector<Elf64_Shdr> sections(const Image& image, const Elf64_Ehdr& header) {
  std::vector<Elf64_Shdr> all;
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    all.push_back(image.at<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr)));
  }
  return all;
}

const Elf64_Shdr& linked(const Image& image, const std::vector<Elf64_Shdr>& all, const Elf64_Shdr& section) {
  if (section.sh_link >= all.size()) {
    image.refuse("a section names a table of strings that is not there");
  }
  return all[section.sh_link];
}

void readDynamic(const Image& image, const std::vector<Elf64_Shdr>& all, const Elf64_Shdr& section, ElfFile& out) {
  const Elf64_Shdr& strings = linked(image, all, section);
  for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= section.sh_size; at += sizeof(Elf64_Dyn)) {
    const auto entry = image.at<Elf64_Dyn>(section.sh_offset + at);
    if (entry.d_tag == DT_NULL) {
      return;
    }
    if (entry.d_tag == DT_NEEDED) {
      out.needed.push_back(image.text(strings.sh_offset + entry.d_un.d_val));
    }
    out.textRelocations |= entry.d_tag == DT_TEXTREL || (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL));
  }
}

void readSymbols(const Image& image, const std::vector<Elf64_Shdr>& all, const Elf64_Shdr& section, ElfFile& out) {
  const Elf64_Shdr& strings = linked(image, all, section);
  for (std::uint64_t at = sizeof(Elf64_Sym); at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
    const auto symbol = image.at<Elf64_Sym>(section.sh_offset + at);
    const unsigned bind = ELF64_ST_BIND(symbol.st_info);
    const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    if (bind == STB_LOCAL) {
      continue;
    }
    ElfFile::Symbol found{image.text(strings.sh_offset + symbol.st_name), bind == STB_WEAK, bind == STB_GNU_UNIQUE};
    if (symbol.st_shndx == SHN_UNDEF) {
      out.undefined.push_back(std::move(found));
    } else if (visibility != STV_HIDDEN && visibility != STV_INTERNAL && symbol.st_shndx != SHN_ABS) {
      out.exported.push_back(std::move(found)); // absolute ones are the names of versions
    }
  }
}

std::vector<std::string> sanitizersOf(const ElfFile& file) {
  std::vector<std::string> found;
  const auto uses = [&](std::string_view prefix) {
    return std::any_of(file.undefined.begin(), file.undefined.end(),
                       [&](const ElfFile::Symbol& symbol) { return symbol.name.starts_with(prefix); });
  };
  for (const auto& [prefix, name] :
       {std::pair{"__asan_", "address"}, {"__tsan_", "thread"}, {"__ubsan_", "undefined"}}) {
    if (uses(prefix)) {
      found.emplace_back(name);
    }
  }
  return found;
}

} // namespace

ElfFile readElf(const std::filesystem::path& path) {
  const Image image(path);
  const Elf64_Ehdr header = readHeader(image);
  ElfFile file;
  file.executableStack = true;
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = image.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_GNU_STACK) {
      file.executableStack = (segment.p_flags & PF_X) != 0;
    }
  }
  const std::vector<Elf64_Shdr> all = sections(image, header);
  bool symbols = false;
  for (const Elf64_Shdr& section : all) {
    if (section.sh_type == SHT_DYNAMIC) {
      readDynamic(image, all, section, file);
    } else if (section.sh_type == SHT_DYNSYM) {
      readSymbols(image, all, section, file);
      symbols = true;
    }
  }
  if (!symbols) {
    image.refuse("it has no table of dynamic symbols (or its section headers were stripped): keep them");
  }
  file.sanitizer = sanitizersOf(file);
  return file;
}

} // namespace calbridge::conformance
