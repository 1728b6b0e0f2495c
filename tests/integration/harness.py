"""Runs the real program with the real plugins against the provider sandbox, over real sockets.

Everything lives in a temporary folder and on ports of its own, so that tests can run side by side. Waiting is always for
a condition, with a deadline that only a broken program reaches.
"""
import atexit
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

SOURCE = os.environ["CALBRIDGE_SOURCE_DIR"]
BINARY = os.environ["CALBRIDGE_BINARY_DIR"]
DEADLINE = float(os.environ.get("CALBRIDGE_TEST_DEADLINE", "60"))
STORE = os.environ.get("CALBRIDGE_TEST_STORE", "sqlite")  # or postgresql
ISOLATION = os.environ.get("CALBRIDGE_TEST_ISOLATION")  # isolated, or not at all: as the configuration says
SKIPPED = 77  # the exit code that ctest counts as skipped


# How a sanitizer begins what it has found.
REPORT = re.compile(r"ERROR: (?:Address|Leak)Sanitizer|WARNING: ThreadSanitizer|^\S+:\d+: runtime error: ", re.M)


def refuse_sanitizer_reports(where, text):
    """Fails when a program that was built with a sanitizer reported something, whatever its exit code was."""
    found = REPORT.search(text)
    if found:
        line = text.rfind("\n", 0, found.start()) + 1
        raise AssertionError(f"a sanitizer reported this in {where}:\n{text[line:][:20000]}")


def ports_of_servers():
    """Ports that the system gives to nobody who only connects: such a port may be free now and somebody's in a moment,
    and whoever keeps trying to connect to it while nobody listens ends up connected to itself."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        lowest = int(file.read().split()[0])
    return range(20000, lowest) if lowest > 21000 else range(10000, 20000)



def free_port():
    """A port of 127.0.0.1 that nobody listens on, and that no other test takes as long as this process lives."""
    while True:
        port = random.choice(ports_of_servers())
        name = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                name.bind(f"\0calbridge-test-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                name.close()
                continue
        name.detach()  # its descriptor, and so the name, stays until the process ends
        return port


def eventually(check, what, deadline=None):
    """Returns the first true answer of `check`; fails with the last answer when there is none in time."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"did not happen: {what}; last seen: {answer!r}")
        time.sleep(0.01)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Client:
    """One HTTP client with a cookie jar; follows nothing by itself."""

    def __init__(self, base, headers=None):
        self.base, self.headers, self.cookies = urllib.parse.urlsplit(base), dict(headers or {}), {}

    def __call__(self, method, path, body=None, headers=None, base=None):
        target = urllib.parse.urlsplit(base) if base else self.base
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=DEADLINE)
        sent = dict(self.headers)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            sent["Content-Type"] = "application/json"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        sent.update(headers or {})
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            data = response.read().decode()
        finally:
            connection.close()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                content = rest.split(";", 1)[0]
                if content and "max-age=0" not in value.lower():
                    self.cookies[key] = content
                else:
                    self.cookies.pop(key, None)
        return Answer(response.status, dict((k.lower(), v) for k, v in response.getheaders()), data)


class Sandbox:
    """The provider sandbox as a process of its own."""

    def __init__(self, folder, host_port, *options):
        redirect = f"http://localhost:{host_port}/api/calendar/%s/callback/"
        self.log_path = os.path.join(folder, "sandbox.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(BINARY, "bin", "calbridge-sandbox"), "--listen", "127.0.0.1:0",
                 "--google-redirect-uri", redirect % "google", "--outlook-redirect-uri", redirect % "outlook", *options],
                stdout=subprocess.PIPE, stderr=log)
        self.url = self.process.stdout.readline().decode().strip()
        self.client = Client(self.url)

    def control(self, method, path, body=None):
        answer = self.client(method, "/control/" + path, body)
        assert answer.status < 300, f"{method} {path}: {answer}"
        return answer.json

    def entries(self, provider, account):
        """Live entries of the account, by title."""
        answer = self.client("GET", f"/control/{provider}/accounts/{account}/events")
        if answer.status == 404:
            return []
        events = answer.json["events"] if isinstance(answer.json, dict) else answer.json
        return [e for e in events if not e.get("deleted") and e.get("status") != "cancelled"]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=DEADLINE)
        self.process.stdout.close()
        with open(self.log_path, errors="replace") as log:
            text = log.read()
        refuse_sanitizer_reports("the sandbox", text)
        assert code == 0, f"the sandbox ended with {code}: {text}"


