"""Holds every #include of host/, sdk/ and plugins/ against the walls of the architecture.

The first part proves on small trees made for it that each rule can fail; the second part reads the project.
Long files are reported, not refused: length is a smell and no law.
"""
import os
import pathlib
import re
import sys
import tempfile
import unittest

# Room → rooms that it may include. `edge` is the folder http/edge, a room of its own.
ROOMS = {
    "core": set(),
    "config": {"core"},
    "store": {"core"},
    "routing": {"core", "config"},
    "connections": {"core", "store"},
    "delivery": {"core", "store", "routing", "connections"},
    "plugins": {"core", "sdk"},
    "conformance": {"core", "plugins", "sdk"},
    "net": {"core"},
    "edge": {"core"},
    "http": {"core", "edge", "config", "store", "routing", "connections", "delivery"},
    "cli": {"core", "config", "store", "routing", "connections", "delivery"},
    "app": {"core", "config", "store", "routing", "connections", "delivery", "plugins", "conformance", "net", "edge", "http", "cli"},
    # The programs: one is the host, the others load a single plugin each.
    "main.cpp": {"app"},
    "plugin_runner.cpp": {"core", "plugins"},
    "plugin_check.cpp": {"conformance"},
}

SANDBOX = {"linux/audit.h", "linux/filter.h", "linux/landlock.h", "linux/seccomp.h", "sched.h"}  # what confines a plugin's process

# Library → who may include it. What is not named here may be included by nobody.
LIBRARIES = [
    ("Poco/Data/", {"store"}),
    ("Poco/", {"net", "edge", "http", "app"}),
    *((header, {"plugins"}) for header in sorted(SANDBOX)),
    ("boost/dll", {"plugins"}),
    ("boost/beast", {"net", "edge"}),
    ("boost/asio", {"net", "edge"}),
    ("sqlite3.h", {"store"}),
    ("libpq-fe.h", {"store"}),
    ("openssl/", {"core", "connections", "http", "edge", "net"}),
    ("argon2.h", {"http"}),
    ("kainjow/", {"routing", "http"}),
    ("valijson/", {"config", "plugins"}),
    ("CLI/", {"cli"}),
    ("spdlog/", {"app"}),
    ("date/", {"core"}),
    ("libical/", {"plugin:icalendar"}),
    ("expat.h", {"plugin:caldav"}),
    ("nlohmann/", set(ROOMS) | {"sdk", "plugin:google", "plugin:outlook", "plugin:ics", "plugin:icalendar"}),
]
SYSTEM = {"arpa/inet.h", "elf.h", "fcntl.h", "linux/futex.h", "malloc.h", "poll.h", "pthread.h", "signal.h", "spawn.h", "stdlib.h", "unistd.h", "dlfcn.h",
          "netinet/in.h", "netinet/tcp.h"}
C_HEADERS = {"assert.h", "stddef.h", "stdint.h", "stdbool.h", "string.h"}  # abi.h is C11
C_LIBRARY = C_HEADERS | {"stdio.h", "stdlib.h", "strings.h", "time.h"}  # what a plugin in C has instead of <cstdio> and so on

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.M)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SOURCES = (".cpp", ".hpp", ".h", ".ipp", ".c", ".in")


def place_of(path):
    """Room of a file under host/, `sdk`, or `plugin:NAME`."""
    parts = path.parts
    if parts[0] == "sdk":
        return "plugin:template" if parts[1:2] in (("template",), ("template-c",)) else "sdk"
    if parts[0] == "plugins":
        return "plugin:" + parts[1]
    if parts[1] == "http" and parts[2:3] == ("edge",):
        return "edge"
    return parts[1]


def room_of_include(name):
    first, _, rest = name.partition("/")
    if first == "http" and rest.startswith("edge/"):
        return "edge"
    return "sdk" if first == "calbridge" else first


