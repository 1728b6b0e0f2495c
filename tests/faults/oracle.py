"""The oracle: the journal of events, the calendars at the providers and the receipts say the same."""
import collections
import re

from stories import MARK


class Violation(AssertionError):
    """A promise was not kept."""


class Skipped(Exception):
    """This machine does not allow the fault to be made; says why."""


Seen = collections.namedtuple("Seen", "appointment version start id title")


def entries_of_feed(text):
    """The entries of an .ics feed that are not cancelled."""
    found = []
    for part in re.sub(r"\r?\n[ \t]", "", text).split("BEGIN:VEVENT")[1:]:
        lines = dict(line.split(":", 1) for line in part.splitlines() if ":" in line)
        if lines.get("STATUS") == "CANCELLED":
            continue
        start = next(value for name, value in lines.items() if name.startswith("DTSTART"))
        local = f"{start[:4]}-{start[4:6]}-{start[6:8]}T{start[9:11]}:{start[11:13]}:{start[13:15]}"
        title = re.sub(r"\\(.)", r"\1", lines["SUMMARY"])
        mark = MARK.search(title)
        if not mark:
            raise Violation(f"a feed holds an entry that nobody asked for: {title}")
        found.append(Seen(mark[1], int(mark[2]), local, lines["UID"], title))
    return found


def told_id(provider, key):
    """The id by which the provider told an application of the entry that it keeps as `key`: Graph's immutable form."""
    return f"AAkALg{key}AAA=" if provider == "outlook" else key


def observe(town, people):
    """{(person id, provider): [Seen]}: what each calendar shows."""
    calendars = {}
    for person in people:
        for provider, account in person.accounts.items():
            seen = []
            for entry in town.sandbox.entries(provider, account):
                title = entry["resource"].get("summary") or entry["resource"].get("subject") or ""
                mark = MARK.search(title)
                if not mark:
                    raise Violation(f"{account} holds an entry that nobody asked for: {title}")
                # The zone is London's and the month December: UTC is what the clock on the wall shows.
                seen.append(Seen(mark[1], int(mark[2]), entry["start_utc"].removesuffix("Z"),
                                 told_id(provider, entry["id"]), title))
            calendars[person.id, provider] = seen
        if person.feed:
            answer = town.line("GET", person.feed)
            if answer.status != 200:
                raise Violation(f"the feed of {person.id} answers {answer}")
            calendars[person.id, "ics"] = entries_of_feed(answer.body)
    return calendars


class Difference(collections.Counter):
    """How many entries are lost, doubled, stale or left behind, and a few examples of each."""

    def __init__(self):
        super().__init__()
        self.examples = []

    def add(self, kind, what):
        self[kind] += 1
        if self[kind] <= 3:
            self.examples.append(f"{kind}: {what}")

    def __str__(self):
        return f"{dict(self)} {'; '.join(self.examples)}"


def compare(stories, people, calendars):
    """What the calendars show, against what the stored events demand."""
    wanted = {key: {} for key in calendars}
    for story, stored in stories:
        for person, entry in story.expected(stored).items():
            for key in wanted:
                if key[0] == person:
                    wanted[key][story.id] = entry
    difference = Difference()
    for key, seen in calendars.items():
        times = collections.Counter(entry.appointment for entry in seen)
        for appointment, count in times.items():
            if count > 1:
                difference.add("doubled", f"{appointment} {count} times in {key}")
        for entry in seen:
            want = wanted[key].get(entry.appointment)
            if want is None:
                difference.add("left behind", f"{entry.title} in {key}")
            elif (entry.version, entry.start) != want:
                difference.add("stale", f"{entry.title} at {entry.start} in {key}, wanted {want}")
        for appointment in wanted[key].keys() - times.keys():
            difference.add("lost", f"{appointment} in {key}")
    return difference


def explain(town, difference):
    """What the receipts say about the differing appointments."""
    lines = []
    for example in difference.examples:
        mark = re.search(r"([\w-]+)(?:\.\d+)?(?= – | with | at | in |$| \d)", example.split(": ", 1)[1].split("Clean ")[-1])
        for version in range(9, 0, -1):
            answer = town.line("GET", f"/api/events/{mark[1]}.{version}/?source=tests") if mark else None
            if answer and answer.status == 200:
                for d in answer.json["deliveries"]:
                    lines.append(f"    {mark[1]}.{version} {d['person']} {d['provider']}: {d['action']} {d['state']}, "
                                 f"{d['attempts']} attempts, next {d['next_attempt_at']}, {d['last_error']}")
                break
    return "\n".join(lines)


def check_receipts(town, stories, calendars):
    """Every stored event has a receipt that says so; the newest one of each appointment names the entries that are there."""
    ids = {(key, entry.id): entry for key, seen in calendars.items() for entry in seen}
    count = 0
    for story, stored in stories:
        for index in range(stored):
            answer = town.line("GET", f"/api/events/{story.id}.{index + 1}/?source=tests")
            if answer.status != 200:
                raise Violation(f"event {story.id}.{index + 1} is stored but has no receipt: {answer}")
            receipt, count = answer.json, count + 1
            if receipt["state"] not in ("routed", "stale") or receipt["error"]:
                raise Violation(f"the receipt of {receipt['id']} says {receipt['state']}, {receipt['error']}")
        if not stored:
            continue
        expected = story.expected(stored)
        for delivery in receipt["deliveries"]:
            wanted = delivery["person"] in expected
            state = "delivered" if wanted else "removed"
            where = (delivery["person"], delivery["provider"])
            if delivery["state"] != state:
                raise Violation(f"the receipt of {receipt['id']} says {delivery['state']} for {where}, and it should be {state}")
            if wanted and where in calendars and where[1] != "ics":
                entry = ids.get((where, delivery["provider_event_id"]))
                if entry is None or entry.title != delivery["entry"]["title"]:
                    raise Violation(f"the receipt of {receipt['id']} names {delivery['provider_event_id']} for {where}, "
                                    f"and there is {entry}")
    return count
