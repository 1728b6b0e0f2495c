"""On PostgreSQL only: what is said when it cannot be used, its crash, and the move of an installation from SQLite."""
import json
import os
import subprocess
import sys
import time

os.environ["CALBRIDGE_TEST_STORE"] = "postgresql"

from harness import InstallationTest, PostgresqlServer, eventually, free_port, main  # noqa: E402
import harness  # noqa: E402


class Starts(InstallationTest):
    def refused(self, *options, environment=None):
        host = self.box.host
        done = subprocess.run([host.program, *host.options, *options, "serve"], cwd=host.folder, capture_output=True,
                              text=True, env={**host.environment, **(environment or {})}, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, 3, done.stderr)
        return done.stderr

    def post(self, event):
        return self.box.app("POST", "/api/events/", json.dumps(event), {"Content-Type": "application/cloudevents+json"})

    def test_a_start_that_cannot_work_says_why_and_no_password(self):
        text = self.refused("--set", f"storage.url=postgresql://user:canary@127.0.0.1:{free_port()}/db")
        self.assertIn("Cannot open the database user@127.0.0.1", text)
        self.assertIn("Connection refused", text)
        self.assertNotIn("canary", text)
        server = PostgresqlServer.get().url
        place = server[server.index("@") + 1:]
        text = self.refused("--set", f"storage.url=postgresql://calbridge:canary@{place}")
        self.assertIn("password authentication failed", text)
        self.assertNotIn("canary", text)
        # The running host has the name of this machine; a second one needs another.
        text = self.refused("--set", "server.listen=[\"127.0.0.1:0\"]")
        self.assertIn("storage.node", text)

    def test_the_password_may_come_from_the_environment(self):
        server = PostgresqlServer.get().tell("database")
        user, rest = server.removeprefix("postgresql://").split(":", 1)
        password, place = rest.split("@", 1)
        host = self.box.host
        listed = subprocess.run([host.program, *host.options, "--set", f"storage.url=postgresql://{user}@{place}", "--set",
                                 "storage.node=elsewhere", "people", "list"], cwd=host.folder, capture_output=True, text=True,
                                env={**host.environment, "PGPASSWORD": password}, timeout=harness.DEADLINE)
        self.assertEqual(listed.returncode, 0, listed.stderr)

    def test_commands_work_beside_the_host_and_without_it(self):
        self.box.host.run("people", "add", "eve", "--name", "Eve", "--email", "eve@example.com", "--role", "customer")
        self.assertIn("eve", self.box.host.run("people", "list").stdout)
        self.box.host.stop()
        self.assertIn("eve", self.box.host.run("people", "list").stdout)
        self.box.host.start()

    def test_the_database_crashes_and_the_host_goes_on(self):
        self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        PostgresqlServer.get().tell("crash")
        began = time.monotonic()
        event = self.box.event("appointment.updated", version=2, service={"name": "After the crash"})
        eventually(lambda: self.post(event).status == 202, "events are accepted again", 10)
        eventually(lambda: "After the crash" in str(self.box.sandbox.entries("google", "john@google.example")),
                   "and delivered", 10)
        print(f"back after {time.monotonic() - began:.1f} s", file=sys.stderr)
        self.assertEqual(len(self.box.sandbox.entries("google", "john@google.example")), 1)

    def test_a_database_that_is_down_is_503_and_never_202(self):
        server = PostgresqlServer.get()
        server.tell("stop")
        try:
            event = self.box.event("order.confirmed")
            answer = self.post(event)
            self.assertEqual(answer.status, 503, answer)
            self.assertEqual(answer.json["code"], "store_unavailable")
            ready = self.box.app("GET", "/readyz")
            self.assertEqual(ready.status, 503, ready)
        finally:
            server.tell("start")
        eventually(lambda: self.box.app("GET", "/readyz").status == 200, "ready again", 10)
        ready = self.box.app("GET", "/readyz").json
        self.assertEqual([node["own"] for node in ready["nodes"]], [True])
        self.assertTrue(ready["policies_agree"])


class Move(InstallationTest):
    def setUp(self):
        harness.STORE = "sqlite"
        try:
            super().setUp()
        finally:
            harness.STORE = "postgresql"

    def test_an_installation_moves_from_sqlite_with_its_tokens_and_entries(self):
        box = self.box
        box.connect("john", "google")
        box.connect("sarah", "outlook")
        box.settled(box.send("order.confirmed"))
        box.settled(box.send("appointment.assigned"))
        to = PostgresqlServer.get().tell("database")
        refused = box.host.run("migrate-store", "sqlite:var/calbridge.db", to, check=False)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("in use by another calbridge", refused.stderr)
        box.host.stop()
        moved = box.host.run("migrate-store", "sqlite:var/calbridge.db", to)
        self.assertIn("tokens that can be read: 2 of 2", moved.stdout)
        self.assertIn("people 6\n", moved.stdout)
        self.assertIn("deliveries: ", moved.stderr)
        self.assertNotIn(to, moved.stdout + moved.stderr)
        again = box.host.run("migrate-store", "sqlite:var/calbridge.db", to, check=False)
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertIn("empty", again.stderr)

        box.host.options += ["--set", f"storage.url={to}"]
        box.host.start()
        receipt = box.settled(box.send("appointment.rescheduled", version=2, start="2031-12-02T14:00:00",
                                       end="2031-12-02T16:00:00"))
        self.assertEqual({d["person"] for d in receipt["deliveries"]}, {"john", "sarah"})
        [entry] = box.sandbox.entries("google", "john@google.example")
        self.assertTrue(entry["resource"]["start"]["dateTime"].startswith("2031-12-02T14:00:00"))
        self.assertEqual(len(box.sandbox.entries("outlook", "sarah@outlook.example")), 1)
        self.assertEqual(box.login("john")("GET", "/api/session/").status, 200)


if __name__ == "__main__":
    main()
