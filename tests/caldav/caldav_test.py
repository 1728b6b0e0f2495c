"""A person's whole life with a CalDAV calendar: the real program and plugin, real servers (Radicale, Xandikos, DAViCal), and
python3-caldav to read back what arrived and to be the person's own hands."""
import contextlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["CALBRIDGE_SOURCE_DIR"], "tests", "integration"))
sys.path.insert(0, os.path.dirname(__file__))
from harness import SKIPPED, Client, Host, Installation, eventually, free_port  # noqa: E402
import servers  # noqa: E402
from servers import PASSWORD, USER  # noqa: E402

try:
    import caldav  # noqa: F401
    import icalendar  # noqa: F401
except ImportError:
    print("skipped: python3-caldav or python3-icalendar is not installed")
    sys.exit(SKIPPED)
from hands import FOREIGN, Hands  # noqa: E402

for server in (servers.Radicale, servers.Xandikos, servers.Davical):
    if not os.path.exists(server.program):
        print(f"skipped: {server.program} is not installed")
        sys.exit(SKIPPED)


class CaldavOnly(Installation):
    """A host without the sandbox of the other providers."""

    def __init__(self, **overrides):
        self.folder = tempfile.mkdtemp(prefix="calbridge-caldav-")
        self.host = Host(self.folder, "http://127.0.0.1:9", free_port(), {
            "providers.caldav.allowed_hosts": '["127.0.0.0/8"]', "providers.google.enabled": "false",
            "providers.outlook.enabled": "false", **overrides})
        self.events = 0
        self.key = self.host.run("app-keys", "create", "tests").stdout.strip()
        self.app = Client(self.host.url, {"Authorization": "Bearer " + self.key})
        self.host.start()
        self.add_people()

    def close(self):
        with contextlib.ExitStack() as last:
            last.callback(shutil.rmtree, self.folder, ignore_errors=True)
            return self.host.stop()


def connect(client, server, username=USER, password=PASSWORD):
    return client("POST", "/api/calendar/caldav/connect/",
                  {"credentials": {"server": server, "username": username, "password": password}})


