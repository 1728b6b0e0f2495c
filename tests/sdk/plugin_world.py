"""One plugin, its small calendar service (sdk/template/provider.py) and a host that has loaded it, each a real process.

`PluginLife.live` is what every plugin in tests has to manage: a person connects, an appointment arrives in the calendar,
changes and goes away, and the grant is given back at the end.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

SOURCE = os.environ["CALBRIDGE_SOURCE_DIR"]
BINARY = os.environ["CALBRIDGE_BINARY_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))

from harness import APPOINTMENT, DEADLINE, Client, Host, eventually, free_port  # noqa: E402

NOWHERE = "http://127.0.0.1:9"  # where the providers of the shipped configuration point to


def run(*command, folder=None, environment=None, input=None, fails=False):
    """Runs to the end; returns what it printed. Fails with all of it when the exit code is unexpected."""
    done = subprocess.run(command, cwd=folder, env=environment, input=input, capture_output=True, text=True,
                          timeout=4 * DEADLINE)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"{' '.join(command)} → {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr if fails else done.stdout


def checked(program, plugin, *options, environment=None):
    """`calbridge plugins check` of it: nothing may fail. Returns the outcome of every check by its id."""
    done = subprocess.run([program, "plugins", "check", plugin, "--json", *options], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=environment, timeout=4 * DEADLINE)
    assert done.returncode in (0, 1), f"{plugin} → {done.returncode}\n{done.stdout}{done.stderr}"
    checks = json.loads(done.stdout)["checks"]
    failed = [(check["id"], check["findings"]) for check in checks if check["outcome"] == "failed"]
    assert not failed and done.returncode == 0, f"{plugin}: {failed}"
    return {check["id"]: check["outcome"] for check in checks}


class SmallService:
    """provider.py as a process of its own. Its tokens end within the host's margin, so that each push needs a refresh."""

    def __init__(self, script=os.path.join(SOURCE, "sdk", "template", "provider.py"), name="acme"):
        self.process = subprocess.Popen([sys.executable, script, "--port", "0", "--token-seconds", "30"],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.client = Client(self.url)
        self.name, self.lines = name, []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def calendar(self):
        return self.client("GET", "/v1/entries").json

    def titles(self):
        return sorted(entry["title"] for entry in self.calendar()["entries"].values())

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()


def configuration(folder, name, source=None):
    """A copy of the shipped configuration in which every role may use the provider `name`."""
    made = shutil.copytree(source or os.path.join(SOURCE, "config"), os.path.join(folder, "config"))
    path = os.path.join(made, "roles.json")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text, roles = re.subn(r'"providers": \[', f'"providers": ["{name}", ', text)
    assert roles == 4, f"the shipped roles.json names providers {roles} times"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return made


class PluginLife:
    """`plugin`: the library's path; `name`: the provider's id; `program`: another calbridge than the one just built;
    `config`: another configuration to start from; `overrides`: further values of calbridge.json; `service`: another one
    than provider.py, with stop(), and then `settings` of the provider and the host's `environment`."""

    def __init__(self, plugin, name, program=None, config=None, script=None, overrides=(), service=None, settings=(),
                 environment=()):
        self.folder, self.name = tempfile.mkdtemp(prefix="calbridge-test-"), name
        prefix = name.upper().replace("-", "_")
        if service is None:
            service = SmallService(script) if script else SmallService()
            settings = {"api_url": service.url}
            environment = {f"{prefix}_CLIENT_ID": f"{script_name(script)}-client",
                           f"{prefix}_CLIENT_SECRET": f"{script_name(script)}-secret"}
        self.service = service
        self.host = Host(self.folder, NOWHERE, free_port(),
                         {f"providers.{name}.plugin": os.path.basename(plugin)[len("lib"):-len(".so")],
                          f"providers.{name}.settings": json.dumps(dict(settings)),
                          "plugins.directories": json.dumps([os.path.dirname(plugin)]), **dict(overrides)},
                         dict(environment), configuration(self.folder, name, config))
        self.host.program = program or self.host.program

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        code = self.host.stop()
        self.service.stop()
        lines = "".join(getattr(self.service, "lines", [])[-40:])
        if kind:
            log = self.host.log()[-6000:] if os.path.exists(self.host.log_path) else "(it did not start)"
            print(f"---- the host's log ----\n{log}\n---- the service's ----\n{lines}")
        shutil.rmtree(self.folder, ignore_errors=True)
        assert kind or code == 0, f"the host ended with {code}"

    def start(self):
        self.app = Client(self.host.url, {"Authorization": "Bearer " + self.host.run("app-keys", "create", "t").stdout.strip()})
        self.host.start()
        person = {"name": "John Smith", "email": "john@example.com", "role": "customer", "timezone": "Europe/London",
                  "password": "password of john"}
        assert self.app("PUT", "/api/people/john/", person).status == 201
        self.john = Client(self.host.url)
        answer = self.john("POST", "/api/session/", {"email": person["email"], "password": person["password"]})
        assert answer.status == 200, answer

    def send(self, type, version, **changes):
        event = {"specversion": "1.0", "id": f"evt-{version}", "source": "tests", "type": type,
                 "time": "2026-11-22T10:00:00Z", "data": {"appointment": dict(APPOINTMENT, version=version, **changes)}}
        answer = self.app("POST", "/api/events/", json.dumps(event), {"Content-Type": "application/cloudevents+json"})
        assert answer.status == 202, answer

    def status(self):
        providers = self.john("GET", "/api/calendar/status/").json["providers"]
        return next(p for p in providers if p["provider"] == self.name)

    def connect(self):
        answer = self.john("POST", f"/api/calendar/{self.name}/connect/")
        assert answer.status == 200, answer
        consent = urllib.parse.urlsplit(answer.json["authorization_url"])
        back = self.service.client("GET", consent.path + "?" + consent.query)
        assert back.status == 302, back
        callback = urllib.parse.urlsplit(back.headers["location"])
        ended = self.john("GET", callback.path + "?" + callback.query)
        wanted = f"{self.host.url}/settings/calendar?connected={self.name}"
        assert ended.headers.get("location") == wanted, ended.headers

    def live(self):
        """The whole life. Every step is asserted at the service, not in the host."""
        self.start()
        self.connect()
        account = self.status()["account"]
        assert account == "me@acme.example" or account.endswith(".example"), account
        assert self.service.calendar() == {"entries": {}, "grants": 1}, "one grant, nothing in the calendar yet"

        self.send("order.confirmed", 1)
        eventually(lambda: self.service.titles() == ["Deep clean with Sarah"], "the entry arrives")
        (uid, entry), = self.service.calendar()["entries"].items()
        assert entry["start"] == "2031-12-01T09:00:00Z" and entry["end"] == "2031-12-01T11:00:00Z", entry
        assert entry["location"] == APPOINTMENT["location"]["address"], entry
        eventually(lambda: "POST /v1/token 200\n" in self.service.lines[2:], "the token, about to end, was refreshed first")

        self.send("appointment.updated", 2, service={"name": "Oven \"clean\" \u2603\\"})
        eventually(lambda: self.service.titles() == ["Oven \"clean\" \u2603\\ with Sarah"], "the entry changes")
        assert list(self.service.calendar()["entries"]) == [uid], "it is the same entry"

        self.send("order.cancelled", 3)
        eventually(lambda: self.service.titles() == [], "the entry goes away")
        assert self.status()["health"] == "ok" and self.status()["connected"], self.status()

        answer = self.john("POST", f"/api/calendar/{self.name}/disconnect/", {})
        assert answer.status == 200, answer
        eventually(lambda: self.service.calendar()["grants"] == 0, "the grant is given back")
        assert not self.status()["connected"], self.status()


def script_name(script):
    """Which word the clients of that provider.py are named after."""
    if not script:
        return "acme"
    with open(script, encoding="utf-8") as file:
        return re.search(r'"--client-id", default="(.+)-client"', file.read()).group(1)
