from fault import Fault
from harness import eventually

TOKENS = "/outlook/common/oauth2/v2.0/token"


class Refresh(Fault):
    """Rotating refresh tokens, expired again and again under load: one refresh each. Killed with the new one in flight: reconnect."""
    name, short, long = "refresh", 4, 300

    def run(self):
        town, rng = self.open(), self.rng
        town.settings(strict_rotation=True)
        # Those with an account at Microsoft, whose old refresh token is dead when a new one was handed out.
        connections = sum("outlook" in person.accounts for person in town.people)
        most = 0
        for round in range(self.rounds):
            # A token that ends before anybody could use it looks like a grant that renewing does not help.
            eventually(town.idle, "nothing is under way")
            town.sandbox.control("DELETE", "requests")
            town.sandbox.control("POST", "expire-access-tokens", {})
            town.tell(rng, f"x{round}s", 40)
            if round % 20 == 19 or round == self.rounds - 1 or round < 3:
                self.worst("recovery_seconds", self.level())
            eventually(town.idle, "nothing is under way")
            used = sum(request["path"].startswith(TOKENS) for request in town.sandbox.control("GET", "requests"))
            self.check(used <= connections, f"{used} refreshes of {connections} expired tokens")
            most = max(most, used)
        self.figures.update(connections=connections, refreshes_at_most=most)
        self.killed_between()

    def killed_between(self):
        """The provider has rotated, the host dies before it can store that."""
        town, rng = self.town, self.rng
        person = next(p for p in town.people if p.id == "c2")
        told = town.fault(provider="outlook", path="/outlook/common/oauth2/*", method="POST", when="after", effect="hang", count=1)
        town.sandbox.control("POST", "expire-access-tokens", {"provider": "outlook", "account": person.accounts["outlook"]})
        town.tell(rng, "between", 30)
        eventually(lambda: any(fault["hits"] for fault in town.sandbox.control("GET", "faults")), "the refresh is in flight")
        town.host.kill()
        town.heal()
        town.sandbox.control("DELETE", "requests")
        town.host.start()
        health = lambda: town.status(person.client, "outlook")  # noqa: E731
        eventually(lambda: health()["needs"] == "reconnect", "the person is asked to reconnect")
        town.tell(rng, "blocked", 30)
        asked = [r for r in town.sandbox.control("GET", "requests") if r["path"].startswith(TOKENS)]
        self.check(len(asked) <= 2, f"a dead grant was tried {len(asked)} times: {asked}")
        self.figures["tries_of_the_dead_grant"] = len(asked)
        town.consent(person, "outlook")
        self.check(health()["needs"] != "reconnect", "reconnected, and still asked to")
        self.level()