class Life:
    """The same life at every server."""
    kind = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="calbridge-caldav-server-")
        cls.server = cls.kind(cls.folder, free_port()).start()
        cls.hands = Hands(cls.server)
        for name in ("Personal", "Work"):
            cls.hands.make(name)
        cls.hands.calendar("Personal").save_event(FOREIGN)
        cls.box = CaldavOnly()

    @classmethod
    def tearDownClass(cls):
        code = cls.box.close()
        cls.server.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert code == 0, code

    def ended(self, event):
        receipt = self.box.settled(event)
        mine = [d for d in receipt["deliveries"] if d["provider"] == "caldav"]
        self.assertEqual([d["state"] for d in mine], ["delivered"] * len(mine), receipt)
        return mine

    def test_a_whole_life(self):
        john, box, hands = self.box.login("john"), self.box, self.hands
        if self.server.checks_passwords:
            refused = connect(john, self.server.url, password="wrong-canary-77")
            self.assertEqual((refused.status, refused.json["code"], refused.json["pointer"]),
                             (422, "invalid_credentials", "/credentials/password"), refused)
            self.assertNotIn("wrong-canary-77", refused.body)
        accepted = connect(john, self.server.url)
        self.assertEqual(accepted.status, 200, accepted)
        self.assertTrue(accepted.json["connected"])
        self.assertIn(USER, accepted.json["account"]["label"])

        with self.subTest("an entry arrives, as the role words it"):
            delivery, = self.ended(box.send("order.confirmed"))
            self.assertTrue(delivery["provider_event_id"].startswith(self.server.url), delivery)
            title, = [t for t in hands.titles("Personal") if t != "Dentist"]
            _, part = hands.entries("Personal")[title]
            self.assertEqual(part["DTSTART"].dt.isoformat(), "2031-12-01T09:00:00+00:00")
            self.assertEqual(part["DTSTART"].params.get("TZID"), "Europe/London")
            self.assertEqual(str(part["LOCATION"]), "1 High Street, London N1 1AA")
            self.assertTrue(str(part["UID"]).endswith("@calbridge"))
            self.assertNotIn("ATTENDEE", part)
            self.assertNotIn("ORGANIZER", part)
        with self.subTest("a change follows, and twice is once"):
            self.ended(box.send("appointment.updated", version=2, service={"name": "Window clean"}))
            self.ended(box.send("appointment.updated", version=3, service={"name": "Carpet clean"}))
            self.assertEqual(len(hands.titles("Personal")), 2, hands.titles("Personal"))
            title = next(t for t in hands.titles("Personal") if "Carpet clean" in t)
        with self.subTest("edited by hand: the next change overwrites it"):
            event, _ = hands.entries("Personal")[title]
            event.data = event.data.replace("Carpet clean", "My own words")
            event.save()
            self.assertIn("My own words", str(hands.titles("Personal")))
            self.ended(box.send("appointment.updated", version=4, service={"name": "Roof clean"}))
            self.assertEqual(len(hands.titles("Personal")), 2, hands.titles("Personal"))
            self.assertIn("Roof clean", str(hands.titles("Personal")))
        with self.subTest("deleted by hand: it comes back with a sync"):
            title = next(t for t in hands.titles("Personal") if t != "Dentist")
            hands.entries("Personal")[title][0].delete()
            self.assertEqual(john("POST", "/api/calendar/sync/").status, 202)
            eventually(lambda: title in hands.titles("Personal"), "it is back")
        with self.subTest("another calendar is chosen: the entry moves"):
            listed = john("GET", "/api/calendar/caldav/calendars/")
            self.assertEqual(listed.status, 200, listed)
            calendars = {c["id"].rstrip("/").rsplit("/", 1)[-1]: c for c in listed.json["calendars"]}
            self.assertTrue(calendars["personal"]["chosen"] and calendars["personal"]["writable"], calendars)
            chosen = john("PUT", "/api/calendar/caldav/calendar/", {"id": calendars["work"]["id"]})
            self.assertEqual(chosen.status, 200, chosen)
            eventually(lambda: hands.titles("Work") == [title] and hands.titles("Personal") == ["Dentist"],
                       "the entry is there, and here no more")
            self.assertEqual(self.box.status(john, "caldav")["calendar"], chosen.json["calendar"])
            again = john("PUT", "/api/calendar/caldav/calendar/", {"id": "https://nowhere.example/x/"})
            self.assertEqual((again.status, again.json["code"]), (422, "unknown_calendar"))
        with self.subTest("the server is down and comes back"):
            self.server.stop()
            event = box.send("appointment.rescheduled", version=5, start="2031-12-02T10:00:00", end="2031-12-02T12:00:00",
                             service={"name": "Roof clean"})
            eventually(lambda: any(d["last_error"] for d in box.receipt(event)["deliveries"]), "it was tried")
            self.server.start()
            self.ended(event)
            (_, part), = hands.entries("Work").values()
            self.assertEqual(part["DTSTART"].dt.isoformat()[:16], "2031-12-02T10:00")
        with self.subTest("cancelled: it goes, and nothing else does"):
            self.ended_removed(box.send("appointment.cancelled", version=6, status="cancelled"))
            self.assertEqual(hands.titles("Work"), [])
            self.assertEqual(hands.titles("Personal"), ["Dentist"])
        with self.subTest("disconnected: what was ours goes"):
            self.ended(box.send("order.confirmed", id="A-2", version=1))
            self.assertEqual(len(hands.titles("Work")), 1)
            gone = john("POST", "/api/calendar/caldav/disconnect/", {"events": "remove"})
            self.assertEqual(gone.status, 200, gone)
            eventually(lambda: hands.titles("Work") == [], "the entry is removed")
            self.assertEqual(hands.titles("Personal"), ["Dentist"])
            self.assertFalse(self.box.status(john, "caldav")["connected"])
        with self.subTest("the password is nowhere"):
            self.assertNotIn("canary", self.box.host.log())
            for path in pathlib.Path(self.box.folder).rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"canary-8c1f", path.read_bytes(), path)

    def ended_removed(self, event):
        states = [d["state"] for d in self.box.settled(event)["deliveries"] if d["provider"] == "caldav"]
        self.assertEqual(states, ["removed"])


