import datetime
import json
import time

from fault import Fault
from stories import Person, Story
from town import percentile


class Outage(Fault):
    """One provider is down, or hangs: the other's entries arrive as before, and everything when it is back."""
    name, short, long = "outage", 1, 10

    def run(self):
        people = [Person(f"c{i}", "customer", (provider,), (), f"Person c{i}") for i, provider in
                  enumerate(("google", "google", "google", "outlook", "outlook", "outlook"))]
        people.append(Person("s1", "staff", ("ics",), ("north",), "Person s1"))
        town, rng = self.open(people=people, overrides={"delivery.timeout_seconds": 2}), self.rng
        ratios, base, sick = [], [], []
        for turn in range(self.rounds):
            base += self.arrivals(f"b{turn}")
            town.fault(provider="google", path="/google/*", effect="status", status=503, count=0) if turn % 2 else \
                town.fault(provider="google", path="/google/*", effect="hang", hang_ms=20000, count=0)
            sick += self.arrivals(f"o{turn}")
            town.heal()
            self.worst("recovery_seconds", self.level())
        before, during = percentile(base, 0.99), percentile(sick, 0.99)
        self.figures.update(p99_ms_before=round(before * 1000, 1), p99_ms_during=round(during * 1000, 1),
                            ratio=round(during / before, 2))
        # Below that a ratio shows what else the machine does.
        self.check(during <= max(2 * before, 0.25), f"p99 at the healthy provider: {during:.3f} s, before the outage {before:.3f} s")

    def arrivals(self, name):
        """Seconds from sending an event to its entry at the healthy provider."""
        town, rng, count = self.town, self.rng, 60 if self.is_short else 300
        town.sandbox.control("DELETE", "requests")
        sent, began = {}, time.time()
        while len(sent) < count:
            story = Story(f"{name}-{len(sent)}", rng, town.people, most=1)
            body = json.dumps(story.event(0))
            tried = town.journal.begin(story, 0, body)
            at = time.time()
            self.check(town.line.post(body).status == 202, "an event was not acknowledged")
            town.journal.end(tried, "acknowledged")
            sent[story.id] = (at, story)
            time.sleep(0.01)  # the rate: a hundred events a second at the most
        wanted = {id: at for id, (at, story) in sent.items() if "outlook" in story.customer.accounts}
        found = {}
        end = time.monotonic() + 30
        while len(found) < len(wanted):
            self.check(time.monotonic() < end, f"only {len(found)} of {len(wanted)} entries arrived at the healthy provider")
            for request in town.sandbox.control("GET", "requests"):
                if request["provider"] == "outlook" and request["method"] == "POST" and request["status"] == 201:
                    for id in wanted.keys() - found.keys():
                        if f"{id}.1" in str(request.get("request_body") or request.get("body") or request):
                            found[id] = datetime.datetime.fromisoformat(request["time"]).timestamp() - wanted[id]
            time.sleep(0.05)
        return list(found.values())
