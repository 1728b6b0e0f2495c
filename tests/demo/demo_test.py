"""Starts the demo as `./dev run` does, on ports of its own, and uses it as a newcomer would."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

SOURCE = os.environ["CALBRIDGE_SOURCE_DIR"]
BINARY = os.environ["CALBRIDGE_BINARY_DIR"]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
from harness import DEADLINE, Client, eventually, free_port, refuse_sanitizer_reports  # noqa: E402


class RunningDemo:
    def __init__(self, folder, ports, *arguments):
        self.folder = folder
        self.api, self.pages, self.sandbox = (f"http://localhost:{port}" for port in ports)
        self.environment = {**os.environ, "CALBRIDGE_DEMO_FOLDER": folder, "CALBRIDGE_DEMO_API_PORT": str(ports[0]),
                            "CALBRIDGE_DEMO_PAGES_PORT": str(ports[1]), "CALBRIDGE_DEMO_SANDBOX_PORT": str(ports[2]),
                            "GOOGLE_CLIENT_ID": "a-real-client", "OUTLOOK_CLIENT_SECRET": "a-real-secret"}
        self.process = subprocess.Popen([os.path.join(SOURCE, "tests", "demo", "run"), BINARY, *arguments], cwd=SOURCE,
                                        env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.text, self.lines = "", []
        self.announced = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line
            if line.startswith("Logs: "):
                self.announced.set()
        self.announced.set()

    def ready(self):
        assert self.announced.wait(DEADLINE), self.text
        assert self.process.poll() is None, self.text
        return self

    def end(self):
        code = self.process.wait(DEADLINE)
        self.reader.join()
        self.process.stdout.close()
        for program in ("host", "sandbox"):
            log = os.path.join(self.folder, program + ".log")
            if os.path.exists(log):
                with open(log, errors="replace") as file:
                    refuse_sanitizer_reports("the " + program, file.read())
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.end()

    def curl(self, kind):
        """Runs the printed command of this event type as it stands, in a shell."""
        found = re.search(rf"^# \d\. {re.escape(kind)}: .*\n((?:.+\n)+)", self.text, re.M)
        assert found, f"no command for {kind} in:\n{self.text}"
        done = subprocess.run(["bash", "-c", found.group(1)], capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def login(self, person):
        client = Client(self.pages)
        found = re.search(rf"^  {person}@example.com +(\S+) ", self.text, re.M)
        answer = client("POST", "/api/session/", {"email": f"{person}@example.com", "password": found.group(1)})
        assert answer.status == 200, answer
        return client

    def connect(self, person, provider):
        client = self.login(person)
        Client(self.sandbox)("POST", "/control/authorize", {"provider": provider, "account": f"{person}@calendar.example"})
        url = urllib.parse.urlsplit(client("POST", f"/api/calendar/{provider}/connect/").json["authorization_url"])
        assert f"client_id=sandbox-{provider}-client" in url.query, url
        back = urllib.parse.urlsplit(Client(self.sandbox)("GET", url.path + "?" + url.query).headers["location"])
        ended = client("GET", back.path + "?" + back.query, base=self.api)
        assert ended.headers["location"] == f"{self.pages}/settings/calendar?connected={provider}", ended

    def entries(self, provider, person):
        answer = Client(self.sandbox)("GET", f"/control/{provider}/accounts/{person}@calendar.example/events")
        return [entry for entry in answer.json if not entry["deleted"]] if answer.status == 200 else []

    def eventually_starts(self, provider, person, hours):
        """The hours of day (UTC) at which the account's live entries start, once they are these."""
        def check():
            return [int(e["start_utc"][11:13]) for e in self.entries(provider, person)] == hours or None
        eventually(check, f"{person}'s {provider} calendar has entries at {hours}: {self.entries(provider, person)}")


