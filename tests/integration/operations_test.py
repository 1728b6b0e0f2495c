"""The program as an operator meets it."""
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from harness import APPOINTMENT, Client, Host, InstallationTest, SOURCE, eventually, free_port, main


class Operations(InstallationTest):
    def test_health_readiness_metrics_and_the_api_document(self):
        anyone = Client(self.box.host.url)
        self.assertEqual(anyone("GET", "/healthz").json, {"status": "ok"})
        self.assertEqual(anyone("GET", "/readyz/").json["status"], "ready")
        self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        metrics = anyone("GET", "/metrics").body
        for line in ("calbridge_events_accepted_total 1", 'calbridge_deliveries_total{provider="google",outcome="delivered"} 1',
                     "calbridge_deliveries_due 0"):
            self.assertIn(line, metrics)
        self.assertEqual(anyone("GET", "/api/openapi.json").json["openapi"], "3.1.0")

    def test_commands_work_while_the_host_runs_and_when_it_does_not(self):
        host = self.box.host
        host.run("people", "add", "eve", "--name", "Eve", "--email", "eve@example.com", "--role", "staff", "--team", "north", "--team", "south")
        host.run("people", "set-password", "eve", input="password of eve\n")
        self.box.login("eve")
        key = host.run("app-keys", "create", "second").stdout.strip()
        client = Client(host.url, {"Authorization": "Bearer " + key})
        self.assertEqual(client("GET", "/api/people/eve/").json["teams"], ["north", "south"])
        host.run("app-keys", "revoke", "second")
        eventually(lambda: client("GET", "/api/people/eve/").status == 401, "a revoked key is dead within a second")
        self.box.host.stop()
        self.assertIn("eve", host.run("people", "list").stdout)
        host.run("people", "add", "zoe", "--name", "Zoe", "--email", "zoe@example.com", "--role", "staff")
        wrong = host.run("people", "add", "bad", "--name", "B", "--email", "b@example.com", "--role", "astronaut", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("astronaut", wrong.stderr)
        host.start()
        self.assertEqual(self.box.app("GET", "/api/people/zoe/").status, 200)

    def test_a_second_host_on_the_same_database_refuses(self):
        second = Host(self.box.folder, self.box.sandbox.url, free_port())
        done = second.run("serve", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("in use by another calbridge", done.stderr)

    def test_port_0_listens_somewhere_and_its_own_pages_may_write(self):
        with tempfile.TemporaryDirectory() as folder:
            host = Host(folder, self.box.sandbox.url, 0, {"server.public_url": "http://calendar.example",
                                                          "server.frontend_url": "http://calendar.example",
                                                          "server.allowed_origins": "[]"}).start()
            try:
                url = re.search(r"listening=http://127\.0\.0\.1:(\d+)", host.log())
                self.assertIsNotNone(url, host.log())
                anyone = Client(f"http://127.0.0.1:{url[1]}")
                login = {"email": "john@example.com", "password": "wrong horse"}
                for origin, status in ((f"http://127.0.0.1:{url[1]}", 401), (f"http://localhost:{url[1]}", 401),
                                       ("http://127.0.0.1:0", 403), (f"http://127.0.0.1:{self.box.host.port}", 403)):
                    self.assertEqual(anyone("POST", "/api/session/", login, {"Origin": origin}).status, status, origin)
            finally:
                self.assertEqual(host.stop(), 0)

    def test_a_taken_port_is_said_clearly_and_leaves_nothing_behind(self):
        with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            host = Host(folder, self.box.sandbox.url, taken.getsockname()[1])
            done = host.run("serve", check=False)
            self.assertEqual(done.returncode, 3)
            self.assertIn("address already in use", done.stderr.lower())

    def test_a_provider_without_credentials_is_not_configured_and_the_rest_works(self):
        self.box.host.stop()
        del self.box.host.environment["OUTLOOK_CLIENT_SECRET"]
        self.box.host.start()
        john = self.box.connect("john", "google")
        self.assertFalse(self.box.status(john, "outlook")["configured"])
        answer = john("POST", "/api/calendar/outlook/connect/")
        self.assertEqual((answer.status, answer.json["code"]), (503, "provider_not_configured"))

    def test_sighup_takes_new_policies_and_keeps_the_old_ones_when_the_new_are_broken(self):
        self.box.host.stop()
        config = os.path.join(self.box.folder, "config")
        shutil.copytree(os.path.join(SOURCE, "config"), config)
        self.box.host.options[1] = config
        self.box.host.start()
        self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        roles = os.path.join(config, "roles.json")
        with open(roles) as file:
            good = file.read()
        with open(roles, "w") as file:
            file.write(good.replace("{", "{ broken", 1))
        self.box.host.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the old ones stay" in self.box.host.log(), "the error is logged")
        self.assertIn("roles.json", self.box.host.log())
        with open(roles, "w") as file:
            file.write(good.replace("Deep", "Deep").replace('"title": "', '"title": "Booked: ', 1))
        self.box.host.process.send_signal(signal.SIGHUP)
        eventually(lambda: "Booked: " in str(self.box.sandbox.entries("google", "john@google.example")),
                   "existing entries get the new wording")

    def test_a_slip_in_the_routes_empties_no_calendar_until_somebody_confirms_it(self):
        self.box.host.stop()
        config = os.path.join(self.box.folder, "config")
        shutil.copytree(os.path.join(SOURCE, "config"), config)
        self.box.host.options[1] = config
        self.box.host.options += ["--set", "delivery.deletion_brake.at_least=5"]
        self.box.host.start()
        self.assertIn("no removals are held back", self.box.host.run("resync", "--confirm-removals").stdout)
        self.box.connect("john", "google")
        last = [self.box.send("order.confirmed", dict(APPOINTMENT, id=f"A-{i}")) for i in range(8)][-1]
        self.box.settled(last)
        eventually(lambda: len(self.box.sandbox.entries("google", "john@google.example")) == 8, "John has all eight")
        routes = os.path.join(config, "routing.json")
        with open(routes) as file:
            good = file.read()
        with open(routes, "w") as file:
            file.write(good.replace('"audience": "customer"', '"audience": { "role": "admin" }', 1))
        self.box.host.process.send_signal(signal.SIGHUP)
        eventually(lambda: "calbridge_removals_held 8\n" in self.box.app("GET", "/metrics").body, "all eight are held back")
        self.assertIn("calbridge resync --confirm-removals", self.box.host.log())
        self.assertEqual(len(self.box.sandbox.entries("google", "john@google.example")), 8)

        # A second look, after a restart, holds them just the same.
        self.box.host.stop()
        self.box.host.start()
        eventually(lambda: "calbridge_removals_held 8\n" in self.box.app("GET", "/metrics").body, "they are held again")
        self.assertEqual(len(self.box.sandbox.entries("google", "john@google.example")), 8)

        self.assertIn("8 of 16 open entries are removed now", self.box.host.run("resync", "--confirm-removals").stdout)
        eventually(lambda: not self.box.sandbox.entries("google", "john@google.example"), "the entries go away")
        eventually(lambda: "calbridge_removals_held 0\n" in self.box.app("GET", "/metrics").body, "nothing is held any more")

    def test_explain_says_who_gets_what_and_changes_nothing(self):
        path = os.path.join(self.box.folder, "event.json")
        with open(path, "w") as file:
            json.dump(self.box.event("appointment.assigned"), file)
        text = self.box.host.run("explain", path).stdout
        for word in ("sarah", "mia", "John Smith"):
            self.assertIn(word, text)
        document = json.loads(self.box.host.run("explain", "--json", path).stdout)
        self.assertIn("sarah", json.dumps(document))
        self.assertEqual(self.box.app("GET", "/api/events/evt-1/?source=tests").status, 404)
        self.box.host.stop()
        self.assertIn("sarah", self.box.host.run("explain", path).stdout)

    def test_check_reports_every_problem_and_plugins_can_be_looked_at(self):
        self.assertEqual(self.box.host.run("check").returncode, 0)
        wrong = self.box.host.run("check", "--set", "server.listn=1", "--set", "providers.google.settings.api_url=5", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("--set server.listn", wrong.stdout)
        missing = self.box.host.run("check", "--set", "providers.google.plugin=nosuchplugin", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("nosuchplugin", missing.stdout)
        listed = self.box.host.run("plugins", "list").stdout
        for name in ("google", "outlook", "ics"):
            self.assertIn(name, listed)
        manifest = self.box.host.run("plugins", "inspect", "google", "--json").stdout
        self.assertIn("oauth2", manifest)
        corrupt = os.path.join(self.box.folder, "libcorrupt.so")
        with open(corrupt, "wb") as file:
            file.write(b"\x7fELF but not really")
        broken = self.box.host.run("plugins", "inspect", corrupt, check=False)
        self.assertNotEqual(broken.returncode, 0)
        self.assertIn("corrupt", broken.stdout + broken.stderr)

    def test_usage_errors_exit_with_2_and_help_with_0(self):
        self.assertEqual(self.box.host.run("no-such-command", check=False).returncode, 2)
        self.assertEqual(self.box.host.run("people", "add", check=False).returncode, 2)
        self.assertEqual(self.box.host.run("--help").returncode, 0)
        self.assertIn("1.0.0", self.box.host.run("--version").stdout)

    def test_a_database_of_a_newer_version_is_refused(self):
        self.box.host.stop()
        def set_version(version):
            database = sqlite3.connect(self.box.folder + "/var/calbridge.db")
            before = database.execute("PRAGMA user_version").fetchone()[0]
            database.execute(f"PRAGMA user_version = {version}")
            database.close()
            return before

        before = set_version(999)
        done = self.box.host.run("serve", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("newer version", done.stderr)
        self.assertEqual(set_version(before), 999, "nothing was changed")
        self.box.host.start()

    def test_resync_checks_everything_again_and_shows_progress(self):
        self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        [entry] = self.box.sandbox.entries("google", "john@google.example")
        self.box.sandbox.control("DELETE", f"google/accounts/john@google.example/events/{entry['id']}")
        done = self.box.host.run("resync", "--role", "customer")
        self.assertIn("1 entries of 1 people", done.stdout)
        self.assertIn("1 of 1 people", done.stderr)
        eventually(lambda: len(self.box.sandbox.entries("google", "john@google.example")) == 1, "the entry is back")
        self.assertEqual(self.box.host.run("resync", "--person", "nobody", check=False).returncode, 1)

    def test_a_restored_database_is_declared_before_the_host_starts_and_entries_are_looked_for_first(self):
        self.box.connect("john", "outlook")
        refused = self.box.host.run("resync", "--restored", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("stop it, run this again, then start it", refused.stderr)
        self.box.host.stop()
        self.assertIn("looked for", self.box.host.run("resync", "--restored").stdout)
        self.box.host.start()
        self.box.settled(self.box.send("order.confirmed"))
        asked = [seen["method"] for seen in self.box.sandbox.control("GET", "requests") if "/me/events" in seen["path"]]
        self.assertEqual(asked, ["GET", "POST"])

    def test_common_options_work_before_and_after_the_command(self):
        program, options = self.box.host.program, self.box.host.options
        done = subprocess.run([program, "people", "list", "--json", *options], cwd=self.box.folder,
                              env=self.box.host.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(json.loads(done.stdout)), 6)

    def test_the_configured_labels_are_shown(self):
        john = self.box.login("john")
        self.assertEqual([self.box.status(john, p)["label"] for p in ("google", "outlook", "ics")],
                         ["Google Calendar", "Outlook", "Apple Calendar (.ics)"])

    def test_jwts_of_the_application_are_people(self):
        self.box.host.stop()
        secret = "a secret of the application, long enough"
        self.box.host.environment["CALBRIDGE_JWT_SECRET"] = secret
        self.box.host.start()
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        def token(claims, key=secret):
            text = encode(b'{"alg":"HS256","typ":"JWT"}') + "." + encode(json.dumps(claims).encode())
            return text + "." + encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())

        def status(jwt):
            return Client(self.box.host.url, {"Authorization": "Bearer " + jwt})("GET", "/api/calendar/status/").status

        soon = int(time.time()) + 600
        self.assertEqual(status(token({"sub": "john", "exp": soon})), 200)
        for wrong in ({"sub": "john"}, {"sub": "john", "exp": soon - 1200}, {"sub": "nobody", "exp": soon}):
            self.assertEqual(status(token(wrong)), 401, wrong)
        self.assertEqual(status(token({"sub": "john", "exp": soon}, "another secret of somebody else, also long")), 401)

    def test_bulk_sync_by_an_admin_shows_progress(self):
        ada = self.box.connect("ada", "google")
        self.box.settled(self.box.send("appointment.created"))
        job = ada("POST", "/api/calendar/sync-bulk/", {"role": "admin"})
        self.assertEqual(job.status, 202, job)
        done = eventually(lambda: (lambda j: j if j["state"] == "done" else None)(ada("GET", job.json["progress_url"]).json), "the job ends")
        self.assertEqual((done["people"], done["done"], done["queued"]), (1, 1, 1))
        self.assertEqual(ada("POST", "/api/calendar/sync-bulk/", {"people": ["nobody"]}).json["pointer"], "/people/0")

    def test_bad_input_gets_a_clear_error(self):
        app = self.box.app
        cases = [
            ("PUT", "/api/people/x/", {"name": "X", "email": "x@example.com", "role": "astronaut"}, 400, "unknown_role", "/role"),
            ("PUT", "/api/people/x/", {"name": "X", "email": "x", "role": "staff"}, 400, "invalid_field", "/email"),
            ("PUT", "/api/people/x/", {"name": "X", "email": "x@example.com", "role": "staff", "colour": 1}, 400, "invalid_field", "/colour"),
            ("PUT", "/api/people/x/", {"name": "X", "email": "x@example.com", "role": "staff", "timezone": "Mars"}, 400, "invalid_field", "/timezone"),
            ("PUT", "/api/people/x/", {"name": "X", "email": "x@example.com", "role": "staff", "password": "short"}, 400, "invalid_password", "/password"),
            ("POST", "/api/events/", {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {}}, 400, "invalid_event", "/data"),
            ("POST", "/api/nothing/", {}, 404, "not_found", None),
            ("DELETE", "/api/events/", None, 405, "method_not_allowed", None),
        ]
        for method, path, body, status, code, pointer in cases:
            answer = app(method, path, body)
            self.assertEqual((answer.status, answer.json["code"], answer.json.get("pointer")), (status, code, pointer), answer)
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(app("POST", "/api/events/", "{", {"Content-Type": "application/cloudevents+json"}).json["code"], "invalid_json")
        self.assertEqual(app("POST", "/api/events/", "x", {"Content-Type": "text/plain"}).status, 415)
        self.assertEqual(Client(self.box.host.url, {"Authorization": "Bearer cbk_wrong"})("POST", "/api/events/", {}).status, 401)
        self.assertEqual(app("POST", "/api/events/", "[" * 100, {"Content-Type": "application/cloudevents+json"}).status, 400)
        self.assertEqual(app("POST", "/api/events/", " " * (1 << 20) + "{}", {"Content-Type": "application/cloudevents+json"}).status, 413)

    def test_secrets_are_in_no_log_line_and_in_no_file(self):
        john = self.box.connect("john", "google")
        mia, feed = self.box.connect_feed("mia")
        self.box.settled(self.box.send("order.confirmed"))
        mia("GET", feed)
        self.box.host.stop()
        log = self.box.host.log()
        files = b""
        for name in os.listdir(self.box.folder + "/var"):
            path = os.path.join(self.box.folder, "var", name)
            if os.path.isfile(path) and name != "master.key":
                with open(path, "rb") as file:
                    files += file.read()
        account = self.box.sandbox.control("GET", "google/accounts/john@google.example")
        secrets = [self.box.key, feed.rsplit("/", 1)[1].removesuffix(".ics"), "password of john", "sandbox-google-secret",
                   john.cookies["calbridge_session"], john.cookies["calbridge_flow"]]
        secrets += [t if isinstance(t, str) else t.get("token", "") for t in account.get("refresh_tokens", [])]
        for secret in filter(None, secrets):
            self.assertNotIn(secret, log)
            self.assertNotIn(secret.encode(), files)


if __name__ == "__main__":
    main()
