"""The C boundary of every released minor against today's, by abidiff (libabigail), without suppressions.

A table may grow at its end, since whoever reads it looks at struct_size first; that is the one change that passes. The
gate first proves, on headers with a planted change, that it catches each kind of break, and that growth passes.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ["CALBRIDGE_SOURCE_DIR"]
CC = os.environ["CALBRIDGE_CC"]
TODAY = os.path.join(SOURCE, "sdk", "include")
RELEASED = sorted(name for name in os.listdir(HERE) if name.startswith("sdk-"))

# Every line that a report may have when tables only grew.
TITLES = [re.compile(pattern) for pattern in (
    r"Functions changes summary: 0 Removed, 0 Changed, 0 Added functions?", r"Variables changes summary: 0 Removed, .*",
    r"\d+ Changed variables?:", r"\[C\] '.*' was changed:", r"type of variable changed:",
    r"in unqualified underlying type '.*':", r"\d+ data member insertions?:")]
STRUCT = re.compile(r"underlying type 'struct (\w+)' changed:")
GROWN = re.compile(r"(?:size of symbol|type size) changed from (\d+) to (\d+)(?: \(in bits\))?")
INSERTED = re.compile(r"'(.*)', at offset (\d+) \(in bits\)")


def build(headers, folder):
    library = os.path.join(tempfile.mkdtemp(dir=folder), "libcarrier.so")
    subprocess.run([CC, "-std=c11", "-g", "-O0", "-fPIC", "-shared", f"-I{headers}",
                    os.path.join(HERE, "abi_carrier.c"), "-o", library], check=True)
    return library


def breaks(old, new):
    """What abidiff reports between two libraries beyond growth at the end of a table; [] when there is nothing."""
    for library in (old, new):
        sections = subprocess.run(["readelf", "-S", "--wide", library], capture_output=True, text=True, check=True).stdout
        assert ".debug_info" in sections, f"{library} has no debug information: abidiff would find nothing"
    done = subprocess.run(["abidiff", "--harmless", "--no-show-locs", "--fail-no-debug-info", old, new],
                          capture_output=True, text=True)
    assert done.returncode & 3 == 0, f"abidiff itself failed: {done.stdout}{done.stderr}"
    found, end = [], 0
    for line in map(str.strip, done.stdout.splitlines()):
        if not line or STRUCT.fullmatch(line) or any(title.fullmatch(line) for title in TITLES):
            continue
        grown, inserted = GROWN.fullmatch(line), INSERTED.fullmatch(line)
        if grown and int(grown[1]) < int(grown[2]):
            end = int(grown[1])
        elif not (inserted and int(inserted[2]) >= end > 0):
            found.append(line)
    if done.returncode != 0 and not done.stdout.strip():
        found.append(f"exit code {done.returncode} without a word")
    return found


class AbiGate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="calbridge-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        with open(os.path.join(TODAY, "calbridge", "abi.h"), encoding="utf-8") as file:
            cls.today = file.read()
        cls.now = build(TODAY, cls.folder)

    def planted(self, pattern, replacement):
        """Today's header with one change, and without the assertions that would not let it compile."""
        text = re.sub(r"^CALBRIDGE_STATIC_ASSERT\(.*?\);$", "", self.today, flags=re.M | re.S)
        changed, count = re.subn(pattern, replacement, text, flags=re.M)
        self.assertEqual(count, 1, f"{pattern} is in abi.h once")
        folder = os.path.join(tempfile.mkdtemp(dir=self.folder), "include")
        os.makedirs(os.path.join(folder, "calbridge"))
        with open(os.path.join(folder, "calbridge", "abi.h"), "w", encoding="utf-8") as file:
            file.write(changed)
        return build(folder, self.folder)

    def test_a_planted_break_of_every_kind_is_caught(self):
        for what, pattern, replacement in (
                ("a member in mid-table", r"^  calbridge_operation refresh;", r"  calbridge_operation early;\n\g<0>"),
                ("a member taken away", r"^  int32_t \(\*cancelled\).*$", ""),
                ("a member renamed", r"^  calbridge_operation push;", "  calbridge_operation deliver;"),
                ("two members swapped", r"^  calbridge_operation revoke;(.*\n)  calbridge_operation feed;",
                 r"  calbridge_operation feed;\1  calbridge_operation revoke;"),
                ("a wider argument", r"int32_t level", "int64_t level"),
                ("another argument", r"uint8_t\* out, size_t size", "uint8_t* out"),
                ("constness", r"uint8_t\* out", "const uint8_t* out"),
                ("a wider status", r"typedef int32_t calbridge_status", "typedef int64_t calbridge_status"),
                ("another type of the same size", r"^  uint32_t magic;", "  float magic;"),
                ("bytes that grow", r"^  size_t size;.*$", r"\g<0>\n  size_t room;")):
            with self.subTest(what):
                self.assertNotEqual(breaks(self.now, self.planted(pattern, replacement)), [], f"{what} must be caught")

    def test_growth_at_the_end_of_a_table_is_no_break(self):
        last = re.search(r"\n} calbridge_plugin_v1_t;", self.today)
        self.assertIsNotNone(last)
        longer = self.planted(r"\n} calbridge_plugin_v1_t;", r"\n  calbridge_operation later;\g<0>")
        self.assertEqual(breaks(self.now, longer), [])
        self.assertNotEqual(breaks(longer, self.now), [], "and the other way round it is one")
        service = self.planted(r"^  void \(\*fill\).*$", r"\g<0>\n  void (*later)(calbridge_call* call);")
        self.assertEqual(breaks(self.now, service), [])

    def test_a_library_without_debug_information_is_no_evidence(self):
        stripped = os.path.join(self.folder, "stripped.so")
        subprocess.run(["strip", "-o", stripped, self.now], check=True)
        with self.assertRaisesRegex(AssertionError, "no debug information"):
            breaks(self.now, stripped)

    def test_todays_boundary_breaks_no_released_minor(self):
        self.assertEqual(RELEASED[:2], ["sdk-1.0", "sdk-1.1"])
        for name in RELEASED:
            with self.subTest(name):
                self.assertEqual(breaks(build(os.path.join(HERE, name, "include"), self.folder), self.now), [])


if __name__ == "__main__":
    if not shutil.which("abidiff"):
        if os.environ.get("CI"):
            sys.exit("abidiff is not installed (Debian package abigail-tools)")
        print("skipped: abidiff is not installed (Debian package abigail-tools)", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