def children(parent):
    """Process ids by name (which the kernel cuts at 15 characters)."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue  # ended meanwhile
        if int(rest.split()[1]) == parent:
            found[name] = int(pid)
    return found


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="calbridge-demo-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = os.path.join(self.temporary.name, "demo")
        self.ports = [free_port() for _ in range(3)]
        self.demos = []

    def start(self, *arguments):
        demo = RunningDemo(self.folder, self.ports, *arguments)
        self.addCleanup(demo.stop)
        return demo

    def test_the_printed_commands_move_entries_through_three_kinds_of_calendars_and_a_second_start_continues(self):
        demo = self.start().ready()
        self.assertIn(f"{demo.pages}/settings/calendar", demo.text)
        self.assertEqual(Client(demo.pages)("GET", "/settings/calendar").status // 100, 3, "the page asks for a log-in")
        demo.connect("john", "google")
        demo.connect("sarah", "outlook")
        mia = demo.login("mia")
        feed = urllib.parse.urlsplit(mia("POST", "/api/calendar/ics/connect/").json["feed_url"]).path

        for kind in ("order.confirmed", "appointment.created", "appointment.assigned"):
            self.assertNotIn("error", demo.curl(kind))
        # London is on UTC in winter and an hour ahead of it in summer.
        first = eventually(lambda: demo.entries("google", "john"), "John has an entry at Google")
        hour = int(first[0]["start_utc"][11:13])
        self.assertIn(hour, (8, 9))
        demo.eventually_starts("google", "john", [hour])
        demo.eventually_starts("outlook", "sarah", [hour])
        eventually(lambda: "SUMMARY:Sarah Jones: Deep clean" in Client(demo.api)("GET", feed).body, "Mia's feed shows Sarah")

        demo.curl("appointment.updated")
        demo.eventually_starts("google", "john", [hour + 5])
        demo.eventually_starts("outlook", "sarah", [hour + 5])

        self.assertEqual(demo.stop(), 0, demo.text)
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)
        for name in ("app-key", "demo.env", "master.key"):
            self.assertEqual(os.stat(os.path.join(self.folder, name)).st_mode & 0o777, 0o600, name)

        again = self.start().ready()
        self.assertIn("This continues the last demo", again.text)
        again.eventually_starts("google", "john", [hour + 5])
        again.eventually_starts("outlook", "sarah", [hour + 5])
        shown = subprocess.run([os.path.join(self.folder, "calbridge"), "deliveries", "list"], capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("sarah\toutlook", shown.stdout)

        first = re.search(r'"id": "(A-[^"]+)"', demo.text).group(1)
        second = re.search(r'"id": "(A-[^"]+)"', again.text).group(1)
        self.assertNotEqual(first, second, "each start prints commands for an appointment of its own")
        again.curl("order.confirmed")
        eventually(lambda: len(again.entries("google", "john")) == 2, "John has both appointments")
        again.curl("order.cancelled")
        again.eventually_starts("google", "john", [hour + 5])
        self.assertEqual(again.stop(), 0, again.text)

        fresh = self.start("--fresh").ready()
        self.assertNotIn("This continues the last demo", fresh.text)
        self.assertFalse(fresh.entries("google", "john"))
        self.assertEqual(fresh.stop(), 0, fresh.text)

    def test_when_one_program_dies_the_other_is_stopped_and_the_reason_is_told(self):
        demo = self.start().ready()
        pids = children(demo.process.pid)
        os.kill(pids["calbridge"], signal.SIGKILL)
        self.assertEqual(demo.end(), 3)
        self.assertIn("the host was killed by SIGKILL, so the demo stops", demo.text)
        self.assertFalse(os.path.exists(f"/proc/{pids['calbridge-sandb']}"), "the sandbox is stopped, too")

    def test_a_port_in_use_is_named_with_the_way_out(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.ports[1]))
            other.listen()
            demo = self.start()
            self.assertEqual(demo.end(), 3)
        self.assertRegex(demo.text, rf"port {self.ports[1]} on 127.0.0.1 \(pages\) cannot be used: .*CALBRIDGE_DEMO_PAGES_PORT=PORT")
        self.assertFalse(os.path.exists(self.folder), "nothing was begun")

    def test_a_folder_with_other_things_is_left_alone(self):
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, "precious"), "w"):
            pass
        demo = self.start("--fresh")
        self.assertEqual(demo.end(), 3)
        self.assertIn("holds something else than a demo", demo.text)
        self.assertEqual(os.listdir(self.folder), ["precious"])


class DevTest(unittest.TestCase):
    """The entry script: what it says of itself."""

    def dev(self, *arguments):
        return subprocess.run([os.path.join(SOURCE, "dev"), *arguments], capture_output=True, text=True, timeout=DEADLINE)

    def test_alone_it_lists_every_verb_with_what_it_does(self):
        with open(os.path.join(SOURCE, "dev")) as file:
            verbs = re.findall(r"^verb_([a-z]+)\(\)", file.read(), re.M)
        self.assertLessEqual({"run", "test", "build", "bench", "format", "lint"}, set(verbs))
        done = self.dev()
        self.assertEqual(done.returncode, 2)
        for verb in verbs:
            self.assertRegex(done.stdout, rf"(?m)^  {verb} +\S+ \S+", f"{verb} is listed with words")

    def test_an_unknown_verb_is_an_error_that_says_where_the_list_is(self):
        done = self.dev("dance")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('there is no verb "dance"', done.stderr)
        self.assertIn("./dev", done.stderr)

    def test_the_script_is_bash_without_syntax_errors(self):
        done = subprocess.run(["bash", "-n", os.path.join(SOURCE, "dev")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
