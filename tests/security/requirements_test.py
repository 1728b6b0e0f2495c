"""Each security requirement as a test over the real host: what a stranger, a curious person, a thief of the disk or an
operator of another service would try."""
import base64
import contextlib
import glob
import hashlib
import html.parser
import http.client
import http.server
import json
import os
import re
import resource
import secrets
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import sealed
from harness import BINARY, DEADLINE, SOURCE, Client, Host, Installation, eventually, free_port, main

ROWS = 10000  # of a rotation
MALICIOUS = "x\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1M\nEND:VALARM"


class Listener(http.server.ThreadingHTTPServer):
    """A host that must hear nothing."""

    def __init__(self):
        heard = self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                heard.append((self.command, self.path, dict(self.headers)))
                self.send_response(204)
                self.end_headers()
            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


def end(box):
    """Stops the installation; whatever the tests did, the host has to end well."""
    code = box.close()
    assert code in (0, None), f"the host ended with {code}"  # None: the test had stopped it


def database(box):
    return os.path.join(box.folder, "var", "calbridge.db")


def query(box, sql, *values):
    with contextlib.closing(sqlite3.connect(database(box), timeout=30)) as db:
        return db.execute(sql, values).fetchall()


def master_key(box):
    with open(os.path.join(box.folder, "var", "master.key")) as file:
        return base64.b64decode(file.read())


def sealed_rows(box):
    return query(box, "SELECT id, person_id, provider, sealed FROM connections WHERE length(sealed) > 0 ORDER BY id")


def opens(key, row):
    try:
        return bool(sealed.tokens(key, row))
    except sealed.NotAuthentic:
        return False


def raw(port, text, source="127.0.0.1", wait=10):
    """Everything that the host answers to these bytes until it closes."""
    with socket.socket() as client:
        client.settimeout(wait)
        client.bind((source, 0))
        client.connect(("127.0.0.1", port))
        answer = b""
        with contextlib.suppress(ConnectionError):  # a refusal may come, and the end with it, before all was sent
            client.sendall(text)
        with contextlib.suppress(ConnectionError):
            while part := client.recv(65536):
                answer += part
        return answer


