from fault import Fault
from lost_answers import APIS


class SickProvider(Fault):
    """Latency, resets, truncation, garbage, hangs, slow drips and errors at both providers: level once they are well."""
    name, short, long = "sick-provider", 2, 40

    def run(self):
        town, rng = self.open(overrides={"delivery.timeout_seconds": 1}), self.rng
        hits = 0
        for round in range(self.rounds):
            for _ in range(6):
                provider = rng.choice(("google", "outlook"))
                effect = rng.choice(("status", "reset", "truncate", "garbage", "hang", "drip", "none"))
                fault = {"provider": provider, "path": APIS[provider], "when": rng.choice(("before", "after")),
                         "effect": effect, "skip": rng.randint(0, 5), "count": rng.randint(1, 8)}
                if effect == "status":
                    fault["status"] = rng.choice((500, 502, 503, 504, 429, 408))
                if effect == "none":
                    fault["latency_ms"] = rng.randint(10, 1500)
                if effect == "hang":
                    fault["hang_ms"] = 3000
                if effect == "drip":
                    fault["interval_ms"] = rng.choice((1, 20, 200))
                town.fault(**fault)
            town.tell(rng, f"r{round}s", 40)
            hits += sum(fault["hits"] for fault in town.sandbox.control("GET", "faults"))
            town.heal()
            self.worst("recovery_seconds", self.level())
        self.figures["faults_met"] = hits
