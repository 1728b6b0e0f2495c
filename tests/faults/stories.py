"""What the application tells about its appointments, and what every calendar has to show then.

A story is one appointment: its events in order, each with the whole snapshot, numbered by `version`. The sender of a story
goes on only when an event was acknowledged, or leaves the story for good. So what is stored of it is always a beginning,
and the model of what must be seen is simple; it knows nothing of how calbridge decides.
"""
import dataclasses
import itertools
import re
import threading

# What makes an entry of ours known in a calendar: appointment and version. Every role's title holds the service's name.
MARK = re.compile(r"Clean ([\w-]+)\.(\d+)(?![\w-])")


@dataclasses.dataclass
class Person:
    id: str
    role: str
    providers: tuple
    teams: tuple = ()
    name: str = ""
    client: object = None  # asks as this person
    feed: str = ""         # path of the subscription feed
    accounts: dict = dataclasses.field(default_factory=dict)  # provider → account


def crew(prefix="", admin=True):
    """People of every role, at every provider, some at two. Admins are asked for by their role alone and get everything that
    is created, so an installation with several crews has its admin in the first one."""
    rows = [("c1", "customer", ("google",), ()), ("c2", "customer", ("outlook",), ()),
            ("c3", "customer", ("google", "ics"), ()), ("s1", "staff", ("outlook",), ("north",)),
            ("s2", "staff", ("google", "outlook"), ("north",)), ("s3", "staff", ("google",), ("south",)),
            ("m1", "manager", ("outlook",), ("north",)), ("m2", "manager", ("google",), ("south",)),
            ("a1", "admin", ("google", "ics"), ())][:None if admin else -1]
    return [Person(prefix + id, role, providers, tuple(prefix + team for team in teams), f"Person {prefix}{id}")
            for id, role, providers, teams in rows]


def small_crew():
    """One customer and one member of staff, at a provider each."""
    return [Person("c1", "customer", ("google",), (), "Person c1"), Person("s1", "staff", ("outlook",), ("north",), "Person s1")]


@dataclasses.dataclass
class Tried:
    """One event that was sent at least once."""
    story: object
    index: int
    body: str
    state: str = "unanswered"  # or acknowledged, refused (5xx), stored (found later), absent (found not to be there)

    @property
    def id(self):
        return f"{self.story.id}.{self.index + 1}"


class Story:
    def __init__(self, id, rng, people, most=6):
        self.id, self.people = id, people
        by_role = lambda role: [p for p in people if p.role == role]  # noqa: E731
        self.customer, staff = rng.choice(by_role("customer")), by_role("staff")
        self.day, hour = rng.randint(1, 28), rng.randint(7, 18)
        types = ["order.confirmed"]
        if by_role("admin"):
            types.append("appointment.created")
        rng.shuffle(types)
        types.append("appointment.assigned")
        while len(types) < most and rng.random() < 0.6:
            types.append(rng.choice(("appointment.updated", "appointment.rescheduled", "appointment.assigned")))
        if rng.random() < 0.2:
            types.append(rng.choice(("appointment.cancelled", "order.cancelled")))
        assigned = []
        self.events = []
        for index, type in enumerate(types):
            if type == "appointment.assigned":
                assigned = rng.sample(staff, rng.randint(1, min(2, len(staff))))
            if type == "appointment.rescheduled":
                hour = rng.randint(7, 18)
            self.events.append({
                "type": type, "staff": list(assigned), "start": f"2031-12-{self.day:02}T{hour:02}:00:00",
                "end": f"2031-12-{self.day:02}T{hour:02}:45:00", "cancelled": type.endswith("cancelled")})

    def __len__(self):
        return len(self.events)

    def event(self, index):
        told = self.events[index]
        customer = self.customer
        return {"specversion": "1.0", "id": f"{self.id}.{index + 1}", "source": "tests", "type": told["type"],
                "time": "2026-11-22T10:00:00Z", "data": {"appointment": {
                    "id": self.id, "version": index + 1, "status": "cancelled" if told["cancelled"] else "confirmed",
                    "start": told["start"], "end": told["end"], "timezone": "Europe/London",
                    "service": {"name": f"Clean {self.id}.{index + 1}", "details": "3 bedrooms, oven"},
                    "location": {"address": "1 High Street, London N1 1AA"},
                    "order": {"id": f"O-{self.id}", "number": f"VC-{self.day}", "notes": "Key under the mat"},
                    "customer": {"id": customer.id, "name": customer.name, "email": f"{customer.id}@example.com",
                                 "phone": "+44 20 7946 0001"},
                    "staff": [{"id": p.id, "name": p.name, "phone": "+44 20 7946 0002"} for p in told["staff"]]}}}

    def expected(self, stored):
        """{person id: (version, start)} once the first `stored` events are stored and everything is delivered."""
        told = self.events[:stored]
        if not told or told[-1]["cancelled"]:
            return {}
        have = set()
        for event in told:
            if event["type"] == "order.confirmed":
                have.add(self.customer.id)
            if event["type"] == "appointment.created":
                have.update(p.id for p in self.people if p.role == "admin")
        assigned = next((e["staff"] for e in reversed(told) if e["type"] == "appointment.assigned"), [])
        teams = {team for person in assigned for team in person.teams}
        have.update(p.id for p in assigned)
        have.update(p.id for p in self.people if p.role == "manager" and teams & set(p.teams))
        return {person: (stored, told[-1]["start"]) for person in have}


class Journal:
    """Every event that was sent, and what became of it. From any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tried = {}  # by event id
        self.acknowledged = 0
        self.numbers = itertools.count(1)

    def begin(self, story, index, body):
        with self.lock:
            return self.tried.setdefault(f"{story.id}.{index + 1}", Tried(story, index, body))

    def end(self, tried, state):
        with self.lock:
            if tried.state == "acknowledged":
                return
            tried.state = state
            self.acknowledged += state == "acknowledged"

    def stories(self, people=None):
        """[(story, number of its events that are stored)]; only of these people's, if given."""
        stored = {}
        with self.lock:
            for tried in self.tried.values():
                count = tried.index + 1 if tried.state in ("acknowledged", "stored") else 0
                stored[tried.story] = max(stored.get(tried.story, 0), count)
        return [(story, count) for story, count in stored.items() if people is None or story.people is people]

    def undecided(self):
        with self.lock:
            return [tried for tried in self.tried.values() if tried.state in ("unanswered", "refused")]
