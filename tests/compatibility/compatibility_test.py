"""Plugins of other times on today's host: binaries of every released minor, and plugins from the future."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "sdk"))
sys.path.insert(0, os.path.join(HERE, "..", "mail"))

from calendars import PASSWORD, USER, Calendars  # noqa: E402
from plugin_world import BINARY, SOURCE, PluginLife, checked, eventually, run  # noqa: E402
from mail_server import MailServer  # noqa: E402

GOLDEN = os.path.join(HERE, "golden")
GOLDEN_1_1 = os.path.join(HERE, "golden-1.1")
WAYS = ("in-process", "isolated")
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
        for folder in ("golden", "sdk-1.0", "golden-1.1", "sdk-1.1"):
            for at, _, files in os.walk(os.path.join(HERE, folder)):
                for name in files:
                    self.assertIn(os.path.relpath(os.path.join(at, name), HERE), named, "not in SHA256SUMS")

    def test_the_golden_binaries_are_what_plugins_out_there_are_like(self):
        for folder, name in ((GOLDEN, "libgolden_c.so"), (GOLDEN, "libgolden_cpp.so"),
                             (GOLDEN_1_1, "libgolden_1_1_c.so"), (GOLDEN_1_1, "libgolden_1_1_cpp.so")):
            path = os.path.join(folder, name)
            self.assertRegex(run("nm", "-D", "--defined-only", path), r"^[0-9a-f]+ [DR] calbridge_plugin_v1\n$")
            self.assertNotIn(".symtab", run("readelf", "-S", "--wide", path), f"{name} is stripped")
            with open(path, "rb") as file:
                self.assertNotIn(SOURCE.encode() + b"/", file.read())

    def ran(self, life, way):
        """It ran where it should, and its process did not end."""
        restarts = f'calbridge_plugin_restarts_total{{provider="{life.name}"}} 0'
        self.assertEqual(restarts in life.app("GET", "/metrics").body, way == "isolated")

    def lives(self, language, kept):
        for way in WAYS:
            with self.subTest(way), PluginLife(os.path.join(GOLDEN, f"libgolden_{language}.so"), f"golden-{language}",
                                               overrides={"plugins.isolation.default": way}) as life:
                life.live()
                self.assertRegex(life.host.log(), kept, "what it keeps with the host came back")
                self.ran(life, way)

    def test_a_golden_plugin_in_c_lives_its_whole_life_in_the_hosts_process_and_in_its_own(self):
        self.lives("c", r"last 1")

    def test_a_golden_plugin_in_cpp_lives_its_whole_life_in_the_hosts_process_and_in_its_own(self):
        self.lives("cpp", r"push of (\S+), last \1")

    def test_a_golden_plugin_of_1_1_with_a_form_and_calendars_lives_its_whole_life_both_ways(self):
        for way in WAYS:
            service = Calendars()
            overrides = {"plugins.isolation.default": way, "providers.golden.allowed_hosts": '["127.0.0.0/8"]'}
            with self.subTest(way), PluginLife(os.path.join(GOLDEN_1_1, "libgolden_1_1_cpp.so"), "golden",
                                               overrides=overrides, service=service) as life:
                life.start()
                typed = {"server": service.url, "username": USER, "password": "wrong"}
                refused = life.john("POST", "/api/calendar/golden/connect/", {"credentials": typed})
                self.assertEqual((refused.status, refused.json["code"]), (422, "invalid_credentials"))
                typed["password"] = PASSWORD
                answer = life.john("POST", "/api/calendar/golden/connect/", {"credentials": typed})
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(life.status()["account"], USER + "@golden.example")
                life.send("order.confirmed", 1)
                eventually(lambda: service.titles("first") == ["Deep clean with Sarah"], "the entry arrives")
                listed = life.john("GET", "/api/calendar/golden/calendars/").json["calendars"]
                self.assertEqual([(c["id"], c["chosen"]) for c in listed], [("first", True), ("second", False)])
                chosen = life.john("PUT", "/api/calendar/golden/calendar/", {"id": "second"})
                self.assertEqual(chosen.status, 200, chosen)
                eventually(lambda: (service.titles("first"), service.titles("second")) == ([], ["Deep clean with Sarah"]),
                           "the entry moves to the calendar that was chosen")
                self.assertRegex(life.host.log(), r"push of (\S+), last \1", "what it keeps with the host came back")
                life.send("order.cancelled", 2)
                eventually(lambda: service.titles("second") == [], "the entry goes away")
                self.assertEqual(life.john("POST", "/api/calendar/golden/disconnect/", {}).status, 200)
                eventually(lambda: service.goodbyes == 1, "the grant is given back, with the secret")
                self.ran(life, way)

    def test_a_golden_plugin_of_1_1_that_sends_mail_lives_its_whole_life_both_ways(self):
        for way in WAYS:
            mail = MailServer().start()
            with self.subTest(way), PluginLife(os.path.join(GOLDEN_1_1, "libgolden_1_1_c.so"), "golden",
                                               overrides={"plugins.isolation.default": way}, service=mail,
                                               settings={"from": "calendar@golden.example"},
                                               environment={"SMTP_URL": f"smtp://127.0.0.1:{mail.port}"}) as life:
                life.start()
                life.send("order.confirmed", 1)
                eventually(lambda: len(mail.received) == 1, "an invitation arrives")
                life.send("order.cancelled", 2)
                eventually(lambda: len(mail.received) == 2, "and its end")
                first, last = mail.received
                self.assertEqual((first.sender, first.recipients), ("calendar@golden.example", ["john@example.com"]))
                self.assertEqual((first.message["Subject"], last.message["Subject"]), ("Invitation", "Cancelled"))
                self.assertIn("Deep clean with Sarah", first.message.get_content())
                self.assertIn(life.host.url, first.message["List-Unsubscribe"])
                self.assertIn("a mail was handed over", life.host.log())
                self.ran(life, way)

    def test_what_no_host_calls_yet_works_in_a_golden_plugin_of_1_1(self):
        script = {"credentials": {"server": "https://golden.example", "username": USER},
                  "routes": [{"on": "GET https://golden.example/calendars",
                              "reply": {"json": {"calendars": [{"id": "first", "writable": True},
                                                               {"id": "second", "writable": True}]}}},
                             {"on": "GET https://golden.example/busy",
                              "reply": {"json": {"busy": [{"start": "{query.start}", "end": "{query.end}"}]}}},
                             {"on": "GET https://golden.example/changes",
                              "reply": {"json": {"changes": [{"id": "e1", "deleted": True}], "token": "{query.since}1"}}}]}
        with tempfile.NamedTemporaryFile("w", prefix="calbridge-test-", suffix=".json") as file:
            json.dump(script, file)
            file.flush()
            groups = ("calendars", "free-busy", "changes", "credentials", "revoke", "reply.shape", "same")
            outcomes = checked(PROGRAM, os.path.join(GOLDEN_1_1, "libgolden_1_1_cpp.so"), "--script", file.name,
                               *(word for group in groups for word in ("--only", group)))
        self.assertEqual(set(outcomes.values()), {"passed"}, outcomes)

    def test_a_golden_plugin_offers_what_it_could_when_it_was_made_and_nothing_else(self):
        for name in ("c", "cpp"):
            shown = json.loads(run(PROGRAM, "plugins", "inspect", os.path.join(GOLDEN, f"libgolden_{name}.so"), "--json",
                                   "--config", os.path.join(SOURCE, "config")))
            self.assertEqual(shown["problems"], [])
            self.assertEqual(sorted(shown["operations"]), ["connect", "exchange", "push", "refresh", "revoke"])

    def test_sources_of_every_released_minor_compile_with_todays_headers(self):
        for compiler, standard, source in ((os.environ["CALBRIDGE_CC"], "c11", "golden/golden_c.c"),
                                           (os.environ["CALBRIDGE_CXX"], "c++20", "golden/golden_cpp.cpp"),
                                           (os.environ["CALBRIDGE_CC"], "c11", "golden-1.1/golden_1_1_c.c"),
                                           (os.environ["CALBRIDGE_CXX"], "c++20", "golden-1.1/golden_1_1_cpp.cpp")):
            run(compiler, f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                f"-I{SOURCE}/sdk/include", os.path.join(HERE, source))

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
