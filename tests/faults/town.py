"""An installation to break: host, sandbox, people and applications that send, with the oracle at hand."""
import base64
import hashlib
import hmac
import http.client
import json
import mmap
import os
import random
import resource
import signal
import struct
import threading
import time
import urllib.parse

import harness
from harness import Client, Installation
import oracle
from oracle import Skipped, Violation
from stories import Journal, Story, crew

SECRET = "one secret for all tests of faults"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(person):
    """A JWT of the application for the person."""
    part = base64url(b'{"alg":"HS256"}') + "." + base64url(json.dumps({"sub": person, "exp": int(time.time()) + 86400}).encode())
    return part + "." + base64url(hmac.new(SECRET.encode(), part.encode(), hashlib.sha256).digest())


class Line:
    """A keep-alive connection of the application to the host; one thread at a time."""

    def __init__(self, port, key, address="127.0.0.1", timeout=30):
        self.port, self.key, self.address, self.timeout, self.connection = port, key, address, timeout, None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def __call__(self, method, path, body=None, type="application/json"):
        headers = {"Authorization": "Bearer " + self.key}
        if body is not None:
            headers["Content-Type"] = type
        fresh = self.connection is None
        try:
            if fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout,
                                                             source_address=(self.address, 0))
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            data = answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            if method == "GET" and not fresh:  # it was closed while idle
                return self(method, path, body, type)
            raise
        if answer.headers.get("Connection", "").lower() == "close":
            self.close()
        return harness.Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, data)

    def post(self, event):
        return self("POST", "/api/events/", event, "application/cloudevents+json")


class Sender(threading.Thread):
    """An application: tells stories, one event after the other, until it is stopped or has told `most` events."""

    def __init__(self, town, people, rng, name, most=None, address="127.0.0.1", latencies=None):
        super().__init__(daemon=True)
        self.town, self.people, self.rng, self.prefix, self.most = town, people, rng, name, most
        self.line = Line(town.host.port, town.key, address)
        self.stopping, self.told, self.latencies = threading.Event(), 0, latencies
        self.problem = None

    def run(self):
        number = 0
        try:
            while not self.stopping.is_set() and (self.most is None or self.told < self.most):
                story, index = self.town.take_owed(self.people) or (None, 0)
                if story is None:
                    number += 1
                    story = Story(f"{self.prefix}-{number}", self.rng, self.people)
                while index < len(story) and not (self.stopping.is_set() and index == 0):
                    if self.stopping.is_set():
                        self.town.owe(story, index)
                        break
                    if not self.tell(story, index):
                        # Real applications repeat what was not acknowledged; those that do not may have it stored or not.
                        if self.rng.random() < 0.8:
                            self.town.owe(story, index)
                        break
                    index += 1
        except BaseException as problem:  # noqa: B902  shown by whoever joins
            self.problem = problem
        finally:
            self.line.close()

    def tell(self, story, index):
        body = json.dumps(story.event(index))
        tried = self.town.journal.begin(story, index, body)
        self.told += 1
        began = time.monotonic()
        try:
            answer = self.line.post(body)
        except (OSError, http.client.HTTPException):
            self.town.journal.end(tried, "unanswered")
            self.stopping.wait(0.005)
            return False
        if self.latencies is not None:
            self.latencies.append(time.monotonic() - began)
        if answer.status == 202:
            self.town.journal.end(tried, "acknowledged")
            return True
        if answer.status < 500:
            raise Violation(f"the host answers {answer} to an event that has nothing wrong")
        self.town.journal.end(tried, "refused")
        self.town.refusals.append((time.monotonic(), answer.status, answer.json.get("code")))
        self.stopping.wait(0.02)
        return False

    def stop(self):
        self.stopping.set()

    def ended(self):
        self.join()
        if self.problem:
            raise self.problem


