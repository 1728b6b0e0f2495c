import collections
import datetime
import os
import time

from fault import Fault
from harness import eventually
from lost_answers import APIS
from town import Shared

HOUR = 3600 * 1000


class ClockSteps(Fault):
    """The wall clock steps by an hour, over a change of daylight saving time and by ten years: at most one attempt more each."""
    name, short, long = "clock-steps", 1, 10

    def run(self):
        town, rng = self.open(), self.rng
        clock = Shared(os.path.join(town.folder, "clock"), "offset")
        town.host.stop()
        town.preload("stepped_clock", CALBRIDGE_STEPPED_CLOCK=clock.path)
        town.host.start()
        extra, events = 0, 8 if self.is_short else 24
        for round in range(self.rounds):
            now = time.time() * 1000
            spring = datetime.datetime(2027, 3, 28, 0, 59, 59, tzinfo=datetime.timezone.utc).timestamp() * 1000
            steps = [("forward", HOUR), ("and back", 0), ("back", -HOUR), ("and forward", 0), ("daylight saving time", int(spring - now)),
                     ("ten years", int(10 * 365.25 * 24 * HOUR)), ("today", 0)]
            for name, offset in steps[:1] + steps[2:3] + steps[5:] if self.is_short else steps:
                town.tell(rng, f"c{round}{name[:2]}{len(name)}s", events)
                self.settle(clock)
                town.sandbox.control("DELETE", "requests")
                clock["offset"] = offset
                # What is level stays so without a single write.
                time.sleep(0.2)
                self.check(not self.writes(), f"the step {name} made it write: {self.writes()[:3]}")
                town.tell(rng, f"d{round}{name[:2]}{len(name)}s", events)
                self.settle(clock)
            extra = max(extra, self.while_waiting(clock, round))
        self.figures["attempts_more"] = extra

    def settle(self, clock):
        """The oracle; but in ten years all appointments are over, and nobody gets what is over."""
        if clock["offset"] < 5 * 365 * 24 * HOUR:
            self.worst("recovery_seconds", self.level())
        else:
            eventually(self.town.idle, "nothing is under way")

    def writes(self):
        return [request for request in self.town.sandbox.control("GET", "requests")
                if request["method"] in ("POST", "PUT", "PATCH", "DELETE")
                and ("/calendar/" in request["path"] or "/v1.0/" in request["path"])]

    def while_waiting(self, clock, round):
        """Steps while deliveries wait for their next attempt; returns how many attempts more that makes for one delivery."""
        town, rng, most = self.town, self.rng, 0
        for step in (HOUR, -HOUR):
            # Two mailboxes at each: a provider that fails for more is taken for down, and asked one thing at a time.
            for person, provider in (("c1", "google"), ("s3", "google"), ("c2", "outlook"), ("s1", "outlook")):
                town.fault(path=APIS[provider], account=town.accounts_of(person)[provider], effect="status", status=503,
                           headers={"Retry-After": "3"}, count=0)
            town.tell(rng, f"w{round}{'m' if step < 0 else 'p'}", 20)
            eventually(self.town.idle, "everything waits")
            town.sandbox.control("DELETE", "requests")
            clock["offset"] = step
            time.sleep(1)
            tried = collections.Counter((request["method"], request["path"], request.get("account"), str(request.get("body")))
                                        for request in self.writes())
            town.heal()
            self.check(max(tried.values(), default=0) <= 1, f"a step of the clock costs several attempts: {tried.most_common(1)}")
            most = max([most, *tried.values()])
            self.worst("recovery_seconds", self.level())  # what waited at the former time does not wait for that to come again
            clock["offset"] = 0
            self.level()
        return most
