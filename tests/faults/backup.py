import os
import shutil
import sqlite3
import subprocess

from fault import Fault
from harness import eventually


class Backup(Fault):
    """A backup is made under load and restored elsewhere with its key: the tokens open, and the calendars become level again."""
    name, short, long = "backup", 2, 30

    def run(self):
        town, rng = self.open(), self.rng
        lost = 0
        for round in range(self.rounds):
            senders = town.senders(rng, f"b{round}t", 3)
            enough = town.journal.acknowledged + rng.randint(10, 60)
            eventually(lambda: town.journal.acknowledged > enough, "events flow")
            saved = os.path.join(town.folder, "backup")
            os.makedirs(saved, mode=0o700)
            self.save(town.database, os.path.join(saved, "calbridge.db"), ("api", "vacuum", "shell")[round % 3])
            shutil.copy2(os.path.join(os.path.dirname(town.database), "master.key"), saved)
            eventually(lambda: town.journal.acknowledged > enough + 20, "life goes on after the backup")
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            town.tell_the_rest(rng)
            self.level()
            town.host.kill()  # the machine is lost
            var = os.path.dirname(town.database)
            shutil.rmtree(var)
            os.rename(saved, var)
            town.host.run("resync", "--restored")  # the calendars are ahead of the backup
            town.host.start()
            town.line.close()
            # The application sends again what it has sent since; what the backup knows is a duplicate.
            known = 0
            for tried in list(town.journal.tried.values()):
                if tried.state == "acknowledged":
                    answer = town.line.post(tried.body)
                    self.check(answer.status == 202, f"{tried.id} sent again: {answer}")
                    known += bool(answer.json.get("duplicate"))
                    lost += not answer.json.get("duplicate")
            self.check(known, "the backup knows none of the events")
            self.worst("recovery_seconds", self.level(afresh=True))
        self.figures["events_after_the_backup"] = lost

    def save(self, database, into, how):
        """What docs/reliability.md and docs/operating.md recommend, in three ways."""
        os.close(os.open(into, os.O_CREAT | os.O_WRONLY, 0o600))
        if how == "shell":
            subprocess.run(["sqlite3", database, f".backup '{into}'"], check=True)
        else:
            source = sqlite3.connect(database)
            if how == "api":
                target = sqlite3.connect(into)
                source.backup(target, pages=64)
                target.close()
            else:
                source.execute("VACUUM INTO ?", (into,))
            source.close()
        target = sqlite3.connect(into)
        self.check(target.execute("PRAGMA integrity_check").fetchone()[0] == "ok", f"the backup ({how}) is damaged")
        target.close()
