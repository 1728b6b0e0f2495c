import errno

from harness import eventually
from power_failure import PowerFailure
from stories import Story
from town import Sender


class FailedSync(PowerFailure):
    """fdatasync fails with EIO: no 202 while it does, and none afterwards for what the disk may have forgotten."""
    name, short, long = "failed-sync", 3, 60

    def run(self):
        town, rng = self.open(sandbox_options=("--no-limits", "--no-log")), self.rng
        disk = town.faulty_disk()
        town.host.stop()
        for round in range(self.rounds):
            disk.clear()
            self.on_disk(disk)
            disk["keep_synced"] = 1
            town.host.start()
            refused, senders = len(town.refusals), town.senders(rng, f"s{round}t", 3)
            eventually(lambda: town.journal.acknowledged > 20 * round, "events flow")
            disk["sync_error"] = errno.EIO
            eventually(lambda: len(town.refusals) > refused + 10 or not all(s.is_alive() for s in senders), "events are refused")
            before = town.journal.acknowledged
            eventually(lambda: len(town.refusals) > refused + 30 or not all(s.is_alive() for s in senders), "events are refused")
            self.check(town.journal.acknowledged == before, "an event was acknowledged although fdatasync fails")
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            # The kernel forgets which pages it could not write: what is acknowledged now has to be written anew.
            disk["sync_error"] = 0
            self.worst("recovery_seconds", town.until_accepted(rng))
            town.tell_the_rest(rng)
            if round % 2:
                town.host.kill()
                self.power_fails(disk, everything=True)
                disk.clear()
                self.on_disk(disk)
                town.host.start()
            self.level()
            town.host.stop()
        self.figures["refused"] = len(town.refusals)
        self.repeated_alone(disk)

    def repeated_alone(self, disk):
        """An event is refused because of the disk, repeated and acknowledged, and then the power fails."""
        town = self.town
        self.on_disk(disk)
        disk["keep_synced"] = 1
        town.host.start()
        sender = Sender(town, town.people, self.rng, "alone")
        story = Story("alone", self.rng, town.people)
        disk["sync_error"] = errno.EIO
        self.check(not sender.tell(story, 0), "an event was acknowledged although fdatasync fails")
        disk["sync_error"] = 0
        eventually(lambda: sender.tell(story, 0), "it is accepted again", 10)
        town.host.kill()
        self.power_fails(disk, everything=True)
        disk.clear()
        town.host.start()
        self.level()