class Shared(unittest.TestCase):
    """One installation, with debug logs, for all tests that leave it as it was."""
    @classmethod
    def setUpClass(cls):
        cls.box = Installation([("logging.level", "debug")])
        cls.addClassCleanup(end, cls.box)
        cls.box.add_people()

    def page(self, **query):
        return f"{self.box.host.url}/settings/calendar?" + urllib.parse.urlencode(query)

    def consent(self, client, provider, account):
        """A started flow, allowed by the person: the consent's parameters and the callback's."""
        self.box.sandbox.control("POST", "authorize", {"provider": provider, "account": account})
        url = urllib.parse.urlsplit(client("POST", f"/api/calendar/{provider}/connect/").json["authorization_url"])
        back = Client(self.box.sandbox.url)("GET", url.path + "?" + url.query).headers["location"]
        return dict(urllib.parse.parse_qsl(url.query)), urllib.parse.urlsplit(back)

    def used_up(self, path):
        """Has every fault of that path been met?"""
        faults = self.box.sandbox.control("GET", "faults")
        faults = faults["faults"] if isinstance(faults, dict) else faults
        return not [f for f in faults if f["path"] == path and f["hits"] < f["count"]]

    def token_calls(self):
        return str(self.box.sandbox.control("GET", "requests")).count("/token")

    def test_requirement_01_pkce_and_a_state_that_works_once_for_one_person_browser_and_provider(self):
        john = self.box.login("john")
        asked, back = self.consent(john, "google", "john@google.example")
        self.assertEqual(asked["code_challenge_method"], "S256")
        self.assertRegex(asked["code_challenge"], r"^[\w-]{43}$")
        self.assertGreaterEqual(len(base64.urlsafe_b64decode(asked["state"] + "==")) * 8, 256)
        again, _ = self.consent(john, "google", "john@google.example")
        self.assertNotIn(asked["state"], (again["state"], asked["code_challenge"]))
        self.assertNotEqual(asked["code_challenge"], again["code_challenge"])
        minutes = query(self.box, "SELECT max(expires_at - created_at) FROM oauth_states")[0][0] / 60000
        self.assertEqual(minutes, 10)
        self.assertEqual(query(self.box, "SELECT count(*) FROM oauth_states WHERE state_hash = ?", asked["state"]), [(0,)])

        code = dict(urllib.parse.parse_qsl(back.query))["code"]
        exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": asked["redirect_uri"],
                    "client_id": "sandbox-google-client", "client_secret": "sandbox-google-secret",
                    "code_verifier": secrets.token_urlsafe(32)}
        refused = Client(self.box.sandbox.url)("POST", "/google/token", urllib.parse.urlencode(exchange),
                                               {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual((refused.status, refused.json["error"]), (400, "invalid_grant"), "another verifier is refused")

        asked, back = self.consent(john, "google", "john@google.example")
        before, mismatch = self.token_calls(), self.page(error="state_mismatch", provider="google")
        path = "/api/calendar/google/callback/?"
        self.assertEqual(Client(self.box.host.url)("GET", path + back.query).headers["location"], mismatch, "another browser")
        asked, back = self.consent(john, "google", "john@google.example")
        self.assertEqual(john("GET", path + "code=x").headers["location"], mismatch, "no state")
        self.assertEqual(john("GET", path + "code=x&state=" + "A" * 43).headers["location"], mismatch, "made-up state")
        self.assertEqual(john("GET", "/api/calendar/outlook/callback/?" + back.query).headers["location"],
                         self.page(error="state_mismatch", provider="outlook"), "the other provider's callback")
        asked, back = self.consent(john, "google", "john@google.example")
        sarah = self.box.login("sarah")
        self.assertEqual(sarah("GET", path + back.query).headers["location"], mismatch, "another person's browser")
        self.assertEqual(self.token_calls(), before, "no code was exchanged")
        asked, back = self.consent(john, "google", "john@google.example")
        self.assertEqual(john("GET", path + back.query).headers["location"], self.page(connected="google"))
        calls = self.token_calls()
        self.assertEqual(john("GET", path + back.query).headers["location"], mismatch, "replayed")
        self.assertEqual(self.token_calls(), calls)
        john("POST", "/api/calendar/google/disconnect/", {"events": "keep"})

    def test_requirement_02_redirects_come_from_the_configuration_whatever_the_request_says(self):
        john = self.box.login("john")
        for header in ({"Host": "evil.example"}, {"Host": f"localhost:{self.box.host.port}", "X-Forwarded-Host": "evil.example"},
                       {"Host": "evil.example", "Forwarded": "host=evil.example;proto=https"}):
            with self.subTest(header=header):
                answer = john("POST", "/api/calendar/google/connect/?redirect_uri=https://evil.example/", None, header)
                self.assertEqual(answer.status, 200, answer)
                asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.json["authorization_url"]).query))
                self.assertEqual(asked["redirect_uri"], f"{self.box.host.url}/api/calendar/google/callback/")
                feed = john("POST", "/api/calendar/ics/connect/", None, header).json["feed_url"]
                self.assertTrue(feed.startswith(self.box.host.url + "/"), feed)
                for path in ("/api/calendar/google/callback/?state=x&next=https://evil.example/&redirect=//evil.example",
                             "/login?next=//evil.example", "//evil.example", "/settings/?return=//evil.example", "/"):
                    location = Client(self.box.host.url)("GET", path, None, header).headers.get("location", "/")
                    self.assertTrue(location.startswith((self.box.host.url + "/", "/")) and not location.startswith("//"), location)
        form = urllib.parse.urlencode({"email": "john@example.com", "password": "password of john", "next": "//evil.example"})
        answer = Client(self.box.host.url)("POST", "/login?next=//evil.example", form,
                                           {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/settings/calendar"))

    def test_requirement_03_cookies_are_strict_and_cross_site_posts_refused(self):
        login = {"email": "john@example.com", "password": "password of john"}
        fresh = Client(self.box.host.url)
        cookie = fresh("POST", "/api/session/", login).headers["set-cookie"]
        flow = fresh("POST", "/api/calendar/google/connect/").headers["set-cookie"]
        for value in (cookie, flow):
            self.assertRegex(value, "; HttpOnly")
            self.assertRegex(value, "; SameSite=Lax")
            self.assertNotIn("Secure", value, "the public URL is http here")
        secure_port = free_port()
        with contextlib.ExitStack() as last:
            folder = os.path.join(self.box.folder, "https")
            os.mkdir(folder)
            host = Host(folder, self.box.sandbox.url, secure_port, [("server.public_url", "https://calendar.example"),
                                                                    ("server.frontend_url", "https://calendar.example"),
                                                                    ("server.allowed_origins", "[]")])
            host.run("people", "add", "john", "--name", "John", "--email", "john@example.com", "--role", "customer")
            host.run("people", "set-password", "john", input="password of john\n")
            last.callback(host.stop)
            host.start()
            over_https = Client(host.url)
            for value in (over_https("POST", "/api/session/", login).headers["set-cookie"],
                          over_https("POST", "/api/calendar/google/connect/").headers["set-cookie"]):
                self.assertRegex(value, "; Secure")
        routes = [("POST", "/api/calendar/sync/", None), ("POST", "/api/calendar/google/connect/", None),
                  ("POST", "/api/calendar/google/disconnect/", {}), ("DELETE", "/api/session/", None),
                  ("POST", "/api/calendar/events/", {"title": "x", "start": "2031-05-01", "end": "2031-05-02"}),
                  ("PATCH", "/api/calendar/events/x/", {"title": "x"}), ("DELETE", "/api/calendar/events/x/", None),
                  ("POST", "/logout", None), ("POST", "/login", None), ("POST", "/api/session/", login)]
        for header in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                       {"Sec-Fetch-Site": "same-site"}, {"Referer": "https://evil.example/page"}):
            for method, path, body in routes:
                with self.subTest(header=header, route=path):
                    self.assertEqual(fresh(method, path, body, header).status, 403)
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.box.host.url}
        for body in ("", "form_token=", "form_token=" + "A" * 43):
            self.assertEqual(fresh("POST", "/logout", body, form).status, 403, "a form without its token")
        self.assertEqual(fresh("GET", "/api/session/").status, 200, "and the session lives")

    def test_requirement_04_nobody_reaches_what_is_anothers_and_started_flows_are_bounded(self):
        john, omar = self.box.login("john"), self.box.login("omar")
        own = {"title": "Secret of john", "start": "2031-05-01T09:00:00", "end": "2031-05-01T10:00:00", "timezone": "UTC"}
        entry = john("POST", "/api/calendar/events/", own).json["id"]
        # Who may ask, and that the wrong one learns nothing: over the document, so that a new route cannot escape. That
        # no identifier leads anywhere on any path, and that each route answers about oneself alone: openapi_test.py.
        taught = {"id": entry, "appointment_id": entry, "job": entry, "provider": "google", "secret": "A" * 43}
        bodies = {"title": "x", "start": "2031-05-01", "end": "2031-05-02", "people": ["john"], "events": "keep",
                  "name": "x", "email": "x@example.com", "role": "admin", "timezone": "UTC", "teams": []}
        of_john = lambda: [{k: v for k, v in e.items() if k != "deliveries"} for e in john("GET", "/api/calendar/events/").json["events"]]
        before = of_john()
        tried = 0
        for path, methods in john("GET", "/api/openapi.json").json["paths"].items():
            self.assertLessEqual(set(re.findall(r"\{(\w+)\}", path)), set(taught), f"a parameter of {path} that this test does not know")
            target = re.sub(r"\{(\w+)\}", lambda m: taught[m[1]], path)
            for method, operation in methods.items():
                schemes = {scheme for alternative in operation["security"] for scheme in alternative}
                body = bodies if method in ("post", "put", "patch") else None
                if not schemes:
                    continue  # open to all; what that is stands in the list below
                tried += 1
                wrong = {401: [Client(self.box.host.url), Client(self.box.host.url, {"Authorization": "Bearer cbk_" + "A" * 43}),
                               Client(self.box.host.url, {"Cookie": "calbridge_session=" + "A" * 43})],
                         403: [omar] if "appKey" in schemes else [self.box.app]}
                for status, clients in wrong.items():
                    for client in clients:
                        answer = client(method.upper(), target, body)
                        with self.subTest(operation=f"{method} {path}", expected=status):
                            self.assertEqual(answer.status, status, answer)
                            self.assertNotIn("john", answer.body.replace(target, "").lower())
                if "id" in path and "appKey" not in schemes and {"id", "appointment_id"} & set(re.findall(r"\{(\w+)\}", path)):
                    with self.subTest(operation=f"{method} {path}", expected=404):
                        self.assertEqual(omar(method.upper(), target, {"title": "x"} if body else None).status, 404)
        self.assertGreaterEqual(tried, 17)
        self.assertEqual(of_john(), before, "nothing of john's has changed")
        self.assertEqual({(m, p) for p, ms in john("GET", "/api/openapi.json").json["paths"].items() for m, o in ms.items()
                          if not o["security"]},
                         {("post", "/api/session/"), ("delete", "/api/session/"), ("get", "/api/calendar/{provider}/callback/"),
                          ("get", "/api/calendar/feed/{secret}.ics"), ("get", "/api/calendar/unsubscribe/{secret}/"),
                          ("post", "/api/calendar/unsubscribe/{secret}/"), ("get", "/healthz"), ("get", "/readyz"), ("get", "/metrics"),
                          ("get", "/api/openapi.json")}, "what is open to all was decided one by one")
        for path in ("/api/calendar/connections/", "/api/audit/", "/api/audit/?person=john", "/api/calendar/sync-bulk/x/"):
            self.assertEqual(john("GET", path).status, 403, "for admins alone")
        self.assertNotIn("Secret of john", omar("GET", "/api/calendar/events/").body)

        rows = lambda: query(self.box, "SELECT count(*) FROM oauth_states")[0][0]
        before = rows()
        nobody = Client(self.box.host.url)
        for _ in range(200):
            self.assertEqual(nobody("POST", "/api/calendar/google/connect/").status, 401)
        self.assertEqual(rows(), before, "who is not known starts no flow")
        clients = [self.box.login("john") for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:  # 1,200: more than may stay
            for answer in pool.map(lambda i: clients[i % 4]("POST", "/api/calendar/google/connect/").status, range(1200)):
                self.assertEqual(answer, 200)
        self.assertLessEqual(rows(), 1000)
        self.assertGreater(rows(), 900, "and they are the newest")

    def test_requirement_06_no_secret_is_in_a_log_at_any_level(self):
        box = self.box
        john = box.connect("john", "google", "log@google.example")
        _, feed = box.connect_feed("john")
        Client(box.host.url)("GET", feed)
        _, back = self.consent(john, "google", "log@google.example")
        john("GET", back.path + "?" + back.query)
        box.sandbox.control("POST", "expire-access-tokens", {"provider": "google"})
        john("POST", "/api/calendar/events/", {"title": "Log", "start": "2031-05-01", "end": "2031-05-02"})
        eventually(lambda: "Log" in box.titles_of("google", "log@google.example"), "the entry arrives")
        Client(box.host.url)("POST", "/api/session/", {"email": "john@example.com", "password": "wrong-canary-password"})
        Client(box.host.url, {"Authorization": "Bearer cbk_wrong-canary-key"})("GET", "/api/people/john/")
        john("GET", "/api/calendar/google/callback/?code=canary-code&state=canary-state")
        key = master_key(box)
        found = {"wrong-canary-password", "cbk_wrong-canary-key", "canary-code", "canary-state", "password of john", box.key,
                 base64.b64encode(key).decode(), key.hex(), feed.split("/")[-1].removesuffix(".ics"),
                 "sandbox-google-secret", *john.cookies.values(), *dict(urllib.parse.parse_qsl(back.query)).values()}
        found.discard("calendar")  # the scope, if it is among the callback's parameters
        for row in sealed_rows(box):
            opened = sealed.tokens(key, row)
            found |= {opened["access_token"], opened["refresh_token"]}
        log = box.host.log()
        self.assertRegex(log, "debug", "the log is at its most talkative")
        self.assertIn("calendar connected", log)
        for secret in found:
            if len(secret) > 7 and "://" not in secret and "@" not in secret:
                with self.subTest(secret=secret[:6] + "…"):
                    self.assertNotIn(secret, log)
                    self.assertNotIn(urllib.parse.quote(secret, safe=""), log)
        self.assertNotRegex(log, r"(?i)INSERT INTO|VALUES \(")
        for client in (john,):
            client("POST", "/api/calendar/google/disconnect/", {"events": "keep"})
            client("POST", "/api/calendar/ics/disconnect/")

    def test_requirement_07_one_refresh_serves_all_and_is_stored_before_it_is_used(self):
        box = self.box
        john = box.connect("john", "google", "once@google.example")
        box.sandbox.control("DELETE", "requests")
        box.sandbox.control("POST", "expire-access-tokens", {"provider": "google", "account": "once@google.example"})
        box.sandbox.control("POST", "faults", {"provider": "google", "path": "*/token", "count": 1, "effect": "none", "latency_ms": 300})
        day = [{"title": f"Entry {i}", "start": f"2031-05-{i + 1:02}", "end": f"2031-05-{i + 2:02}"} for i in range(24)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda body: box_post(john, body), day))
        eventually(lambda: sum(t.startswith("Entry ") for t in box.titles_of("google", "once@google.example")) == 24,
                   "all of them arrive")
        requests = box.sandbox.control("GET", "requests")
        requests = requests["requests"] if isinstance(requests, dict) else requests
        self.assertEqual(sum("/google/token" in str(r) for r in requests), 1, "24 deliveries, one refresh")
        # What the store has is what is in use: a copy of the host with that store alone needs no other token.
        stored = [sealed.tokens(master_key(box), r)["access_token"] for r in sealed_rows(box) if r[1] == "john" and r[2] == "google"]
        answer = Client(box.sandbox.url, {"Authorization": "Bearer " + stored[-1]})("GET", "/google/calendar/v3/calendars/primary/events/none")
        self.assertNotEqual(answer.status, 401, "the stored token is the live one")
        john("POST", "/api/calendar/google/disconnect/", {"events": "keep"})

    def test_requirement_08_calls_go_to_the_configured_hosts_alone_and_redirects_nowhere(self):
        box, other = self.box, Listener()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        for settings in ({"providers.google.settings.token_url": "http://tokens.example/token"},
                         {"providers.google.settings.api_url": "http://10.0.0.1/calendar"},
                         {"providers.google.settings.api_url": "http://169.254.169.254/latest"},
                         {"providers.google.settings.api_url": "file:///etc/passwd"}):
            options = [f"{k}={v}" for k, v in settings.items()]
            done = box.host.run("--set", options[0], "check", check=False)
            with self.subTest(settings=settings):
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("/providers/google/settings/", done.stdout + done.stderr)
        sarah = box.connect("sarah", "google", "sarah@google.example")
        for status in (302, 307, 308):
            box.sandbox.control("POST", "faults", {"provider": "google", "path": "*/events*", "count": 1, "effect": "status",
                                                   "status": status, "headers": {"Location": other.url + "/calendar/v3/take"}})
            title = f"Redirected {status}"
            box_post(sarah, {"title": title, "start": "2031-05-01", "end": "2031-05-02"})
            eventually(lambda: self.used_up("*/events*"), "the redirect was answered")
        box.sandbox.control("POST", "faults", {"provider": "google", "path": "*/token", "count": 1, "effect": "status",
                                               "status": 307, "headers": {"Location": other.url + "/token"}})
        box.sandbox.control("POST", "expire-access-tokens", {"provider": "google", "account": "sarah@google.example"})
        box_post(sarah, {"title": "After", "start": "2031-05-03", "end": "2031-05-04"})
        eventually(lambda: self.used_up("*/token"), "the redirect of a refresh was answered")
        eventually(lambda: "After" in box.titles_of("google", "sarah@google.example"), "and refreshing goes on where it belongs")
        self.assertEqual(other.heard, [], "nobody was followed to another host")
        sarah("POST", "/api/calendar/google/disconnect/", {"events": "keep"})

    def test_requirement_09_text_never_becomes_structure(self):
        box, john = self.box, self.box.login("john")
        plain = john("POST", "/api/calendar/events/", {"title": "x", "start": "2031-05-01", "end": "2031-05-02"}).json["id"]
        count = lambda text, what: len(re.findall(rf"(?m)^{what}\r?$", re.sub(r"\r\n[ \t]", "", text)))
        harmless = john("GET", f"/api/calendar/ics/{plain}/").body
        for field in ("title", "location", "description"):
            body = {"title": "x", "start": "2031-05-01", "end": "2031-05-02", field: MALICIOUS}
            made = john("POST", "/api/calendar/events/", body)
            if made.status == 400:
                continue  # a line break in a title may be refused altogether
            text = john("GET", f"/api/calendar/ics/{made.json['id']}/").body
            with self.subTest(field=field):
                for line in ("BEGIN:VALARM", "BEGIN:VEVENT", "ACTION:DISPLAY"):
                    self.assertEqual(count(text, line), count(harmless, line), text)
                self.assertIn("BEGIN:VALARM", re.sub(r"\r\n[ \t]", "", text), "it is there, as text")
        markup = "<script>alert(1)</script><img src=x onerror=alert(2)>"
        john("POST", "/api/calendar/events/", {"title": markup, "start": "2031-05-01", "end": "2031-05-02"})
        page = john("GET", "/settings/calendar").body
        self.assertIn("&lt;script&gt;alert(1)", page)
        self.assertNotRegex(page, r"<script>alert|<img src=x")

        box.connect("sarah", "google", "text@google.example")
        _, feed = box.connect_feed("sarah")
        hostile = {"id": "A-hostile", "customer": {"id": "john", "name": markup + "{{order.notes}}{{{order.notes}}}{{#customer}}",
                                                   "phone": MALICIOUS},
                   "order": {"id": "O-1", "number": "1", "notes": "Key under {{customer.name}} the mat"}}
        event = box.send("appointment.assigned", **hostile)
        box.settled(event)
        resource_ = next(e["resource"] for e in box.sandbox.entries("google", "text@google.example") if "alert(1)" in str(e["resource"]))
        self.assertNotRegex(resource_.get("description", ""), "<script>|<img", "Google shows descriptions as HTML")
        self.assertIn("&lt;script&gt;", resource_["description"])
        self.assertIn("{{order.notes}}", resource_["summary"] + resource_["description"], "what a template gave is no template")
        text = Client(box.host.url)("GET", feed).body
        self.assertEqual(count(text, "BEGIN:VEVENT"), count(text, "END:VEVENT"))
        self.assertEqual(count(text, "ACTION:DISPLAY"), count(text, "BEGIN:VALARM"))
        self.assertNotIn("TRIGGER:-PT1M", text.replace("\\nTRIGGER:-PT1M", ""))
        self.box.login("sarah")("POST", "/api/calendar/google/disconnect/", {"events": "keep"})

    def test_requirement_10_a_feed_is_behind_256_bits_that_are_kept_nowhere(self):
        box, (omar, feed) = self.box, self.box.connect_feed("omar")
        secret = feed.split("/")[-1].removesuffix(".ics")
        self.assertGreaterEqual(len(base64.urlsafe_b64decode(secret + "==")) * 8, 256)
        box.host.run("people", "list")  # a turn of the writer, so that the files are up to date
        for path in glob.glob(database(box) + "*"):
            with open(path, "rb") as file:
                self.assertNotIn(secret.encode(), file.read(), path)
        self.assertEqual(query(box, "SELECT count(*) FROM connections WHERE feed_secret_hash = ?",
                               hashlib.sha256(secret.encode()).hexdigest())[0][0], 1, "its hash is what is kept")
        for path in ("/api/calendar/status/", "/settings/calendar", "/api/calendar/events/"):
            self.assertNotIn(secret, omar("GET", path).body, "it is shown once")
        anyone = Client(box.host.url)
        answer = anyone("GET", feed)
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers["cache-control"], "private|no-store")
        self.assertEqual(answer.headers["referrer-policy"], "no-referrer")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        wrong = feed.replace(secret, secret[:-1] + ("A" if secret[-1] != "A" else "B"))
        self.assertEqual(anyone("GET", wrong).status, 404)
        _, renewed = box.connect_feed("omar")
        self.assertNotEqual(feed, renewed)
        self.assertEqual(anyone("GET", feed).status, 404, "renewed: the former one is worth nothing")
        self.assertEqual(anyone("GET", renewed).status, 200)
        began = time.monotonic()
        omar("POST", "/api/calendar/ics/disconnect/")
        eventually(lambda: anyone("GET", renewed).status == 404, "revoked", 1)
        self.assertLess(time.monotonic() - began, 1)

    def test_requirement_11_malformed_and_slow_requests_hurt_nobody(self):
        port = self.box.host.port
        smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        bad = {
            "two lengths": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n",
            "equal lengths": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
            "length and chunks": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "negative": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            "signed": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\n",
            "comma": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\n",
            "odd encoding": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "chunked twice": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "bare LF": b"GET /healthz HTTP/1.1\nHost: x\n\n",
            "folding": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
            "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
            "two hosts": b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "blank before colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
            "NUL": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n",
            "bad chunk": b"POST /api/session/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            "1 MB of headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * (1 << 20) + b"\r\n\r\n",
        }
        for name, text in bad.items():
            answer = raw(port, text + smuggled)
            with self.subTest(name):
                if name == "1 MB of headers" and not answer:
                    continue  # the refusal may be lost when the connection is reset with bytes unread
                self.assertRegex(answer[:12], rb"HTTP/1\.1 4\d\d")
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, "what follows is not answered")
        # %0d%0a in a path is text and splits no header.
        answer = raw(port, b"GET /api/calendar/x%0d%0aSet-Cookie:%20a=b/callback/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertNotIn(b"\nSet-Cookie: a=b", answer)
        # A body that nobody read is never the next request.
        last = b"GET /api/nowhere/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        for path in (b"/api/people/x/", b"/nowhere", b"/api/session/"):
            answer = raw(port, b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, len(smuggled)) + smuggled + last)
            self.assertRegex(answer[:12], rb"HTTP/1\.1 4\d\d")
            self.assertLessEqual(answer.count(b"HTTP/1.1 "), 2, answer)
            self.assertNotIn(b"HTTP/1.1 200", answer, "the body is no request")

        with contextlib.ExitStack() as last:
            began, slow = time.monotonic(), []
            for i in range(320):
                client = last.enter_context(socket.socket())
                client.bind((f"127.0.0.{2 + i % 12}", 0))
                client.connect(("127.0.0.1", port))
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                slow.append(client)
            times = []
            while time.monotonic() - began < 3:
                before = time.monotonic()
                self.assertEqual(Client(self.box.host.url)("GET", "/healthz").status, 200)
                times.append(time.monotonic() - before)
            self.assertLess(sorted(times)[int(len(times) * 0.99)], 1, f"p99 of {len(times)} requests")
            slow[0].settimeout(10)
            with contextlib.suppress(ConnectionError):
                while slow[0].recv(1000):
                    pass
            self.assertLess(time.monotonic() - began, 8, "a header has 5 seconds")
            crowd = []
            for _ in range(40):  # 32 per address: of forty, some are turned away
                client = last.enter_context(socket.socket())
                client.settimeout(5)
                client.bind(("127.0.0.99", 0))
                client.connect(("127.0.0.1", port))
                crowd.append(client)
            refused, deadline = set(), time.monotonic() + 3  # before the first of them are timed out
            while len(refused) < 8 and time.monotonic() < deadline:
                ready, _, _ = select.select([c for c in crowd if c not in refused], [], [], deadline - time.monotonic())
                refused |= set(ready)
            answers = []
            for client in refused:
                with contextlib.suppress(ConnectionError):
                    answers.append(client.recv(1000))
            # The longest idle ones make room; whoever comes when nobody can is told so.
            self.assertEqual([a for a in answers if a and not a.startswith(b"HTTP/1.1 503 ")], [])
            refused = len(refused)
            self.assertGreaterEqual(refused, 8)

    def test_requirement_12_pages_run_only_their_own_scripts_in_no_frame(self):
        john = self.box.login("john")
        for client, path in ((john, "/settings/calendar"), (Client(self.box.host.url), "/login"), (john, "/nowhere")):
            answer = client("GET", path)
            with self.subTest(path):
                policy = answer.headers["content-security-policy"]
                self.assertNotIn("unsafe", policy)
                self.assertRegex(policy, r"default-src 'none'|default-src 'self'")
                self.assertIn("frame-ancestors 'none'", policy)
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
                self.assertEqual(inline_parts(answer.body), [], "nothing inline")
        for path in ("/api/session/", "/api/calendar/status/", "/api/openapi.json"):
            self.assertEqual(john("GET", path).headers["x-content-type-options"], "nosniff", path)

    def test_requirement_13_passwords_and_keys_are_hashed_and_guessing_is_slow(self):
        box = self.box
        for (hashed,) in query(box, "SELECT password_hash FROM people WHERE password_hash <> ''"):
            found = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$", hashed)
            self.assertTrue(found, hashed[:20])
            self.assertGreaterEqual(int(found[1]), 19 * 1024)
            self.assertGreaterEqual(int(found[2]), 2)
        stored = query(box, "SELECT hash FROM app_keys")
        self.assertEqual(stored, [(hashlib.sha256(box.key.encode()).hexdigest(),)])
        for path in ("/api/calendar/status/", "/api/calendar/events/", "/api/calendar/connections/", "/api/audit/"):
            self.assertEqual(box.app("GET", path).status, 403, "an app's key is not a person")
        john = box.login("john")
        self.assertEqual(john("GET", "/api/people/john/").status, 403, "nor a person an app")

        answers = [log_in(box, "127.0.0.7", "max", f"guess {i}") for i in range(6)]
        self.assertEqual(answers, [401] * 5 + [429])
        right = Client(box.host.url)("POST", "/api/session/", {"email": "max@example.com", "password": "password of max"})
        self.assertEqual(right.status, 429, "not even the right one")
        self.assertGreaterEqual(int(right.headers["retry-after"]), 1)
        self.assertEqual(log_in(box, "127.0.0.7", "mia", "guess"), 429, "nor another account from that address")
        self.assertEqual(log_in(box, "127.0.0.8", "mia", "password of mia"), 200, "elsewhere it is let in")
        lines = box.host.run("audit", "list", "--person", "max", "--json").stdout
        actions = [line["action"] for line in json.loads(lines)]
        self.assertEqual(actions.count("login.failed"), 5)
        self.assertEqual(actions.count("login.throttled"), 1)
        with open(os.path.join(SOURCE, "host", "http", "auth", "app_keys.cpp")) as source:
            self.assertRegex(source.read(), r"constantTimeEqual|sha256Hex", "what is compared is a hash, or in constant time")


