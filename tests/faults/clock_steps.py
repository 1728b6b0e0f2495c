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
        extra = 0
        for round in range(self.rounds):
            now = time.time() * 1000
            spring = datetime.datetime(2027, 3, 28, 0, 59, 59, tzinfo=datetime.timezone.utc).timestamp() * 1000
            for name, offset in (("forward", HOUR), ("and back", 0), ("back", -HOUR), ("and forward", 0),
                                 ("daylight saving time", int(spring - now)), ("ten years", int(10 * 365.25 * 24 * HOUR)), ("today", 0)):
                town.tell(rng, f"c{round}{name[:2]}{len(name)}s", 24)
                if clock["offset"] < 10 * HOUR * 24 * 365:  # appointments are over then, and nobody gets what is over
                    self.level()
                town.sandbox.control("DELETE", "requests")
                clock["offset"] = offset
                # What is level stays so without a single write.
                time.sleep(0.2)
                self.check(not self.writes(), f"the step {name} made it write: {self.writes()[:3]}")
                town.tell(rng, f"d{round}{name[:2]}{len(name)}s", 24)
                if name != "ten years":
                    self.worst("recovery_seconds", self.level())
            extra = max(extra, self.while_waiting(clock, round))
        self.figures["attempts_more"] = extra

    def writes(self):
        return [request for request in self.town.sandbox.control("GET", "requests")
                if request["method"] in ("POST", "PUT", "PATCH", "DELETE") and ("/calendar/" in request["path"] or "/v1.0/" in request["path"])]

    def while_waiting(self, clock, round):
        """Steps while deliveries wait for their next attempt. Returns the most attempts beyond those without a step."""
        town, rng, most = self.town, self.rng, 0
        for step in (HOUR, -HOUR):
            town.fault(path="/google/calendar/*", effect="status", status=503, headers={"Retry-After": "5"}, count=0)
            town.fault(path="/outlook/v1.0/*", effect="status", status=503, headers={"Retry-After": "5"}, count=0)
            town.tell(rng, f"w{round}{'m' if step < 0 else 'p'}", 20)
            town.sandbox.control("DELETE", "requests")
            eventually(lambda: town.metric("calbridge_deliveries_due") == 0, "everything waits")
            town.sandbox.control("DELETE", "requests")
            clock["offset"] = step
            time.sleep(1)
            tried = {}
            for request in town.sandbox.control("GET", "requests"):
                if "/calendar/" in request["path"] or "/v1.0/" in request["path"]:
                    tried[request["path"], request.get("account")] = tried.get((request["path"], request.get("account")), 0) + 1
            town.heal()
            most = max([most, *tried.values()]) if step < 0 else most
            clock["offset"] = 0
            self.level()
        return most
