import datetime

import harness
from fault import Fault
from lost_answers import APIS

# What is claimed of a mailbox is given back when a 429 arrives; requests that were begun before cannot know of it.
ON_ITS_WAY = 0.05 * harness.DEADLINE / 60


class Throttling(Fault):
    """429 storms: no call to that mailbox before its Retry-After is over."""
    name, short, long = "throttling", 1, 20

    def run(self):
        town, rng = self.open(), self.rng
        storms = pauses = 0
        for round in range(self.rounds):
            town.sandbox.control("DELETE", "requests")
            told = {}
            for person in town.people:
                for provider, account in person.accounts.items():
                    told[provider, account] = rng.choice((1, 2))
                    town.fault(provider=provider, path=APIS[provider], account=account, skip=rng.randint(0, 3), count=rng.randint(1, 2),
                               effect="status", status=429, headers={"Retry-After": str(told[provider, account])})
            town.tell(rng, f"t{round}s", 60)
            self.worst("recovery_seconds", self.level())
            town.heal()
            until = {}
            for request in town.sandbox.control("GET", "requests"):
                key = (request["provider"], request.get("account"))
                if key not in told or not any(part in request["path"] for part in ("/calendar/v3/", "/v1.0/")):
                    continue
                at = datetime.datetime.fromisoformat(request["time"]).timestamp()
                pauses += key in until
                if key in until and request["status"] != 429:
                    since, end = until[key]
                    self.check(not since + ON_ITS_WAY < at < end,
                               f"{key} was called ({request['method']} {request['path'][:60]}) {at - since:.3f} s after a 429 that asked for {told[key]} s")
                if request["status"] == 429:
                    storms += 1
                    since = until.get(key, (at,))[0]
                    until[key] = (at, max(at + told[key], until.get(key, (0, 0))[1]))
        self.figures.update(answers_429=storms, calls_compared=pauses)