def inline_parts(page):
    """What a page would run or apply that is written in the page itself."""
    found = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            names = dict(attributes)
            if tag == "style" or (tag == "script" and "src" not in names):
                found.append(tag)
            found.extend(n for n in names if n.startswith("on") or n == "style")
            found.extend(v for v in names.values() if v and v.lower().strip().startswith("javascript:"))
    Reader().feed(page)
    return found


def log_in(box, address, person, password):
    connection = http.client.HTTPConnection("127.0.0.1", box.host.port, timeout=DEADLINE, source_address=(address, 0))
    connection.request("POST", "/api/session/", json.dumps({"email": f"{person}@example.com", "password": password}),
                       {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def box_post(client, body):
    answer = client("POST", "/api/calendar/events/", body)
    assert answer.status == 201, answer
    return answer.json["id"]


class Vault(unittest.TestCase):
    """Requirement 5 needs installations of its own: they are robbed, killed and rotated."""

    def installation(self, **options):
        box = Installation(**options)
        self.addCleanup(end, box)
        box.add_people()
        return box

    def fill(self, box, rows):
        """Adds so many connections, sealed here under the host's key; the host must not run."""
        key = master_key(box)
        with contextlib.closing(sqlite3.connect(database(box))) as db, db:
            db.executemany("INSERT INTO people (id, name, email, email_lookup, role, timezone, teams) VALUES (?, 'P', 'p@x', 'p@x', "
                           "'customer', 'UTC', '[]')", ((f"filler-{i}",) for i in range(rows)))
            last = db.execute("SELECT ifnull(max(id), 0) FROM connections").fetchone()[0]
            plain = json.dumps({"access_token": "a" * 200, "refresh_token": "r" * 100, "expires_at": 1 << 42, "scope": "s"}).encode()
            db.executemany(
                "INSERT INTO connections (id, person_id, provider, account_id, account, state, sealed, credentials_version, "
                "feed_secret_hash, created_at) VALUES (?, ?, 'google', ?, 'x', 'connected', ?, 1, '', 0)",
                ((last + 1 + i, f"filler-{i}", f"account-{i}",
                  sealed.seal(key, ("connections", last + 1 + i, f"filler-{i}", "google"), plain)) for i in range(rows)))

    def progress(self, box, id):
        rows = query(box, "SELECT hex(substr(sealed, 2, 8)) = upper(?), count(*) FROM connections WHERE length(sealed) > 0 GROUP BY 1", id)
        return dict(rows)

    def test_requirement_05_stolen_files_hold_no_token_and_swapped_rows_do_not_open(self):
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        box = self.installation()
        box.connect("john", "google")
        box.connect("sarah", "google")
        john = box.connect("john", "outlook")
        asked = john("POST", "/api/calendar/google/connect/")  # a verifier waits
        self.assertEqual(asked.status, 200)
        key, rows = master_key(box), sealed_rows(box)
        self.assertEqual(len(rows), 3)
        canaries = [t.encode() for row in rows for t in (sealed.tokens(key, row)["access_token"], sealed.tokens(key, row)["refresh_token"])]
        self.assertEqual(len({row[3][21:53] for row in rows}), 3, "a key of its own for every row")
        backup = os.path.join(box.folder, "backup.db")
        with contextlib.closing(sqlite3.connect(database(box))) as db, contextlib.closing(sqlite3.connect(backup)) as copy:
            db.backup(copy)
        for path in glob.glob(database(box) + "*") + [backup, box.host.log_path]:
            with open(path, "rb") as file:
                content = file.read()
            for secret in canaries + [key, base64.b64encode(key)]:
                self.assertNotIn(secret, content, path)
        mode = os.stat(os.path.join(box.folder, "var", "master.key")).st_mode & 0o777
        self.assertEqual(mode, 0o600)
        for path in glob.glob(database(box) + "*"):
            self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)

        cores = lambda: {p for p in glob.glob(os.path.join(box.folder, "**", "core*"), recursive=True) if os.path.isfile(p)}
        dumps = subprocess.Popen(["sleep", "60"], cwd=box.folder)
        dumps.send_signal(6)
        dumps.wait()
        before = cores()
        if not before:
            print("note: this system writes no core file beside a process, so that the host writes none is little news", file=sys.stderr)
        box.host.process.send_signal(6)
        box.host.process.wait()
        box.host.drain.join()
        box.host.process.stdout.close()
        box.host.process = None
        self.assertEqual(cores(), before, "the host leaves no core")

        ids = [row[0] for row in rows if row[2] == "google"]
        with contextlib.closing(sqlite3.connect(database(box))) as db, db:
            one, other = (db.execute("SELECT sealed FROM connections WHERE id = ?", (id,)).fetchone()[0] for id in ids)
            db.execute("UPDATE connections SET sealed = ? WHERE id = ?", (other, ids[0]))
            db.execute("UPDATE connections SET sealed = ? WHERE id = ?", (one, ids[1]))
        for row in sealed_rows(box):
            self.assertEqual(opens(key, row), row[0] not in ids)
        box.host.start()
        box.sandbox.control("DELETE", "requests")
        clients = [box.login("john"), box.login("sarah")]
        for client in clients:
            box_post(client, {"title": "Mine", "start": "2031-05-01", "end": "2031-05-02"})
        for client in clients:
            eventually(lambda: box.status(client, "google")["needs"] == "reconnect", "the swapped row is of no use")
        self.assertEqual(box.titles_of("google", "john@google.example") + box.titles_of("google", "sarah@google.example"), [])
        self.assertEqual(box.titles_of("outlook", "john@outlook.example"), ["Mine"], "the row in its place is")

    def test_requirement_05_rotating_the_key_over_10000_rows_under_load_loses_nothing(self):
        box = self.installation()
        people = ["john", "sarah", "omar", "mia", "max", "ada"]
        clients = {p: box.connect(p, "google") for p in people}
        box.host.stop()
        self.fill(box, ROWS)
        box.host.start()
        clients = {p: box.login(p) for p in people}
        old = master_key(box)
        stop, posted, errors = threading.Event(), {p: 0 for p in people}, []

        def load(person):
            try:
                while not stop.is_set():
                    title = f"{person} {posted[person]}"
                    box_post(clients[person], {"title": title, "start": "2031-05-01", "end": "2031-05-02"})
                    posted[person] += 1
                    if posted[person] % 3 == 0:
                        box.sandbox.control("POST", "expire-access-tokens", {"provider": "google", "account": f"{person}@google.example"})
                    started = clients[person]("POST", "/api/calendar/outlook/connect/")
                    if started.status != 200:
                        errors.append(started)
                    stop.wait(0.02)  # a rate, not to leave the rotation no processor at all
            except Exception as error:
                errors.append(error)

        self.addCleanup(stop.set)  # whatever fails
        threads = [threading.Thread(target=load, args=(p,), daemon=True) for p in people]
        for thread in threads:
            thread.start()
        eventually(lambda: all(posted.values()), "the load has begun")
        began = time.monotonic()
        done = box.host.run("vault", "rotate")
        took = time.monotonic() - began
        during = sum(posted.values())
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        print(f"{ROWS} rows under a new key in {took:.1f} s, {during} entries posted meanwhile", file=sys.stderr)
        self.assertIn("opens nothing any more", done.stdout)
        self.assertRegex(done.stderr, r"\d+ of \d+ secrets have the new key")
        new = master_key(box)
        self.assertNotEqual(old, new)
        rows = sealed_rows(box)
        self.assertEqual(len(rows), ROWS + len(people))
        self.assertEqual([r[0] for r in rows if not opens(new, r)], [])
        self.assertEqual([r[0] for r in rows if opens(old, r)], [])
        marks = b"\x01" + bytes.fromhex(sealed.key_id(old))
        for path in glob.glob(database(box) + "*"):
            with open(path, "rb") as file:
                self.assertNotIn(marks, file.read(), f"{path} holds nothing that the old key opens")
        self.assertEqual(glob.glob(os.path.join(box.folder, "var", "master.key?*")), [], "the old key is gone")
        for person in people:
            eventually(lambda: len(box.titles_of("google", f"{person}@google.example")) == posted[person], f"all of {person}'s entries")
            self.assertIsNone(box.status(clients[person], "google")["needs"])
        self.assertEqual(query(box, "SELECT count(*) FROM connections WHERE state <> 'connected'"), [(0,)])
        actions = [l["action"] for l in json.loads(box.host.run("audit", "list", "--json").stdout)]
        self.assertEqual(actions.count("vault.rotated"), 1)

        # The former key in the new one's place starts nothing.
        box.host.stop()
        path = os.path.join(box.folder, "var", "master.key")
        os.rename(path, path + ".kept")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(base64.b64encode(old).decode())
        done = box.host.run("serve", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("master key", done.stderr)
        os.rename(path + ".kept", path)

        # Killed in the middle, the next start finishes.
        box.host.start()
        rotating = subprocess.Popen([box.host.program, *box.host.options, "vault", "rotate"], cwd=box.folder, env=box.host.environment,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        waiting = os.path.join(box.folder, "var", "master.key.next")
        eventually(lambda: os.path.exists(waiting) or rotating.poll() is not None, "the rotation begins")
        eventually(lambda: self.progress(box, sealed.key_id(new)).get(1, 0) < ROWS - 500, "some rows have the newest key")
        box.host.kill()
        rotating.wait(DEADLINE)
        self.assertNotEqual(rotating.returncode, 0, "the command says that it did not see the end")
        left = self.progress(box, sealed.key_id(new)).get(1, 0)
        print(f"killed with {left} rows to go", file=sys.stderr)
        self.assertGreater(left, 0, "it was in the middle")
        self.assertEqual(master_key(box), new, "until all rows are done the former key stays")
        box.host.start()
        eventually(lambda: not os.path.exists(waiting), "the start finishes it")
        eventually(lambda: query(box, "SELECT value FROM meta WHERE key = 'master_key_next'") == [("",)], "to the end")
        newest = master_key(box)
        self.assertEqual([r[0] for r in sealed_rows(box) if not opens(newest, r)], [])

        # Two operators at once, with and without the host: both see it end, and no row is left between two keys.
        for host in ("running", "stopped"):
            if host == "stopped":
                box.host.stop()
            both = [subprocess.Popen([box.host.program, *box.host.options, "vault", "rotate"], cwd=box.folder, env=box.host.environment,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
            for one in both:
                said, _ = one.communicate(timeout=DEADLINE)
                self.assertEqual(one.returncode, 0, f"{host}: {said}")
            last = master_key(box)
            self.assertNotEqual(last, newest, host)
            self.assertEqual([r[0] for r in sealed_rows(box) if not opens(last, r)], [], host)
            newest = last
        box.host.start()

    def test_requirement_05_a_key_of_the_environment_is_changed_by_name_with_and_without_the_host(self):
        keys = [base64.b64encode(os.urandom(32)).decode() for _ in range(3)]
        box = self.installation(environment={"CALBRIDGE_MASTER_KEY": keys[0]})
        john = box.connect("john", "google")
        readable = lambda key: [opens(base64.b64decode(key), r) for r in sealed_rows(box)]
        done = box.host.run("vault", "rotate", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "CALBRIDGE_NEW_MASTER_KEY")
        box.host.environment["CALBRIDGE_NEW_MASTER_KEY"] = keys[1]
        done = box.host.run("vault", "rotate")
        self.assertRegex(done.stdout, r"CALBRIDGE_MASTER_KEY.*(without|remove)")
        self.assertEqual((readable(keys[0]), readable(keys[1])), ([False], [True]))
        box.sandbox.control("POST", "expire-access-tokens", {"provider": "google"})
        box_post(john, {"title": "Later", "start": "2031-05-01", "end": "2031-05-02"})
        eventually(lambda: box.titles_of("google", "john@google.example") == ["Later"], "the running host has the new key")
        box.host.stop()
        del box.host.environment["CALBRIDGE_NEW_MASTER_KEY"]
        refused = box.host.run("serve", check=False)
        self.assertEqual(refused.returncode, 3)
        self.assertRegex(refused.stderr, "sealed with master key .* CALBRIDGE_MASTER_KEY")
        box.host.environment.update(CALBRIDGE_MASTER_KEY=keys[1], CALBRIDGE_NEW_MASTER_KEY=keys[2])
        box.host.run("vault", "rotate")  # no host runs
        self.assertEqual((readable(keys[1]), readable(keys[2])), ([False], [True]))
        box.host.environment["CALBRIDGE_MASTER_KEY"] = keys[2]
        del box.host.environment["CALBRIDGE_NEW_MASTER_KEY"]
        box.host.start()


class Artifacts(unittest.TestCase):
    def test_requirement_14_programs_and_plugins_are_hardened(self):
        files = [os.path.join(BINARY, "bin", "calbridge"), os.path.join(BINARY, "bin", "calbridge-plugin-runner"),
                 *sorted(glob.glob(os.path.join(BINARY, "plugins", "*.so")))]
        self.assertGreaterEqual(len(files), 5)
        sanitized = "san_init" in subprocess.run(["readelf", "-W", "--dyn-syms", files[0]], capture_output=True, text=True, check=True).stdout
        for path in files:
            read = lambda *options: subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout
            with self.subTest(os.path.basename(path)):
                self.assertRegex(read("-h"), r"Type:\s+DYN", "position independent")
                self.assertIn("GNU_RELRO", read("-l"))
                self.assertRegex(read("-d"), r"BIND_NOW|FLAGS_1.*NOW", "full RELRO")
                self.assertRegex(read("-l"), r"GNU_STACK\s.*RW\s", "no executable stack")
                symbols = read("--dyn-syms")
                self.assertIn("__stack_chk_fail", symbols)
                if not sanitized:
                    self.assertRegex(symbols, r"__\w+_chk\b", "FORTIFY_SOURCE")
                self.assertNotRegex(read("-d"), r"RPATH|RUNPATH.*\$?\.\./\.\.", "no search path that others may fill")

    def test_requirement_15_the_unit_is_confined(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed: the unit's score was not looked at")
        unit = os.path.join(SOURCE, "docs", "calbridge.service")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        self.assertLessEqual(float(found[1]), 1.5)


if __name__ == "__main__":
    main()