class AtRadicale(Life, unittest.TestCase):
    kind = servers.Radicale


class AtXandikos(Life, unittest.TestCase):
    kind = servers.Xandikos


class AtDavical(Life, unittest.TestCase):
    kind = servers.Davical


class BehindAGate(unittest.TestCase):
    """Digest, redirects, TLS and everything that a person can type wrongly; Xandikos is behind the gate."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="calbridge-caldav-gate-")
        cls.authority, cls.context = servers.certificates(cls.folder)
        cls.server = servers.Xandikos(cls.folder, free_port()).start()
        cls.hands = Hands(cls.server)
        cls.hands.make("Personal")
        cls.box = CaldavOnly(**{"tls.ca_file": cls.authority})
        cls.strict = None

    @classmethod
    def tearDownClass(cls):
        code = cls.box.close()
        cls.server.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert code == 0, code

    def gate(self, **how):
        gate = servers.Gate(self.server.port, free_port(), **how)
        self.addCleanup(gate.stop)
        return gate

    def refusal(self, client, server, **typed):
        answer = connect(client, server, **typed)
        self.assertNotIn(PASSWORD, answer.body)
        return answer.status, answer.json.get("code"), answer.json.get("pointer"), answer.json.get("detail")

    def test_digest_with_a_nonce_that_grows_old_and_a_password_that_is_changed(self):
        for algorithm, person in (("SHA-256", "john"), ("MD5", "sarah")):
            with self.subTest(algorithm):
                gate = self.gate(algorithm=algorithm)
                client = self.box.login(person)
                self.assertEqual(self.refusal(client, gate.url, password="wrong")[:2], (422, "invalid_credentials"))
                self.assertEqual(connect(client, gate.url).status, 200)
                event = f"A-{algorithm}"
                self.box.settled(self.box.send("order.confirmed", id=event, version=1, service={"name": algorithm},
                                               customer={"id": person, "name": person}))
                eventually(lambda: algorithm in str(self.hands.titles("Personal")), "the entry arrives")
                self.assertFalse([s for s in gate.seen if (s[2] or "").startswith("Basic")], "the password never goes plainly")
                gate.renew_nonce()
                self.box.settled(self.box.send("appointment.updated", id=event, version=2, service={"name": algorithm + " 2"},
                                               customer={"id": person, "name": person}))
                eventually(lambda: algorithm + " 2" in str(self.hands.titles("Personal")), "with a new nonce")
                gate.password = "another one"
                self.box.send("appointment.updated", id=event, version=3, service={"name": algorithm + " 3"},
                              customer={"id": person, "name": person})
                status = eventually(lambda: (lambda s: s if s["needs"] == "reconnect" else None)(self.box.status(client, "caldav")),
                                    "the person is asked to connect again")
                self.assertIn("user name and password", status["last_sync_error"])
                listing = client("GET", "/api/calendar/caldav/calendars/")
                self.assertEqual((listing.status, listing.json["code"]), (409, "needs_reconnection"))
                self.assertEqual(connect(client, gate.url, password="another one").status, 200)
                eventually(lambda: algorithm + " 3" in str(self.hands.titles("Personal")), "what waited arrives")

    def test_redirects_are_followed_with_the_password_only_where_it_belongs(self):
        inner = self.gate(scheme="basic")
        outer = self.gate(scheme="basic", redirect={"/.well-known/caldav": inner.url + "/"})
        client = self.box.login("omar")
        self.assertEqual(connect(client, outer.url).status, 200)
        self.assertTrue(inner.seen)
        other = inner.url.replace("127.0.0.1", "localhost")
        away = self.gate(scheme="basic", redirect={"/.well-known/caldav": other + "/"})
        before = len(inner.seen)
        status, code, pointer, detail = self.refusal(client, away.url)
        self.assertEqual((status, code, pointer), (422, "foreign_redirect", "/credentials/server"))
        self.assertIn("another domain", detail)
        self.assertEqual(len(inner.seen), before, "the password was not sent there, nor anything else")
        rounds = self.gate(redirect={"/.well-known/caldav": "/.well-known/caldav"})
        self.assertEqual(self.refusal(client, rounds.url)[:2], (422, "not_caldav"))

    def test_what_was_typed_wrongly_is_said_precisely(self):
        client = self.box.login("mia")
        status, code, pointer, detail = self.refusal(client, f"http://127.0.0.1:{self.box.host.port}")
        self.assertEqual((status, code, pointer), (422, "not_caldav", "/credentials/server"))
        self.assertIn("/.well-known/caldav: ", detail, "what was asked can be read")
        self.assertEqual(self.refusal(client, self.gate(scheme="bearer").url)[:2], (422, "auth_unsupported"))
        self.assertEqual(self.refusal(client, f"http://127.0.0.1:{free_port()}")[:2], (502, "server_unreachable"))
        self.assertEqual(self.refusal(client, "http://192.0.2.7/dav/")[1], "address_refused")
        self.assertEqual(self.refusal(client, "ftp://127.0.0.1")[:3], (422, "invalid_server", "/credentials/server"))
        self.assertEqual(self.refusal(client, "")[:3], (400, "invalid_field", "/credentials/server"))
        for typed, pointer in (({"server": "x", "username": "u"}, "/credentials/password"), ({"colour": "red"}, "/credentials/colour"),
                               ({"a/b~c": "red"}, "/credentials/a~1b~0c")):
            answer = client("POST", "/api/calendar/caldav/connect/", {"credentials": typed})
            self.assertEqual((answer.status, answer.json["pointer"]), (400, pointer))
        self.assertFalse(self.box.status(client, "caldav")["connected"])
        self.assertEqual(client("GET", "/api/calendar/caldav/calendars/").status, 404)
        self.assertEqual(client("GET", "/api/calendar/ics/calendars/").status, 404)

    def test_private_addresses_are_refused_unless_the_operator_lists_them(self):
        strict = CaldavOnly(**{"providers.caldav.allowed_hosts": "[]"})
        self.addCleanup(strict.close)
        client = strict.login("john")
        for typed in (self.server.url, f"https://127.0.0.1:{self.server.port}", "https://localhost/", "https://10.0.0.1/",
                      "https://[::1]/", "https://169.254.169.254/latest/"):
            status, code, pointer, detail = self.refusal(client, typed)
            self.assertEqual((status, code, pointer), (422, "address_refused", "/credentials/server"), detail)
            self.assertIn("not a public address", detail)

    def test_tls_of_an_authority_of_ones_own(self):
        gate = self.gate(scheme="basic", context=self.context)
        client = self.box.login("max")
        self.assertEqual(connect(client, gate.url.removeprefix("https://")).status, 200)
        strange = CaldavOnly()
        self.addCleanup(strange.close)
        status, code, pointer, detail = self.refusal(strange.login("max"), gate.url)
        self.assertEqual((status, code, pointer), (422, "tls_failed", "/credentials/server"), detail)

    def test_the_status_describes_the_form_and_attempts_are_slowed_down(self):
        client = self.box.login("ada")
        status = self.box.status(client, "caldav")
        self.assertEqual((status["connect"], status["form_order"]), ("credentials", ["server", "username", "password"]))
        self.assertTrue(status["form"]["properties"]["password"]["writeOnly"])
        self.assertEqual(self.box.status(client, "ics")["connect"], "feed")
        page = client("GET", "/settings/calendar").body
        self.assertIn('id="form-caldav"', page)
        self.assertIn("Connect with an app-specific password", page)
        # What the browser has kept for this site is not filled in and sent to another one.
        self.assertRegex(page, '<input id="account-caldav-password"[^>]* type="password"[^>]* autocomplete="new-password"')
        self.assertNotIn('autocomplete="username"', page)
        answers = [self.refusal(client, "ftp://x")[:2] for _ in range(11)]
        self.assertEqual(answers[-1], (429, "too_many_attempts"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
