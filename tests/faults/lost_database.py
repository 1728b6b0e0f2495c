import os
import shutil

from fault import Fault
from harness import eventually


class LostDatabase(Fault):
    """The database's files are moved away, or replaced by a copy, while it runs: 503, until they are back."""
    name, short, long = "lost-database", 2, 40

    def run(self):
        town, rng = self.open(), self.rng
        aside = os.path.join(town.folder, "aside")
        for round in range(self.rounds):
            refused, senders = len(town.refusals), town.senders(rng, f"l{round}t", 3)
            enough = town.journal.acknowledged + 10
            eventually(lambda: town.journal.acknowledged > enough, "events flow")
            os.makedirs(aside)
            files = [town.database + end for end in ("", "-wal", "-shm") if os.path.exists(town.database + end)]
            for file in files:
                os.rename(file, os.path.join(aside, os.path.basename(file)))
                if round % 2:
                    shutil.copy(os.path.join(aside, os.path.basename(file)), file)
            eventually(lambda: len(town.refusals) > refused + 10 or not all(s.is_alive() for s in senders), "events are refused")
            before = town.journal.acknowledged
            eventually(lambda: len(town.refusals) > refused + 30 or not all(s.is_alive() for s in senders), "events are refused")
            self.check(town.journal.acknowledged == before, "an event was acknowledged although the database is gone")
            eventually(lambda: not town.ready(), "/readyz tells", 10)
            for file in files:
                os.rename(os.path.join(aside, os.path.basename(file)), file)
            os.rmdir(aside)
            self.worst("recovery_seconds", town.until_accepted(rng))
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            statuses = {(status, code) for _, status, code in town.refusals[refused:]}
            self.check(statuses <= {(503, "store_unavailable")}, f"a lost database is told as {statuses}")
            town.tell_the_rest(rng)
            self.level()
