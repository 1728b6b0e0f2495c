import subprocess

from fault import Fault
from harness import eventually, free_port


class TwoHosts(Fault):
    """Several hosts are started on one SQLite file: one serves, the others say who has it, and end with 3."""
    name, short, long = "two-hosts", 2, 30

    def run(self):
        town, rng = self.open(), self.rng
        refused = 0
        for round in range(self.rounds):
            town.tell(rng, f"h{round}s", 20)
            if round % 2 == 0:  # all at the same moment
                town.host.stop()
                town.host.process = None
            others = []
            for _ in range(4):
                options = [f'server.listen=["127.0.0.1:{free_port()}"]' if o.startswith("server.listen=") else o
                           for o in town.host.options]
                others.append(subprocess.Popen([town.host.program, *options, "serve"], cwd=town.folder, text=True,
                                               env=town.host.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            running = others if round % 2 == 0 else []
            eventually(lambda: sum(o.poll() is None for o in others) <= bool(running), "the others end")
            for other in others:
                if other.poll() is None:
                    self.check("ready" in other.stdout.readline(), "the one that has the database serves")
                    other.terminate()
                    other.communicate()
                    self.check(other.returncode == 0, f"it ended with {other.returncode}")
                    continue
                refused += 1
                said = other.communicate()[1]
                self.check(other.returncode == 3 and "in use by another calbridge (pid" in said,
                           f"a second host ended with {other.returncode} and said: {said[-500:]}")
            if round % 2 == 0:
                town.host.start()
        self.level()
        self.figures["refused"] = refused
