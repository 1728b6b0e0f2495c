"""Three hosts on one PostgreSQL: killed and paused at random, and yet every acknowledged event is in its calendar once.

The seed is printed; CALBRIDGE_TEST_SEED repeats a run's choices, CALBRIDGE_TEST_ROUNDS makes it longer.
"""
import base64
import http.client
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time

os.environ["CALBRIDGE_TEST_STORE"] = "postgresql"

from harness import Client, Host, Installation, InstallationTest, eventually, free_port, main  # noqa: E402

ROUNDS = int(os.environ.get("CALBRIDGE_TEST_ROUNDS", "3"))
SEED = int(os.environ.get("CALBRIDGE_TEST_SEED", str(random.randrange(1 << 32))))
CUSTOMERS = [f"customer-{n}" for n in range(6)]
TIMEOUT = 4  # seconds of silence after which a host loses its work


class Nodes(InstallationTest):
    # What a host that is gone had begun is said again when its request cannot act any more, so after the time of one push.
    overrides = (("storage.node", "one"), ("storage.node_timeout_seconds", TIMEOUT), ("delivery.timeout_seconds", 5))
    environment = {"CALBRIDGE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}

    def setUp(self):
        self.box = Installation(self.overrides, (), self.environment)
        self.addCleanup(self.finish)
        self.box.add_people()
        self.box.add_people([(name, name.title(), "customer", []) for name in CUSTOMERS])
        self.nodes = [self.box.host]
        for name in ("two", "three"):
            folder = os.path.join(self.box.folder, name)
            os.mkdir(folder)
            overrides = dict(self.overrides)
            overrides["storage.node"] = name
            storage = next(o.split("=", 1)[1] for o in self.box.host.options if o.startswith("storage.url="))
            node = Host(folder, self.box.sandbox.url, free_port(), overrides.items(), self.environment, storage=storage)
            node.start()
            self.addCleanup(node.stop)
            self.nodes.append(node)
        for name in CUSTOMERS:
            self.box.connect(name, "google")
        self.box.connect("sarah", "outlook")

    def post(self, node, event, timeout=10):
        """True when the event was acknowledged."""
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=timeout)
        try:
            connection.request("POST", "/api/events/", json.dumps(event), {
                "Content-Type": "application/cloudevents+json", "Authorization": "Bearer " + self.box.key})
            return connection.getresponse().status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def receipt(self, node, event_id):
        answer = Client(node.url, {"Authorization": "Bearer " + self.box.key})(
            "GET", f"/api/events/{event_id}/?source=tests")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def ready(self, node):
        return Client(node.url)("GET", "/readyz").json

    def metric(self, node, name):
        text = Client(node.url)("GET", "/metrics").body
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def test_killed_and_paused_at_random_nothing_is_lost_or_doubled(self):
        print(f"seed {SEED}, {ROUNDS} rounds", file=sys.stderr)
        choice = random.Random(SEED)
        self.box.sandbox.control("POST", "faults", {"effect": "none", "latency_ms": 20, "count": 0})
        lock, stop = threading.Lock(), threading.Event()
        acknowledged, tried = {}, {}  # appointment → versions
        events, counter = [], [0]

        def send(node, random_):
            while not stop.is_set():
                with lock:
                    counter[0] += 1
                    number = counter[0]
                    appointment = f"A-{number}" if not tried or random_.random() < 0.6 else random_.choice(list(tried))
                    customer = CUSTOMERS[int(appointment[2:]) % len(CUSTOMERS)]
                    version = len(tried.setdefault(appointment, [])) + 1
                    tried[appointment].append(version)
                event = self.box.event("order.confirmed", id=appointment, version=version,
                                       customer={"id": customer, "name": customer},
                                       service={"name": f"Clean {appointment} v{version};"})
                event["id"] = f"chaos-{number}"
                if self.post(node, event):
                    with lock:
                        acknowledged.setdefault(appointment, []).append(version)
                        events.append(event["id"])
                    stop.wait(0.03)  # every receipt is read in the end
                else:
                    stop.wait(0.2)

        threads = [threading.Thread(target=send, args=(node, random.Random(SEED + n)), daemon=True)
                   for n, node in enumerate(self.nodes)]
        for thread in threads:
            thread.start()
        for _ in range(ROUNDS):
            begun = len(events)
            eventually(lambda: len(events) >= begun + 40, "events flow")
            node = choice.choice(self.nodes)
            if choice.random() < 0.5:
                print(f"kill {self.nodes.index(node) + 1}", file=sys.stderr)
                node.kill()
                stop.wait(choice.uniform(0, 1))
                node.start()
            else:
                seconds = choice.uniform(TIMEOUT + 1, TIMEOUT + 3)
                print(f"pause {self.nodes.index(node) + 1} for {seconds:.1f} s", file=sys.stderr)
                node.process.send_signal(signal.SIGSTOP)
                stop.wait(seconds)
                node.process.send_signal(signal.SIGCONT)
        stop.set()
        for thread in threads:
            thread.join()
        self.box.sandbox.control("DELETE", "faults")

        for event in list(events):
            def settled():
                receipt = self.receipt(self.nodes[0], event)
                return receipt["state"] != "accepted" and all(d["state"] != "pending" for d in receipt["deliveries"])
            eventually(settled, f"the deliveries of {event} end")
        # One that was stored without an answer may be there too: nobody was told that it is not. It may still be on its way.
        eventually(lambda: all(self.metric(node, "calbridge_deliveries_due") == 0 for node in self.nodes), "nothing is due")
        seen = {}
        for customer in CUSTOMERS:
            for entry in self.box.sandbox.entries("google", f"{customer}@google.example"):
                appointment, version = re.search(r"Clean (A-\d+) v(\d+);", str(entry["resource"])).groups()
                self.assertNotIn(appointment, seen, "nothing doubled")
                self.assertEqual(customer, CUSTOMERS[int(appointment[2:]) % len(CUSTOMERS)], "nothing in another's calendar")
                seen[appointment] = int(version)
        for appointment, versions in acknowledged.items():
            self.assertIn(appointment, seen, "nothing lost")
            self.assertGreaterEqual(seen[appointment], max(versions), f"the newest of {appointment}")
            self.assertIn(seen[appointment], tried[appointment])
        refused = sum(self.metric(node, "calbridge_outcomes_refused_total") for node in self.nodes)
        print(f"{len(events)} acknowledged of {counter[0]}, {len(seen)} entries, {refused:.0f} late outcomes refused",
              file=sys.stderr)

    def test_a_killed_hosts_work_is_done_by_the_others(self):
        # Google hangs, so that what the host has claimed is under way when it dies.
        self.box.sandbox.control("POST", "faults", {"provider": "google", "path": "/google/calendar/*", "effect": "hang",
                                                    "hang_ms": 20000, "count": 1})
        event = self.box.event("order.confirmed", customer={"id": CUSTOMERS[0], "name": "x"})
        self.assertTrue(self.post(self.nodes[1], event))
        eventually(lambda: any("/calendar/" in r["path"] for r in self.box.sandbox.control("GET", "requests")) or
                   self.metric(self.nodes[1], "calbridge_pushes_in_flight"), "the push is under way")
        began = time.monotonic()
        self.nodes[1].kill()
        eventually(lambda: len(self.box.sandbox.entries("google", f"{CUSTOMERS[0]}@google.example")) == 1,
                   "another host delivers it")
        self.assertLess(time.monotonic() - began, 60)
        self.nodes[1].start()
        self.assertEqual(len(self.box.sandbox.entries("google", f"{CUSTOMERS[0]}@google.example")), 1)

    def test_a_token_is_refreshed_once_however_many_hosts_need_it(self):
        self.box.sandbox.control("PATCH", "settings", {"strict_rotation": True})
        for round in range(1, 6):
            self.box.sandbox.control("POST", "expire-access-tokens", {})
            self.box.sandbox.control("DELETE", "requests")
            events = []
            for n in range(6):
                event = self.box.event("appointment.assigned", id=f"B-{round}-{n}")
                self.assertTrue(self.post(self.nodes[n % 3], event))
                events.append(event["id"])
            for event in events:
                eventually(lambda: (lambda r: r["state"] != "accepted" and r["deliveries"] and
                                    all(d["state"] == "delivered" for d in r["deliveries"]))(self.receipt(self.nodes[0], event)),
                           f"{event} is delivered")
            refreshes = [r for r in self.box.sandbox.control("GET", "requests") if r["path"].endswith("/token")]
            self.assertEqual(len(refreshes), 1, refreshes)
        self.assertEqual(len(self.box.sandbox.entries("outlook", "sarah@outlook.example")), 30)

    def test_hosts_that_decide_differently_say_so(self):
        eventually(lambda: len(self.ready(self.nodes[0]).get("nodes", [])) == 3, "all see each other")
        eventually(lambda: self.ready(self.nodes[2])["policies_agree"], "they agree")
        self.assertEqual(self.metric(self.nodes[0], "calbridge_policies"), 1)
        config = os.path.join(self.nodes[2].folder, "config")
        shutil.copytree(self.nodes[2].config, config)
        path = os.path.join(config, "roles.json")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace('"busy"', '"free"', 1))
        self.nodes[2].stop()
        self.nodes[2].options[1] = config
        self.nodes[2].start()
        eventually(lambda: not self.ready(self.nodes[0])["policies_agree"], "the difference is seen")
        self.assertEqual(self.metric(self.nodes[0], "calbridge_policies"), 2)


if __name__ == "__main__":
    main()
