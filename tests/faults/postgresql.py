import os
import subprocess
import sys

import harness
from fault import Fault, Skipped
from harness import eventually


class Server:
    """tests/postgresql/server, a throw-away cluster."""

    def __init__(self):
        script = os.path.join(harness.SOURCE, "tests", "postgresql", "server")
        if not os.path.exists(script):
            raise Skipped("there is no PostgreSQL server for tests")
        self.process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise Skipped(f"PostgreSQL is not installed (exit code {self.process.wait()})")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def ask(self, sql):
        subprocess.run(["psql", "-q", "-d", self.url, "-c", sql], check=True, capture_output=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Postgresql(Fault):
    """PostgreSQL is stopped dead and started again, and its sessions are terminated at random: back within 10 s."""
    name, short, long = "postgresql", 2, 100

    def run(self):
        server = Server()
        try:
            try:
                town, rng = self.open(overrides={"storage.url": server.tell("database")}), self.rng
            except AssertionError as problem:
                if "names no database that this program can open" in str(problem):
                    raise Skipped("this build knows SQLite only") from None
                raise
            crashes = terminated = 0
            for round in range(self.rounds):
                senders = town.senders(rng, f"g{round}t", 3)
                enough = town.journal.acknowledged + rng.randint(5, 40)
                eventually(lambda: town.journal.acknowledged > enough or not all(s.is_alive() for s in senders), "events flow")
                if round % 2:
                    server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE pid <> pg_backend_pid() AND datname <> 'postgres' AND random() < 0.5")
                    terminated += 1
                else:
                    server.tell("crash")
                    crashes += 1
                self.worst("recovery_seconds", town.until_accepted(rng, 10))
                for sender in senders:
                    sender.stop()
                for sender in senders:
                    sender.ended()
                town.tell_the_rest(rng)
                if round % 10 == 9 or round == self.rounds - 1:
                    self.level()
            self.figures.update(crashes=crashes, terminations=terminated)
            statuses = {(status, code) for _, status, code in town.refusals}
            self.check(statuses <= {(503, "store_unavailable")}, f"a dead database is told as {statuses}")
            town.host.stop()
            town.host.process = None
        finally:
            if self.town:
                self.town.host.stop()
            server.close()