class Shared:
    """64-bit numbers that the test shares with a preloaded library."""

    def __init__(self, path, *names):
        with open(path, "w+b") as file:
            file.write(bytes(8 * len(names)))
            file.flush()
            self.memory = mmap.mmap(file.fileno(), 8 * len(names))
        self.path, self.names = path, names

    def __getitem__(self, name):
        return struct.unpack_from("q", self.memory, 8 * self.names.index(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("q", self.memory, 8 * self.names.index(name), value)

    def clear(self):
        for name in self.names:
            self[name] = 0


class Town(Installation):
    def __init__(self, overrides=(), sandbox_options=("--no-limits",), environment=None, people=None, prepare=None, config=None):
        self.prepare = prepare
        settings = {"delivery.backoff.max_seconds": 2}
        settings.update(dict(overrides))
        super().__init__(settings, sandbox_options, {"CALBRIDGE_JWT_SECRET": SECRET, **(environment or {})}, config)
        self.journal, self.refusals, self.owed, self.owed_lock = Journal(), [], [], threading.Lock()
        self.line = Line(self.host.port, self.key)
        self.crews, self.verified = [], set()
        self.database = os.path.join(self.folder, "var", "calbridge.db")
        try:
            self.move_in(crew() if people is None else people)
        except BaseException:
            self.close()
            raise

    # People

    def move_in(self, people):
        """Adds and connects them."""
        for person in people:
            answer = self.app("PUT", f"/api/people/{person.id}/", {
                "name": person.name, "email": f"{person.id}@example.com", "role": person.role,
                "timezone": "Europe/London", "teams": list(person.teams)})
            assert answer.status == 201, answer
            person.client = Client(self.host.url, {"Authorization": "Bearer " + token(person.id)})
            for provider in person.providers:
                if provider == "ics":
                    answer = person.client("POST", "/api/calendar/ics/connect/")
                    assert answer.status == 200, answer
                    person.feed = urllib.parse.urlsplit(answer.json["feed_url"]).path
                else:
                    self.consent(person, provider)
        self.crews.append(people)
        return people

    def consent(self, person, provider):
        person.accounts[provider] = f"{person.id}@{provider}.example"
        where = self.authorize(person.client, provider, person.accounts[provider])
        assert where.endswith("?connected=" + provider), where

    @property
    def people(self):
        return self.crews[-1]

    def accounts_of(self, person_id):
        return next(p for p in self.people if p.id == person_id).accounts

    def fault(self, **fault):
        return self.sandbox.control("POST", "faults", fault)

    def heal(self):
        self.sandbox.control("DELETE", "faults")

    def settings(self, **changes):
        self.sandbox.control("PATCH", "settings", changes)

    # Events

    def owe(self, story, index):
        with self.owed_lock:
            self.owed.append((story, index))

    def take_owed(self, people):
        """A story of these people that somebody has to go on with."""
        with self.owed_lock:
            for place, (story, _) in enumerate(self.owed):
                if story.people is people:
                    return self.owed.pop(place)
        return None

    def senders(self, rng, name, count, most=None, people=None, **options):
        made = [Sender(self, people or self.people, random.Random(rng.random()), f"{name}{i}", most, **options) for i in range(count)]
        for sender in made:
            sender.start()
        return made

    def tell_the_rest(self, rng):
        """Sends what was not acknowledged and is still to be told."""
        end = time.monotonic() + harness.DEADLINE
        while self.owed:
            if time.monotonic() > end:
                raise Violation(f"events are still refused: {self.refusals[-1:]}")
            sender = Sender(self, None, rng, "rest")
            story, index = self.owed.pop()
            while index < len(story) and sender.tell(story, index):
                index += 1
            if index < len(story):
                self.owed.append((story, index))
                time.sleep(0.02)

    def tell(self, rng, name, events, people=None, threads=4, **options):
        """Sends about that many events and waits for the answers."""
        for sender in self.senders(rng, name, threads, max(1, events // threads), people, **options):
            sender.ended()
        self.tell_the_rest(rng)

    # Oracle

    def metric(self, name):
        text = self.line("GET", "/metrics").body
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((name + " ", name + "{")))

    def idle(self):
        """Nothing is under way: events are routed, pushes have ended; what failed may wait for its next attempt, what is due for a provider
        that is down."""
        return self.metric("calbridge_events_accepted_total") <= self.metric("calbridge_events_routed_total") and \
            (self.metric("calbridge_deliveries_due") == 0 or self.metric("calbridge_provider_circuit_open") > 0) and \
            self.metric("calbridge_pushes_in_flight") == 0

    def decide_the_undecided(self):
        """What became of events without an answer: the receipt tells."""
        for tried in self.journal.undecided():
            answer = self.line("GET", f"/api/events/{tried.id}/?source=tests")
            if answer.status not in (200, 404):
                raise Violation(f"the receipt of {tried.id}: {answer}")
            self.journal.end(tried, "stored" if answer.status == 200 else "absent")

    def level(self, people=None, deadline=None, afresh=False):
        """Waits until calendars, receipts and journal say the same; returns the seconds that it took. Fails if they never do.
        `afresh` reads the receipts again that it has read."""
        if afresh:
            self.verified.clear()
        began = time.monotonic()
        deadline = began + (deadline or harness.DEADLINE)
        self.decide_the_undecided()
        for people in self.crews if people is None else [people]:
            stories = self.journal.stories(people)
            while True:
                # What is still on its way changes what is seen: a difference counts only when nothing more comes.
                calendars = oracle.observe(self, people)
                difference = oracle.compare(stories, people, calendars)
                if not difference:
                    break
                if time.monotonic() > deadline:
                    raise Violation(f"the calendars are not level: {difference}\n{oracle.explain(self, difference)}")
                time.sleep(0.05)
            self.check_receipts(stories, calendars, deadline)
        return time.monotonic() - began

    def check_receipts(self, stories, calendars, deadline):
        """Of stories that have gone on since they were checked last."""
        stories = [(story, stored) for story, stored in stories if (story.id, stored) not in self.verified]
        while True:  # the last outcome is stored a moment after its entry is there
            try:
                oracle.check_receipts(self, stories, calendars)
                self.verified.update((story.id, stored) for story, stored in stories)
                return
            except Violation:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def figures(self):
        stories = self.journal.stories()
        return {"events": sum(stored for _, stored in stories), "acknowledged": self.journal.acknowledged,
                "entries": sum(len(s.expected(n)) for s, n in stories)}

    # The host

    def preload(self, library, **environment):
        """From the next start on the host runs with the library."""
        if "TSAN_OPTIONS" in os.environ:
            raise Skipped("ThreadSanitizer wants to be the first library")
        path = os.path.join(harness.BINARY, "preload", f"calbridge_{library}.so")
        assert os.path.exists(path), f"{path} is not built"
        if "ASAN_OPTIONS" in os.environ:
            environment["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        self.host.environment.update({"LD_PRELOAD": path, **environment})

    def faulty_disk(self):
        """Restarts the host on a disk that obeys: preload/faulty_disk.c."""
        disk = Shared(os.path.join(self.folder, "disk"), "writes_until_kill", "syncs_until_kill", "torn", "write_error",
                      "sync_error", "open_error", "keep_synced", "writes", "syncs")
        self.preload("faulty_disk", CALBRIDGE_FAULTY_DISK=disk.path, CALBRIDGE_FAULTY_FILES=os.path.realpath(self.database))
        return disk

    def start_or_die(self, after=None):
        """Starts the host, which may be killed on the way, after so many seconds if given; True when it runs."""
        timer = None
        if after is not None:
            def kill():
                if self.host.process:
                    self.host.process.kill()
            timer = threading.Timer(after, kill)
            timer.start()
        try:
            self.host.start()
            return True
        except AssertionError as problem:
            if "did not start" not in str(problem):
                raise
            return False
        finally:
            if timer:
                timer.cancel()
                timer.join()

    def alive(self):
        return self.host.process is not None and self.host.process.poll() is None

    def limit(self, what, soft):
        """Sets a limit of the running host, as setrlimit would."""
        _, hard = resource.prlimit(self.host.process.pid, what)
        resource.prlimit(self.host.process.pid, what, (hard if soft is None else soft, hard))

    def ready(self):
        try:
            return self.line("GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def until_accepted(self, rng, deadline=10):
        """The seconds until a new event is acknowledged again; fails beyond the deadline."""
        began, number = time.monotonic(), 0
        while True:
            number += 1
            sender = Sender(self, self.people, rng, "again")
            story = Story(f"again{next(self.journal.numbers)}", rng, self.people)
            if sender.tell(story, 0):
                return time.monotonic() - began
            if time.monotonic() - began > deadline:
                raise Violation(f"nothing is accepted {deadline} s after the fault is over: {self.refusals[-1:]}")
            time.sleep(0.02)

    def close(self):
        try:
            if self.host.process and self.host.process.poll() is None:
                self.host.process.send_signal(signal.SIGCONT)
        finally:
            return super().close()


def percentile(values, share):
    values = sorted(values)
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0
