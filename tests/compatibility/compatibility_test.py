"""Plugins of other times on today's host: binaries of SDK 1.0, and plugins from the future."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "sdk"))

from plugin_world import BINARY, SOURCE, PluginLife, run  # noqa: E402

GOLDEN = os.path.join(HERE, "golden")
NEWER = os.path.join(BINARY, "tests", "compatibility", "plugins")
PROGRAM = os.path.join(BINARY, "bin", "calbridge")


class Compatibility(unittest.TestCase):
    def test_what_is_frozen_is_as_it_was_byte_for_byte(self):
        named = set()
        with open(os.path.join(HERE, "SHA256SUMS"), encoding="utf-8") as file:
            for line in file:
                digest, name = line.split()
                named.add(name)
                with open(os.path.join(HERE, name), "rb") as frozen:
                    self.assertEqual(hashlib.sha256(frozen.read()).hexdigest(), digest,
                                     f"{name} was changed; what was released once stays as it was")
        for folder in ("golden", "sdk-1.0"):
            for at, _, files in os.walk(os.path.join(HERE, folder)):
                for name in files:
                    self.assertIn(os.path.relpath(os.path.join(at, name), HERE), named, "not in SHA256SUMS")

    def test_the_golden_binaries_are_what_plugins_out_there_are_like(self):
        for name in ("libgolden_c.so", "libgolden_cpp.so"):
            path = os.path.join(GOLDEN, name)
            self.assertRegex(run("nm", "-D", "--defined-only", path), r"^[0-9a-f]+ [DR] calbridge_plugin_v1\n$")
            self.assertNotIn(".symtab", run("readelf", "-S", "--wide", path), f"{name} is stripped")
            with open(path, "rb") as file:
                self.assertNotIn(SOURCE.encode() + b"/", file.read())

    def test_a_golden_plugin_in_c_lives_its_whole_life(self):
        with PluginLife(os.path.join(GOLDEN, "libgolden_c.so"), "golden-c") as life:
            life.live()
            self.assertIn("last 1", life.host.log(), "what it keeps with the host came back")

    def test_a_golden_plugin_in_cpp_lives_its_whole_life(self):
        with PluginLife(os.path.join(GOLDEN, "libgolden_cpp.so"), "golden-cpp") as life:
            life.live()
            self.assertRegex(life.host.log(), r"push of (\S+), last \1", "what it keeps with the host came back")

    def test_a_golden_plugin_offers_what_it_could_when_it_was_made_and_nothing_else(self):
        for name in ("c", "cpp"):
            shown = json.loads(run(PROGRAM, "plugins", "inspect", os.path.join(GOLDEN, f"libgolden_{name}.so"), "--json",
                                   "--config", os.path.join(SOURCE, "config")))
            self.assertEqual(shown["problems"], [])
            self.assertEqual(sorted(shown["operations"]), ["connect", "exchange", "push", "refresh", "revoke"])

    def test_sources_of_sdk_1_0_compile_with_todays_headers(self):
        for compiler, standard, source in ((os.environ["CALBRIDGE_CC"], "c11", "golden_c.c"),
                                           (os.environ["CALBRIDGE_CXX"], "c++20", "golden_cpp.cpp")):
            run(compiler, f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                f"-I{SOURCE}/sdk/include", os.path.join(GOLDEN, source))

    def from_the_future(self, library):
        with PluginLife(os.path.join(NEWER, library), "newer") as life:
            life.live()
            for what in ("a request", "a reply", "an HTTP exchange"):
                self.assertIn(f"dressed up: {what}", life.host.log(), "unknown fields were really there")

    def test_unknown_fields_and_longer_tables_in_both_directions_harm_no_plugin_of_sdk_1_0_in_c(self):
        self.from_the_future("libnewer_c.so")

    def test_unknown_fields_and_longer_tables_in_both_directions_harm_no_plugin_of_sdk_1_0_in_cpp(self):
        self.from_the_future("libnewer_cpp.so")

    def test_unknown_fields_and_longer_tables_in_both_directions_harm_no_plugin_of_today(self):
        self.from_the_future("libnewer_today.so")

    def test_a_plugin_of_a_newer_minor_is_shown_with_what_this_host_knows_of_it(self):
        shown = json.loads(run(PROGRAM, "plugins", "inspect", os.path.join(NEWER, "libnewer_c.so"), "--json", "--config",
                               os.path.join(SOURCE, "config")))
        self.assertEqual(shown["problems"], [])
        self.assertIn("time-travel", shown["manifest"]["capabilities"])

    def test_a_plugin_that_needs_a_newer_host_is_refused_by_name_with_what_is_missing(self):
        path = os.path.join(NEWER, "libdemanding.so")
        said = run(PROGRAM, "plugins", "inspect", path, "--config", os.path.join(SOURCE, "config"), fails=True)
        self.assertIn("99", said)
        self.assertIn("calbridge.teleport/1", said)
        with tempfile.NamedTemporaryFile(prefix="calbridge-test-") as nothing:
            checked = subprocess.run([PROGRAM, "check", "--config", os.path.join(SOURCE, "config"), "--env-file", nothing.name,
                                      "--set", "providers.demanding.plugin=demanding", "--set",
                                      "plugins.directories=" + json.dumps([NEWER])], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 1, checked.stdout + checked.stderr)
        self.assertIn("/providers/demanding", checked.stdout + checked.stderr)
        self.assertIn("99", checked.stdout + checked.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
