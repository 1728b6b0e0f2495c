import socket
import threading
import time

import harness
from fault import Fault
from town import percentile


class SlowClients(Fault):
    """Hundreds of clients that send a byte now and then: the 99th percentile of acknowledgement stays under a second."""
    name, short, long = "slow-clients", 1, 20

    def run(self):
        town, rng = self.open(), self.rng
        stop, opened, closed = threading.Event(), [0], [0]

        def drip(address):
            """Holds 30 connections that never complete a request."""
            clients = {}
            while not stop.is_set():
                for slot in range(30):
                    try:
                        if slot not in clients:
                            client = socket.socket()
                            client.bind((address, 0))
                            client.settimeout(2)
                            client.connect(("127.0.0.1", town.host.port))
                            client.sendall(b"POST /api/events/ HTTP/1.1\r\nHost: localhost\r\n"
                                           + (b"Content-Length: 1000\r\n\r\n{" if slot % 2 else b"X-Slow: "))
                            clients[slot], opened[0] = client, opened[0] + 1
                        clients[slot].sendall(b"x")
                    except OSError:
                        closed[0] += 1
                        if slot in clients:
                            clients.pop(slot).close()
                        else:
                            client.close()
                stop.wait(0.2)
            for client in clients.values():
                client.close()
        drippers = [threading.Thread(target=drip, args=(f"127.0.3.{1 + i}",)) for i in range(14)]
        for dripper in drippers:
            dripper.start()
        try:
            latencies = []
            for turn in range(self.rounds):
                senders = town.senders(rng, f"s{turn}t", 4, latencies=latencies)
                time.sleep(3 if self.is_short else 7)  # longer than the header's deadline, in the long form
                for sender in senders:
                    sender.stop()
                for sender in senders:
                    sender.ended()
                self.worst("open_connections", town.metric("calbridge_http_connections"))
                town.tell_the_rest(rng)
        finally:
            stop.set()
            for dripper in drippers:
                dripper.join()
        self.level()
        p99 = percentile(latencies, 0.99)
        self.figures.update(acknowledgements=len(latencies), p50_ms=round(percentile(latencies, 0.5) * 1000, 2),
                            p99_ms=round(p99 * 1000, 1), slow_connections=opened[0], cut_off=closed[0])
        self.check(p99 < harness.DEADLINE / 60, f"the 99th percentile of acknowledgement is {p99:.2f} s")
        self.check(self.figures["open_connections"] > 200, "too few slow clients hang on")
