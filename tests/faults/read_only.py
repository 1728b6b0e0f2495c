import errno

from fault import Fault
from harness import eventually


class ReadOnly(Fault):
    """The file system turns read-only under load, as it does after errors: 503, until it is writable again."""
    name, short, long = "read-only", 2, 40

    def run(self):
        town, rng = self.open(), self.rng
        disk = town.faulty_disk()
        town.host.stop()
        town.host.start()
        for round in range(self.rounds):
            refused, senders = len(town.refusals), town.senders(rng, f"o{round}t", 3)
            enough = town.journal.acknowledged + 10
            eventually(lambda: town.journal.acknowledged > enough, "events flow")
            disk["write_error"] = disk["open_error"] = errno.EROFS
            eventually(lambda: len(town.refusals) > refused + 10 or not all(s.is_alive() for s in senders), "events are refused")
            before = town.journal.acknowledged
            eventually(lambda: len(town.refusals) > refused + 30 or not all(s.is_alive() for s in senders), "events are refused")
            self.check(town.journal.acknowledged == before, "an event was acknowledged although nothing can be written")
            eventually(lambda: not town.ready(), "/readyz tells", 10)
            disk.clear()
            self.worst("recovery_seconds", town.until_accepted(rng))
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            town.tell_the_rest(rng)
            self.level()