class PostgresqlServer:
    """The throw-away server of tests/postgresql/server, for all tests of this process."""
    running = None

    def __init__(self):
        self.process = subprocess.Popen([os.path.join(SOURCE, "tests", "postgresql", "server")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            assert self.process.wait() == SKIPPED, "the PostgreSQL server of the tests does not start"
            print("skipped: no PostgreSQL server is installed (Debian package postgresql)", file=sys.stderr)
            os._exit(SKIPPED)

    @classmethod
    def get(cls):
        if not cls.running:
            cls.running = cls()
            atexit.register(cls.running.stop)
        return cls.running

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Host:
    """calbridge serve in a folder of its own."""

    def __init__(self, folder, sandbox_url, port, overrides=(), environment=None, config=None, storage=None):
        self.folder, self.port = folder, port
        self.url = f"http://localhost:{port}"
        self.config = config or os.path.join(SOURCE, "config")
        self.program = os.path.join(BINARY, "bin", "calbridge")
        settings = {
            "server.listen": json.dumps([f"127.0.0.1:{port}"]),
            "server.public_url": self.url,
            "server.frontend_url": self.url,
            "server.allowed_origins": json.dumps([self.url]),
            "delivery.backoff.initial_seconds": 0.05,
            **({"storage.url": storage} if storage else {}),
            **({"plugins.isolation.default": ISOLATION} if ISOLATION else {}),
            "providers.google.settings.authorize_url": sandbox_url + "/google/o/oauth2/v2/auth",
            "providers.google.settings.token_url": sandbox_url + "/google/token",
            "providers.google.settings.revoke_url": sandbox_url + "/google/revoke",
            "providers.google.settings.api_url": sandbox_url + "/google/calendar/v3",
            "providers.outlook.settings.authority_url": sandbox_url + "/outlook/common",
            "providers.outlook.settings.api_url": sandbox_url + "/outlook/v1.0",
        }
        settings.update(dict(overrides))
        self.options = ["--config", self.config, "--env-file", os.path.join(folder, ".env")]
        for key, value in settings.items():
            self.options += ["--set", f"{key}={value}"]
        self.environment = {"PATH": os.environ["PATH"], "HOME": folder,
                            "GOOGLE_CLIENT_ID": "sandbox-google-client",
                            "GOOGLE_CLIENT_SECRET": "sandbox-google-secret",
                            "OUTLOOK_CLIENT_ID": "sandbox-outlook-client",
                            "OUTLOOK_CLIENT_SECRET": "sandbox-outlook-secret"}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.environment.update(environment or {})
        with open(os.path.join(folder, ".env"), "w") as file:
            os.fchmod(file.fileno(), 0o600)
        self.process = None
        self.log_path = os.path.join(folder, "host.log")

    def run(self, *arguments, input=None, check=True):
        done = subprocess.run([self.program, *self.options, *arguments], cwd=self.folder, env=self.environment,
                              input=input, capture_output=True, text=True, timeout=DEADLINE)
        refuse_sanitizer_reports(f"calbridge {' '.join(arguments)}", done.stderr)
        if check and done.returncode != 0:
            raise AssertionError(f"calbridge {' '.join(arguments)} → {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, *self.options, "serve"], cwd=self.folder,
                                            env=self.environment, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline().decode()
        if "ready" not in line:
            self.process.wait()
            self.process.stdout.close()
            self.process = None
            raise AssertionError(f"the host did not start: {self.log()}")
        # What the host prints later must not fill the pipe.
        self.drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.drain.start()
        return self

    def kill(self):
        self.process.kill()
        self.ended()

    def stop(self):
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        """Waits for the end; returns the exit code."""
        try:
            code = self.process.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.drain.join(DEADLINE)
        self.process.stdout.close()
        refuse_sanitizer_reports("the host", self.log())
        return code

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()


APPOINTMENT = {
    "id": "A-1001", "version": 1, "status": "confirmed",
    "start": "2031-12-01T09:00:00", "end": "2031-12-01T11:00:00", "timezone": "Europe/London",
    "service": {"name": "Deep clean", "details": "3 bedrooms, oven"},
    "location": {"address": "1 High Street, London N1 1AA"},
    "order": {"id": "O-77", "number": "VC-77", "notes": "Key under the mat"},
    "customer": {"id": "john", "name": "John Smith", "email": "john@example.com", "phone": "+44 20 7946 0001"},
    "staff": [{"id": "sarah", "name": "Sarah Jones", "phone": "+44 20 7946 0002"}],
}

PEOPLE = [
    ("john", "John Smith", "customer", []),
    ("sarah", "Sarah Jones", "staff", ["north"]),
    ("omar", "Omar Haddad", "staff", ["south"]),
    ("mia", "Mia Novak", "manager", ["north"]),
    ("max", "Max Weber", "manager", ["south"]),
    ("ada", "Ada Admin", "admin", []),
]


class Installation:
    """A host, a sandbox, the demo people and an app key."""

    def __init__(self, overrides=(), sandbox_options=(), environment=None, config=None):
        self.folder = tempfile.mkdtemp(prefix="calbridge-test-")
        port = free_port()
        self.sandbox = Sandbox(self.folder, port, *sandbox_options)
        storage = PostgresqlServer.get().tell("database") if STORE == "postgresql" else None
        self.host = Host(self.folder, self.sandbox.url, port, overrides, environment, config, storage)
        self.events = 0
        try:
            self.key = self.host.run("app-keys", "create", "tests").stdout.strip()
            self.app = Client(self.host.url, {"Authorization": "Bearer " + self.key})
            self.host.start()
        except BaseException:
            self.close()
            raise

    def add_people(self, people=PEOPLE):
        for person, name, role, teams in people:
            answer = self.app("PUT", f"/api/people/{person}/",
                              {"name": name, "email": f"{person}@example.com", "role": role,
                               "timezone": "Europe/London", "teams": teams, "password": f"password of {person}"})
            assert answer.status == 201, answer

    def login(self, person):
        client = Client(self.host.url)
        answer = client("POST", "/api/session/",
                        {"email": f"{person}@example.com", "password": f"password of {person}"})
        assert answer.status == 200, answer
        return client

    def authorize(self, client, provider, account, decision="allow"):
        """Clicks through the consent page; returns where the browser ends up."""
        self.sandbox.control("POST", "authorize", {"provider": provider, "account": account, "decision": decision})
        answer = client("POST", f"/api/calendar/{provider}/connect/")
        assert answer.status == 200, answer
        consent = urllib.parse.urlsplit(answer.json["authorization_url"])
        back = Client(self.sandbox.url)("GET", consent.path + "?" + consent.query)
        assert back.status == 302, back
        callback = urllib.parse.urlsplit(back.headers["location"])
        ended = client("GET", callback.path + "?" + callback.query)
        assert ended.status == 302, ended
        return ended.headers["location"]

    def connect(self, person, provider, account=None):
        client = self.login(person)
        location = self.authorize(client, provider, account or f"{person}@{provider}.example")
        assert location == f"{self.host.url}/settings/calendar?connected={provider}", location
        return client

    def connect_feed(self, person):
        client = self.login(person)
        answer = client("POST", "/api/calendar/ics/connect/")
        assert answer.status == 200, answer
        return client, urllib.parse.urlsplit(answer.json["feed_url"]).path

    def event(self, type, appointment=None, **changes):
        self.events += 1
        snapshot = dict(appointment or APPOINTMENT, **changes)
        return {"specversion": "1.0", "id": f"evt-{self.events}", "source": "tests", "type": type,
                "time": "2026-11-22T10:00:00Z", "data": {"appointment": snapshot}}

    def post(self, event):
        answer = self.app("POST", "/api/events/", json.dumps(event), {"Content-Type": "application/cloudevents+json"})
        assert answer.status == 202, answer
        return event["id"]

    def send(self, type, appointment=None, **changes):
        return self.post(self.event(type, appointment, **changes))

    def receipt(self, event_id):
        answer = self.app("GET", f"/api/events/{event_id}/?source=tests")
        assert answer.status == 200, answer
        return answer.json

    def settled(self, event_id):
        """The receipt once all of its deliveries have ended."""
        def check():
            receipt = self.receipt(event_id)
            if receipt["state"] == "accepted" or any(d["state"] == "pending" for d in receipt["deliveries"]):
                return None
            return receipt
        return eventually(check, f"all deliveries of {event_id} end")

    def status(self, client, provider):
        answer = client("GET", "/api/calendar/status/")
        assert answer.status == 200, answer
        return next(p for p in answer.json["providers"] if p["provider"] == provider)

    def titles_of(self, provider, account):
        return sorted(e["resource"].get("summary") or e["resource"].get("subject")
                      for e in self.sandbox.entries(provider, account))

    def close(self):
        """Stops everything, whatever fails; returns the host's exit code."""
        with contextlib.ExitStack() as last:
            last.callback(shutil.rmtree, self.folder, ignore_errors=True)
            last.callback(self.sandbox.stop)
            return self.host.stop()


class InstallationTest(unittest.TestCase):
    """A fresh installation for every test."""
    overrides = ()
    sandbox_options = ()

    def setUp(self):
        self.box = Installation(self.overrides, self.sandbox_options)
        self.box.add_people()
        self.addCleanup(self.finish)

    def finish(self):
        failed = any(error for _, error in getattr(self._outcome, "errors", [])) or \
            (hasattr(self._outcome, "result") and any(t is self for t, _ in self._outcome.result.failures + self._outcome.result.errors))
        if failed:
            print("---- log of the host ----\n" + self.box.host.log()[-6000:])
        violations = self.box.sandbox.control("GET", "violations") if self.box.sandbox.process.poll() is None else None
        code = self.box.close()
        if not failed:
            self.assertIn(code, (0, -signal.SIGKILL), "the host stops cleanly")
            found = violations.get("violations", violations) if isinstance(violations, dict) else violations
            self.assertFalse(found, "nothing was done at a provider that calbridge must not do")


def main():
    unittest.main(verbosity=2)
