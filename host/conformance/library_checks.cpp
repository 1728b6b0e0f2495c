#include "conformance/checks.hpp"
#include "conformance/elf_file.hpp"
#include "conformance/loading.hpp"

#include <algorithm>
#include <array>
#include <clocale>
#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

bool startsWithOneOf(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view one) { return text.starts_with(one); });
}

void exports(Trial& trial) {
  bool table = false;
  for (const ElfFile::Symbol& symbol : readElf(trial.job().plugin).exported) {
    table |= symbol.name == CALBRIDGE_SYMBOL;
    trial.expect(symbol.name == CALBRIDGE_SYMBOL || symbol.unique, "it exports " + symbol.name);
  }
  trial.expect(table, "it does not export " CALBRIDGE_SYMBOL);
}

void unique(Trial& trial) {
  const ElfFile file = readElf(trial.job().plugin);
  for (const ElfFile::Symbol& symbol : file.exported) {
    trial.expect(!symbol.unique, "the symbol " + symbol.name + " is unique in the process (STB_GNU_UNIQUE)");
  }
}

void undefined(Trial& trial) {
  trial.library();
  for (const ElfFile::Symbol& symbol : symbolsFromElsewhere(readElf(trial.job().plugin))) {
    trial.find(symbol.weak ? "the weak symbol " + symbol.name + " is defined nowhere: it is NULL when it is used"
                           : "the symbol " + symbol.name +
                                 " is in none of the libraries that the file names: it is found only where another "
                                 "program happens to bring it");
  }
}

void needs(Trial& trial) {
  const auto& extra = trial.job().script.libraries;
  for (const std::string& name : readElf(trial.job().plugin).needed) {
    const bool usual = startsWithOneOf(name, {"libc.so.", "libm.so.", "libstdc++.so.", "libgcc_s.so.", "libpthread.so.",
                                              "libdl.so.", "librt.so.", "libatomic.so.", "ld-linux", "libasan.so.",
                                              "libtsan.so.", "libubsan.so.", "liblsan.so."});
    trial.expect(usual || extra.contains(name), "it needs " + name);
  }
}

void stack(Trial& trial) {
  const ElfFile file = readElf(trial.job().plugin);
  trial.expect(!file.executableStack, "loading it makes the stacks of the whole process executable");
  trial.expect(!file.textRelocations, "its code is changed while it is loaded (DT_TEXTREL)");
}

void threads(Trial& trial) {
  const std::size_t before = threadCount();
  trial.library();
  trial.expect(threadsFallTo(before), "loading it starts " + std::to_string(threadCount() - before) + " thread(s)");
}

void files(Trial& trial) {
  const std::vector<std::string> before = openDescriptors();
  const Job job = trial.job();
  for (const std::string& path : filesOpenedBy([&job] { plugins::PluginLibrary::loadHere(job.plugin); })) {
    const std::string name = path.substr(path.rfind('/') + 1);
    const bool linker = name.ends_with(".so") || name.find(".so.") != std::string::npos || path == job.plugin ||
                        path == "/etc/ld.so.cache" ||
                        startsWithOneOf(path, {"/proc/self/", "/sys/devices/system/cpu/"});
    // Changing the locale reads these, and library.locale tells about it.
    const bool locale = path.find("/locale/") != std::string::npos || name.starts_with("gconv-modules");
    trial.expect(linker || locale, "loading it opens " + path);
  }
  trial.library();
  for (const std::string& one : openDescriptors()) {
    trial.expect(std::find(before.begin(), before.end(), one) != before.end(), "loading it leaves open " + one);
  }
}

std::vector<std::string> surroundings() {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one) {
    all.emplace_back(*one);
  }
  all.push_back("directory " + std::filesystem::current_path().string());
  const mode_t mask = ::umask(0);
  ::umask(mask);
  all.push_back("umask " + std::to_string(mask));
  return all;
}

void environment(Trial& trial) {
  const std::vector<std::string> before = surroundings();
  trial.library();
  const std::vector<std::string> after = surroundings();
  for (const std::string& one : after) {
    trial.expect(std::find(before.begin(), before.end(), one) != before.end(), "after loading there is " + one);
  }
  trial.expect(before.size() == after.size(), "loading it takes variables out of the environment");
}

void locale(Trial& trial) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  trial.library();
  const std::string after = std::setlocale(LC_ALL, nullptr);
  trial.expect(before == after, "loading it changes the locale from " + before + " to " + after);
}

struct Handling {
  void (*handler)(int) = nullptr;
  int flags = 0;
  bool operator==(const Handling&) const = default;
};
std::vector<Handling> handlers() {
  std::vector<Handling> all;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    all.push_back({now.sa_handler, now.sa_flags});
  }
  return all;
}

void signals(Trial& trial) {
  const auto before = handlers();
  sigset_t maskBefore;
  ::sigprocmask(SIG_BLOCK, nullptr, &maskBefore);
  trial.library();
  const auto after = handlers();
  sigset_t maskAfter;
  ::sigprocmask(SIG_BLOCK, nullptr, &maskAfter);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const int signal = static_cast<int>(i) + 1;
    const auto name = [&] { return std::to_string(signal) + " (" + ::strsignal(signal) + ")"; };
    trial.expect(before[i] == after[i], "loading it handles the signal " + name());
    trial.expect(sigismember(&maskBefore, signal) == sigismember(&maskAfter, signal),
                 "loading it blocks or unblocks the signal " + name());
  }
}

constexpr Check kChecks[] = {
    {"library.exports", "the library exports calbridge_plugin_v1 and nothing else",
     "build it with calbridge_add_plugin, or link it with the SDK's plugin.version (local: *)", exports},
    {"library.unique", "no symbol is unique in the process, which would merge plugins",
     "compile with -fno-gnu-unique and link with the SDK's plugin.version", unique},
    {"library.undefined", "every symbol that it uses is in a library that it names",
     "link the library that has the symbol, statically if it can be (and -Wl,-z,defs, which finds this at build time)",
     undefined},
    {"library.needs", "it needs no libraries beyond the C and C++ ones",
     "link others statically, use the host's services instead (HTTP, TLS), or name the library and the reason under "
     "\"libraries\" in the script",
     needs},
    {"library.stack", "its memory is either written or executed",
     "link with -Wl,-z,noexecstack and compile with -fPIC; assembler sources need a .note.GNU-stack section", stack},
    {"library.threads", "loading it starts no thread", "do in create what a constructor of a global object does",
     threads},
    {"library.files", "loading it opens no file", "do in create what a constructor of a global object does", files},
    {"library.environment", "loading it leaves environment, directory and umask alone",
     "a plugin is a guest in the host's process: keep such values in the instance", environment},
    {"library.locale", "loading it leaves the locale alone",
     "a plugin is a guest in the host's process: use functions that take a locale, or none", locale},
    {"library.signals", "loading it leaves signals alone",
     "signals are the host's: remove the handler, or the library that installs it", signals},
};

} // namespace

std::span<const Check> libraryChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
