import os
import time

from fault import Fault

SECTOR = 512


class PowerFailure(Fault):
    """The power fails: of what was not synced, each sector may or may not be on the disk afterwards."""
    name, short, long = "power-failure", 4, 200

    def run(self):
        town, rng = self.open(sandbox_options=("--no-limits", "--no-log")), self.rng
        disk = town.faulty_disk()
        town.host.stop()
        undone = 0
        for round in range(self.rounds):
            disk.clear()
            self.on_disk(disk)
            disk["keep_synced"] = 1
            town.host.start()
            senders = town.senders(rng, f"p{round}t", 3)
            enough = town.journal.acknowledged + rng.randint(1, 80)
            while town.journal.acknowledged < enough and all(s.is_alive() for s in senders):
                time.sleep(0.001)
            town.host.kill()
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            undone += self.power_fails(disk, everything=round % 2 == 0)
            if round % 10 == 9 or round == self.rounds - 1:
                disk.clear()
                self.on_disk(disk)
                town.host.start()
                town.tell_the_rest(rng)
                self.worst("recovery_seconds", self.level(afresh=True))
                town.host.stop()
        self.figures["sectors_undone"] = undone
        town.host.start()

    def files(self, disk):
        for name in (self.town.database, self.town.database + "-wal"):
            yield name, f"{disk.path}.{os.path.basename(name)}"

    def on_disk(self, disk):
        """What is there when the host starts has been there for long."""
        for name, synced in self.files(disk):
            if os.path.exists(name):
                with open(name, "rb") as source, open(synced, "wb") as target:
                    target.write(source.read())
            elif os.path.exists(synced):
                os.unlink(synced)

    def power_fails(self, disk, everything):
        """Undoes what was not synced: all of it, or sectors by chance; returns how many."""
        undone = 0
        for name, kept in self.files(disk):
            if not os.path.exists(name):
                continue
            with open(name, "rb") as file:
                now = file.read()
            synced = b""
            if os.path.exists(kept):
                with open(kept, "rb") as file:
                    synced = file.read()
            if everything:
                undone += sum(now[i:i + SECTOR] != synced[i:i + SECTOR] for i in range(0, len(now), SECTOR))
                after = synced
            else:
                after = bytearray(now[:self.rng.choice((len(now), max(len(synced), len(now) // SECTOR // 2 * SECTOR)))])
                for i in range(0, len(after), SECTOR):
                    if after[i:i + SECTOR] != synced[i:i + SECTOR] and self.rng.random() < 0.5:
                        old = synced[i:i + SECTOR]
                        after[i:i + SECTOR] = old + bytes(len(after[i:i + SECTOR]) - len(old))
                        undone += 1
            with open(name, "wb") as file:
                file.write(after)
        if os.path.exists(self.town.database + "-shm"):
            os.unlink(self.town.database + "-shm")
        return undone
