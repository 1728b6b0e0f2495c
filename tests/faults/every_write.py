from fault import Fault
from harness import eventually


class EveryWrite(Fault):
    """Killed on entering the n-th write, or the n-th fdatasync, of the database: at start, under load, at a checkpoint."""
    name, short, long = "every-write", 6, 300

    def run(self):
        town, rng = self.open(sandbox_options=("--no-limits", "--no-log")), self.rng
        disk = town.faulty_disk()
        town.host.stop()
        killed = {"write": 0, "sync": 0, "start": 0}
        for round in range(self.rounds):
            what = ("write", "sync")[round % 2]
            n = rng.randint(1, 60) if self.is_short else round // 2 + 1
            disk.clear()
            disk["torn"] = rng.randint(0, 1)
            at_start = round % 3 == 2
            if at_start:
                disk[f"{what}s_until_kill"] = n
            if town.start_or_die():
                disk[f"{what}s_until_kill"] = disk[f"{what}s_until_kill"] or n
                senders = town.senders(rng, f"w{round}t", 2)
                eventually(lambda: town.host.process.poll() is not None, f"killed at {what} {n}")
                for sender in senders:
                    sender.stop()
                for sender in senders:
                    sender.ended()
                town.host.kill()
            else:
                killed["start"] += 1
            killed[what] += 1
            if round % 10 == 9 or round == self.rounds - 1:
                disk.clear()
                town.host.start()
                town.tell_the_rest(rng)
                self.worst("recovery_seconds", self.level())
                town.host.kill()
        town.host.start()
        self.level()
        self.figures.update(killed_at_writes=killed["write"], killed_at_syncs=killed["sync"], of_those_at_start=killed["start"])
