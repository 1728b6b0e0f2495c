import time

from fault import Fault
from stories import crew

EPOCH = 40  # rounds with the same people


class Kill(Fault):
    """kill -9 at random moments under load, also while it starts."""
    name, short, long = "kill", 8, 1000

    def run(self):
        town, rng = self.open(sandbox_options=("--no-limits", "--no-log")), self.rng
        town.settings(latency_ms=2)
        kills, restarts = 0, []
        for round in range(self.rounds):
            if round and round % EPOCH == 0:
                self.settle(round)
                town.move_in(crew(f"e{round // EPOCH}-", admin=False))
            senders = town.senders(rng, f"k{round}t", 3)
            enough = town.journal.acknowledged + rng.randint(1, 60)
            while town.journal.acknowledged < enough and all(s.is_alive() for s in senders):
                time.sleep(0.001)
            time.sleep(rng.random() * 0.05)  # the random moment
            town.host.kill()
            kills += 1
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            if rng.random() < 0.1 and not town.start_or_die(after=rng.random() * 0.2):
                kills += 1
            if not town.alive():
                began = time.monotonic()
                town.host.start()
                restarts.append(time.monotonic() - began)
            self.figures["kills"] = kills
        self.settle(self.rounds)
        self.level(afresh=True)  # nothing came late, with anybody
        self.worst("restart_seconds", max(restarts))

    def settle(self, rounds):
        took = self.settled()
        figures = self.town.figures()
        self.say(f"{rounds} rounds, {self.figures['kills']} kills, {figures['events']} events, {figures['entries']} entries: "
                 f"level {took:.2f} s after the last restart; 0 lost, 0 doubled")

    def settled(self):
        self.town.tell_the_rest(self.rng)
        took = self.town.level(people=self.town.people)
        self.worst("recovery_seconds", took)
        return took
