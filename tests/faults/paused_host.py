import signal
import time

from fault import Fault
from harness import eventually


class PausedHost(Fault):
    """The host is stopped for two leases in the middle of its pushes, and resumed."""
    name, short, long = "paused-host", 1, 20

    def run(self):
        town, rng = self.open(overrides={"delivery.lease_seconds": 1, "delivery.timeout_seconds": 0.9}), self.rng
        for round in range(self.rounds):
            town.settings(latency_ms=rng.choice((50, 200, 600)))
            senders = town.senders(rng, f"p{round}t", 2)
            enough = town.journal.acknowledged + rng.randint(5, 30)
            eventually(lambda: town.journal.acknowledged > enough, "events flow")
            town.host.process.send_signal(signal.SIGSTOP)
            time.sleep(2.2)  # two leases
            town.host.process.send_signal(signal.SIGCONT)
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            town.settings(latency_ms=0)
            town.tell_the_rest(rng)
            self.worst("recovery_seconds", self.level())