def problem_with(root, path, quoted, name):
    """What is wrong with one include of one file; None when nothing is."""
    place = place_of(path)
    if quoted or name.startswith("calbridge/"):
        if place.startswith("plugin:") or place == "sdk":
            if name.startswith("calbridge/"):
                return None
            if place.startswith("plugin:") and name.startswith("icalendar/"):
                return None  # what several plugins share
            inside = (root / path.parent / name).resolve()
            if place.startswith("plugin:") and inside.is_file() and (root / path.parent).resolve() in inside.parents:
                return None
            return "a plugin sees its own files and the SDK" if place.startswith("plugin:") else "the SDK sees nothing of ours"
        target = room_of_include(name)
        if target == place or target in ROOMS.get(place, set()):
            return None
        if target not in ROOMS and target != "sdk":
            # A header made by the build beside the file that wants it.
            return None if (root / path.parent / name).is_file() else "no room is called that"
        return f"{place} may not look into {target}"
    for prefix, allowed in LIBRARIES:
        if name.startswith(prefix):
            return None if place in allowed else f"{prefix} belongs to {', '.join(sorted(allowed))}"
    if "/" not in name and "." not in name:
        return None  # the standard library
    if place == "sdk":
        return None if name in C_HEADERS else "the SDK uses the standard library and nlohmann alone"
    if place.startswith("plugin:"):
        if name in C_LIBRARY and path.suffix in (".c", ".h"):
            return None
        return "plugins have no system: files and sockets are the host's"
    if name in SYSTEM or name.startswith("sys/") or name in C_HEADERS:
        return None
    return "a library that no room may use"


def sources(root):
    for top in ("host", "sdk", "plugins"):
        for folder, _, files in os.walk(root / top):
            for file in sorted(files):
                if file.endswith(SOURCES):
                    yield (pathlib.Path(folder) / file).relative_to(root)


def problems(root):
    found = []
    for path in sources(root):
        text = (root / path).read_text()
        for match in INCLUDE.finditer(text):
            why = problem_with(root, path, match[1] == '"', match[2])
            if why:
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path}:{line}: {match[2]}: {why}")
    return found


def unfinished(root):
    found = []
    for top in ("host", "sdk", "plugins", "cmake", "config"):
        for folder, _, files in os.walk(root / top):
            for file in sorted(files):
                path = pathlib.Path(folder) / file
                for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                    if UNFINISHED.search(line):
                        found.append(f"{path.relative_to(root)}:{number}: {line.strip()}")
    return found


def rooms_of_cmake(root):
    """What host/CMakeLists.txt links: room → rooms."""
    text = re.sub(r"#.*", "", (root / "host/CMakeLists.txt").read_text())
    rooms = {}
    for call in re.findall(r"calbridge_room\(([^)]*)\)", text):
        words = call.split()
        rooms[words[0]] = set()
        if "ROOMS" in words:
            for word in words[words.index("ROOMS") + 1:]:
                if word.isupper():
                    break
                rooms[words[0]].add(word)
        if "calbridge_sdk" in words:
            rooms[words[0]].add("sdk")
    return rooms


