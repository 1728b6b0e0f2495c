import os
import resource
import socket
import time

from fault import Fault
from harness import eventually


class Descriptors(Fault):
    """No file descriptors are left: it burns no processor, and accepts again within 5 s of there being some."""
    name, short, long = "descriptors", 2, 40

    def run(self):
        town, rng = self.open(overrides={"server.header_deadline_seconds": 60}), self.rng
        pid = town.host.process.pid
        town.tell(rng, "first", 20)
        for round in range(self.rounds):
            used = len(os.listdir(f"/proc/{pid}/fd"))
            town.limit(resource.RLIMIT_NOFILE, used + rng.randint(0, 4))
            clients = []
            for number in range(60):
                client = socket.socket()
                client.bind((f"127.0.1.{1 + number // 20}", 0))
                client.settimeout(5)
                client.connect(("127.0.0.1", town.host.port))
                client.sendall(b"GET /healthz HTTP/1.1\r\n")
                clients.append(client)
            senders = town.senders(rng, f"d{round}t", 2)
            cpu, began = self.cpu(pid), time.monotonic()
            time.sleep(1)  # long enough to see a loop that spins
            self.worst("cpu_share_while_exhausted", (self.cpu(pid) - cpu) / (time.monotonic() - began))
            for client in clients:
                client.close()
            town.limit(resource.RLIMIT_NOFILE, None)
            self.worst("recovery_seconds", town.until_accepted(rng, 5))
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.ended()
            town.tell_the_rest(rng)
        self.level()
        eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) < used + 40, "descriptors are given back")

    def cpu(self, pid):
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