class TheRulesCanFail(unittest.TestCase):
    def check(self, path, text, expected):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / path).parent.mkdir(parents=True)
            (root / path).write_text(text)
            (root / path).with_name("own.hpp").write_text("")
            found = problems(root)
            if expected is None:
                self.assertEqual(found, [])
            else:
                self.assertEqual(len(found), 1, found)
                self.assertIn(f"{path}:", found[0])
                self.assertIn(expected, found[0])

    def test_a_room_may_include_itself_core_and_what_it_is_allowed(self):
        self.check("host/delivery/a.cpp", '#include "delivery/a.hpp"\n#include "core/time.hpp"\n#include "store/store.hpp"\n'
                   "#include <nlohmann/json.hpp>\n#include <vector>\n", None)

    def test_a_wall_is_seen(self):
        self.check("host/routing/a.cpp", '#include "store/store.hpp"\n', "routing may not look into store")
        self.check("host/core/a.hpp", '\n  #  include "config/document.hpp"\n', "a.hpp:2: config/document.hpp: core may not")
        self.check("host/http/edge/a.cpp", '#include "http/services.hpp"\n', "edge may not look into http")
        self.check("host/http/api/a.cpp", '#include "plugins/catalog.hpp"\n', "http may not look into plugins")
        self.check("host/delivery/a.cpp", "#include <calbridge/abi.h>\n", "delivery may not look into sdk")
        self.check("host/delivery/a.cpp", '#include "helper/strings.hpp"\n', "no room is called that")

    def test_libraries_have_their_rooms(self):
        self.check("host/delivery/a.cpp", "#include <Poco/Data/Session.h>\n", "belongs to store")
        self.check("host/store/a.cpp", "#include <Poco/Data/Session.h>\n", None)
        self.check("host/net/a.cpp", "#include <boost/dll/shared_library.hpp>\n", "belongs to plugins")
        self.check("host/core/a.cpp", "#include <Poco/Timestamp.h>\n", "belongs to")
        self.check("host/core/a.cpp", "#include <fmt/format.h>\n", "a library that no room may use")

    def test_plugins_see_the_sdk_and_their_own_files(self):
        self.check("plugins/acme/a.cpp", '#include "own.hpp"\n#include <calbridge/plugin.hpp>\n#include <string>\n', None)
        self.check("plugins/acme/a.cpp", '#include "icalendar/mapping.hpp"\n', None)
        self.check("plugins/acme/a.cpp", '#include "core/time.hpp"\n', "its own files and the SDK")
        self.check("plugins/acme/a.cpp", '#include "../google/mapping.hpp"\n', "its own files and the SDK")
        self.check("plugins/acme/a.cpp", "#include <openssl/evp.h>\n", "belongs to")
        self.check("plugins/google/a.cpp", "#include <libical/ical.h>\n", "belongs to plugin:icalendar")
        self.check("sdk/template-c/a.c", "#include <calbridge/abi.h>\n#include <stdio.h>\n", None)
        self.check("sdk/template-c/a.c", "#include <unistd.h>\n", "plugins have no system")
        self.check("plugins/acme/a.cpp", "#include <sys/socket.h>\n", "plugins have no system")

    def test_the_sdk_sees_nothing_of_ours(self):
        self.check("sdk/include/calbridge/a.hpp", '#include "core/time.hpp"\n', "the SDK sees nothing of ours")
        self.check("sdk/include/calbridge/a.hpp", '#include "calbridge/abi.h"\n#include <nlohmann/json.hpp>\n', None)
        self.check("sdk/include/calbridge/a.hpp", "#include <sys/mman.h>\n", "the standard library and nlohmann alone")

    def test_unfinished_work_is_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "host").mkdir()
            (root / "host/a.cpp").write_text("int a; // TO" + "DO: b\nint mkdtempXXXXXX;\n")
            self.assertEqual(len(unfinished(root)), 1)


class TheProject(unittest.TestCase):
    root = None

    def test_every_include_keeps_to_the_walls(self):
        self.assertGreater(sum(1 for _ in sources(self.root)), 100, "the sources were not found")
        self.assertEqual(problems(self.root), [])

    def test_the_build_links_the_same_walls(self):
        expected = {room: rooms for room, rooms in ROOMS.items() if not room.endswith(".cpp")}
        built = rooms_of_cmake(self.root)
        built["app"] |= {"edge"}  # comes with http
        self.assertEqual({k: v | {"core"} for k, v in built.items()}, {k: v | {"core"} for k, v in expected.items()})

    def test_every_folder_of_the_host_is_a_room(self):
        folders = {p.name for p in (self.root / "host").iterdir() if p.is_dir()}
        self.assertLessEqual(folders, set(ROOMS))

    def test_nothing_is_left_unfinished(self):
        self.assertEqual(unfinished(self.root), [])

    def test_long_files_are_reported(self):
        counted = 0
        for path in sources(self.root):
            lines = (self.root / path).read_text().count("\n")
            counted += 1
            limit = 150 if path.suffix in (".hpp", ".h") else 400
            if lines > limit:
                print(f"note: {path}: {lines} lines (more than {limit})", file=sys.stderr)
        self.assertGreater(counted, 100)


if __name__ == "__main__":
    TheProject.root = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    unittest.main()
