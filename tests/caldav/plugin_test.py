"""The CalDAV plugin through the C boundary at real servers: what it does to a calendar, step by step."""
import http.server
import os
import shutil
import ssl
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.environ["CALBRIDGE_SOURCE_DIR"], "tests", "integration"))
sys.path.insert(0, os.path.dirname(__file__))
from harness import SKIPPED, free_port  # noqa: E402

if "TSAN_OPTIONS" in os.environ:
    print("skipped: ThreadSanitizer cannot come into a Python that was built without it")
    sys.exit(SKIPPED)
os.environ.pop("LD_PRELOAD", None)  # a sanitizer for this process, not for the servers
try:
    import caldav  # noqa: F401
    import icalendar  # noqa: F401
except ImportError:
    print("skipped: python3-caldav or python3-icalendar is not installed")
    sys.exit(SKIPPED)
import servers  # noqa: E402
from boundary import Plugin  # noqa: E402
from hands import FOREIGN, Hands  # noqa: E402
from servers import PASSWORD, USER  # noqa: E402

for server in (servers.Radicale, servers.Xandikos, servers.Davical):
    if not os.path.exists(server.program):
        print(f"skipped: {server.program} is not installed")
        sys.exit(SKIPPED)

LIBRARY = os.path.join(os.environ["CALBRIDGE_BINARY_DIR"], "plugins", "libcaldav.so")
ENTRY = {"title": "Deep clean", "description": "Line 1\nLine 2; with, signs", "location": "1 High Street", "all_day": False,
         "start": "2031-12-01T09:00:00", "end": "2031-12-01T11:00:00", "timezone": "Europe/London",
         "start_utc": "2031-12-01T09:00:00Z", "end_utc": "2031-12-01T11:00:00Z", "reminders": [60], "show_as": "busy",
         "visibility": "default", "status": "confirmed", "url": ""}


class At:
    kind = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="calbridge-caldav-plugin-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = self.kind(self.folder, free_port()).start()
        self.addCleanup(self.server.stop)
        self.hands = Hands(self.server)
        for name in ("Personal", "Work"):
            self.hands.make(name)
        self.hands.calendar("Personal").save_event(FOREIGN)
        self.plugin = Plugin(LIBRARY)
        self.secret = {"server": self.server.url + "/", "username": USER, "password": PASSWORD}

    def push(self, operation="upsert", uid="u-1", known=None, **more):
        request = {"operation": operation, "secret": self.secret, "uid": uid, "sequence": 1, "stamp": "2026-11-22T10:00:00Z",
                   "idempotency_key": "0b6e6cde-0000-4000-8000-000000000001", "attempt": 1, **(known or {}), **more}
        if operation == "upsert" or "entry" in more:
            request["entry"] = dict(ENTRY, **more.get("entry", {}))
        status, answer = self.plugin("push", request)
        self.assertEqual(status, "ok", f"{answer}\n{self.plugin.requests}")
        return {k: answer[k] for k in ("provider_event_id", "etag") if answer.get(k)}

    def asked(self):
        return [r[0] for r in self.plugin.requests]

    def test_authenticating_finds_the_calendars(self):
        self.plugin.kv = None  # no connection yet
        status, made = self.plugin("authenticate", {"credentials": {"server": self.server.url, "username": USER, "password": PASSWORD}})
        self.assertEqual(status, "ok", f"{made}\n{self.plugin.requests}")
        self.assertEqual(made["secret"], self.secret)
        self.plugin.kv = {}
        status, listed = self.plugin("list_calendars", {"secret": made["secret"]})
        self.assertEqual(status, "ok", listed)
        names = {c["id"].rstrip("/").rsplit("/", 1)[-1]: c for c in listed["calendars"]}
        self.assertTrue(names["personal"]["writable"] and names["personal"]["primary"], names)
        self.assertFalse(names["work"]["primary"])
        if self.server.checks_passwords:
            status, refused = self.plugin("list_calendars", {"secret": dict(self.secret, password="no")})
            self.assertEqual((status, refused["code"]), ("reauth_required", "invalid_credentials"), refused)

    def test_an_entry_is_created_once_changed_and_deleted_however_often_it_is_said(self):
        first = self.push()
        self.assertTrue(first["etag"])
        part = self.hands.entries("Personal")["Deep clean"][1]
        self.assertEqual(str(part["DESCRIPTION"]), "Line 1\nLine 2; with, signs")
        self.assertEqual(self.push()["provider_event_id"], first["provider_event_id"], "a lost answer doubles nothing")
        known = self.push(known=first, entry={"title": "Roof clean"})
        self.assertEqual(self.asked()[-1], "PUT")
        self.assertEqual(self.hands.titles("Personal"), ["Dentist", "Roof clean"])
        self.push("delete", known=known)
        self.push("delete", known=known)
        self.push("delete")
        self.assertEqual(self.hands.titles("Personal"), ["Dentist"])

    def test_what_hands_did_is_undone_and_only_there(self):
        known = self.push()
        event, _ = self.hands.entries("Personal")["Deep clean"]
        event.data = event.data.replace("Deep clean", "Mine")
        event.save()
        known = self.push(known=known, entry={"title": "Second"})
        self.assertEqual(self.hands.titles("Personal"), ["Dentist", "Second"])
        self.hands.entries("Personal")["Second"][0].delete()
        known = self.push(known=known, entry={"title": "Third"})
        self.assertEqual(self.hands.titles("Personal"), ["Dentist", "Third"])
        event, _ = self.hands.entries("Personal")["Third"]
        event.data = event.data.replace("Third", "Changed before the end")
        event.save()
        self.push("delete", known=known)
        self.assertEqual(self.hands.titles("Personal"), ["Dentist"])

    def test_what_is_not_ours_is_neither_overwritten_nor_deleted(self):
        foreign = str(self.hands.entries("Personal")["Dentist"][0].url)
        known = self.push(known={"provider_event_id": foreign})
        self.assertNotEqual(known["provider_event_id"], foreign)
        self.assertEqual(self.hands.titles("Personal"), ["Deep clean", "Dentist"])
        self.push("delete", known={"provider_event_id": foreign, "etag": '"stale"'})
        self.push("delete", known={"provider_event_id": foreign})
        self.assertEqual(self.hands.titles("Personal"), ["Deep clean", "Dentist"])

    def test_an_entry_follows_into_another_calendar(self):
        known = self.push()
        _, listed = self.plugin("list_calendars", {"secret": self.secret})
        work = next(c["id"] for c in listed["calendars"] if c["id"].endswith("/work/"))
        moved = self.push(known=known, calendar=work, entry={"title": "Moved"})
        self.assertTrue(moved["provider_event_id"].startswith(work))
        self.assertEqual((self.hands.titles("Personal"), self.hands.titles("Work")), (["Dentist"], ["Moved"]))
        again = self.push(known=known, calendar=work, entry={"title": "Moved"})  # the first answer was lost
        self.assertEqual(again["provider_event_id"], moved["provider_event_id"])
        self.assertEqual((self.hands.titles("Personal"), self.hands.titles("Work")), (["Dentist"], ["Moved"]))
        self.push("delete", known=moved, calendar=work)
        self.assertEqual(self.hands.titles("Work"), [])

    def test_a_calendar_that_is_gone_is_said_and_the_usual_one_is_found_again(self):
        known = self.push()
        self.hands.calendar("Personal").delete()
        found = self.push(uid="u-2", entry={"title": "Elsewhere"})
        self.assertNotIn("/personal/", found["provider_event_id"])
        request = {"operation": "upsert", "secret": self.secret, "uid": "u-3", "sequence": 1, "stamp": "2026-11-22T10:00:00Z",
                   "idempotency_key": "k", "entry": ENTRY, "calendar": known["provider_event_id"].rsplit("/", 1)[0] + "/"}
        status, answer = self.plugin("push", request)
        self.assertEqual((status, answer["code"]), ("not_found", "calendar_gone"), answer)
        self.push("delete", known=known)
        back = self.push(known=known)
        self.assertNotIn("/personal/", back["provider_event_id"], "what was in it goes to the usual one")
        self.assertEqual(os.path.dirname(back["provider_event_id"]), os.path.dirname(found["provider_event_id"]))

    def test_an_entry_of_a_whole_day_and_one_in_utc(self):
        self.push(entry={"title": "Day", "all_day": True, "start": "2031-12-01", "end": "2031-12-03",
                         "start_utc": "2031-12-01T00:00:00Z", "end_utc": "2031-12-03T00:00:00Z"})
        self.push(uid="u-2", entry={"title": "Universal", "timezone": "UTC"})
        entries = self.hands.entries("Personal")
        self.assertEqual(str(entries["Day"][1]["DTEND"].dt), "2031-12-03")
        self.assertEqual(entries["Universal"][1]["DTSTART"].dt.isoformat(), "2031-12-01T09:00:00+00:00")


class AtRadicale(At, unittest.TestCase):
    kind = servers.Radicale

    def test_an_entry_that_the_server_knows_under_another_name_is_found_by_its_uid(self):
        known = self.push()
        event, _ = self.hands.entries("Personal")["Deep clean"]
        data = event.data
        event.delete()
        self.hands.calendar("Personal").save_event(data, no_overwrite=False)
        names = [str(e.url) for e, _ in self.hands.entries("Personal").values()]
        self.assertNotIn(known["provider_event_id"], names)
        found = self.push(entry={"title": "Found again"})
        self.assertIn(found["provider_event_id"], names)
        self.assertEqual(self.hands.titles("Personal"), ["Dentist", "Found again"])
        self.push("delete")
        self.assertEqual(self.hands.titles("Personal"), ["Dentist"])


class AtXandikos(At, unittest.TestCase):
    kind = servers.Xandikos


class AtDavical(At, unittest.TestCase):
    kind = servers.Davical


class BehindAGate(unittest.TestCase):
    """Digest, redirects, TLS, and everything that a person can type wrongly."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="calbridge-caldav-gate-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = servers.Xandikos(self.folder, free_port()).start()
        self.addCleanup(self.server.stop)
        self.hands = Hands(self.server)
        self.hands.make("Personal")
        self.plugin = Plugin(LIBRARY)
        self.plugin.kv = None

    def gate(self, **how):
        gate = servers.Gate(self.server.port, free_port(), **how)
        self.addCleanup(gate.stop)
        return gate

    def typed(self, server, password=PASSWORD, plugin=None):
        status, answer = (plugin or self.plugin)("authenticate", {"credentials": {"server": server, "username": USER, "password": password}})
        self.assertNotIn(password, answer.get("message", ""))
        return status, answer

    def refusal(self, server, **more):
        status, answer = self.typed(server, **more)
        return status, answer["code"]

    def test_digest_keeps_its_nonce_takes_a_new_one_and_never_sends_the_password(self):
        for algorithm in ("SHA-256", "MD5"):
            with self.subTest(algorithm):
                gate = self.gate(algorithm=algorithm)
                self.plugin.kv = None
                self.assertEqual(self.refusal(gate.url, password="wrong one"), ("reauth_required", "invalid_credentials"))
                status, made = self.typed(gate.url)
                self.assertEqual(status, "ok", made)
                self.plugin.kv = {}
                request = {"operation": "upsert", "secret": made["secret"], "uid": algorithm.lower(), "sequence": 1, "entry": ENTRY,
                           "stamp": "2026-11-22T10:00:00Z", "idempotency_key": "k"}
                push = lambda: (self.plugin("push", request)[0], [status for _, _, status in self.plugin.requests])
                self.assertEqual(push()[0], "ok")
                self.assertEqual(push(), ("ok", [412, 200, 204]), "what was learnt is kept")
                gate.renew_nonce()
                self.assertEqual(push(), ("ok", [401, 412, 200, 204]))
                gate.password = "changed"
                self.assertEqual(push()[0], "reauth_required")
                self.assertFalse([value for _, _, value in gate.seen if (value or "").startswith("Basic")])

    def test_the_password_follows_redirects_within_its_domain_only(self):
        inner = self.gate(scheme="basic")
        outer = self.gate(scheme="basic", redirect={"/.well-known/caldav": inner.url + "/"})
        self.assertEqual(self.typed(outer.url)[0], "ok")
        folder = self.gate(scheme="basic", redirect={"/cloud/.well-known/caldav": inner.url + "/"})
        self.assertEqual(self.typed(folder.url + "/cloud")[0], "ok")
        self.assertNotIn("/.well-known/caldav", [path for _, path, _ in folder.seen])
        before = len(inner.seen)
        away = self.gate(scheme="basic", redirect={"/.well-known/caldav": inner.url.replace("127.0.0.1", "localhost") + "/"})
        self.assertEqual(self.refusal(away.url), ("permanent", "foreign_redirect"))
        self.assertEqual(len(inner.seen), before, "nothing was asked there")
        circle = self.gate(redirect={"/.well-known/caldav": "/.well-known/caldav"})
        self.assertEqual(self.refusal(circle.url), ("not_found", "not_caldav"))

    def test_where_a_uid_can_be_in_one_calendar_only_the_entry_leaves_one_before_it_enters_the_other(self):
        self.hands.make("Work")
        for precondition in ("no-uid-conflict", "unique-scheduling-object-resource"):
            with self.subTest(precondition):
                gate = self.gate(scheme="basic", one_uid=precondition)
                self.plugin.kv = {}
                request = {"operation": "upsert", "secret": {"server": gate.url, "username": USER, "password": PASSWORD}, "uid": precondition,
                           "sequence": 1, "entry": ENTRY, "stamp": "2026-11-22T10:00:00Z", "idempotency_key": "k"}
                _, listed = self.plugin("list_calendars", {"secret": request["secret"]})
                calendars = {c["id"].rstrip("/").rsplit("/", 1)[-1]: c["id"] for c in listed["calendars"]}
                status, first = self.plugin("push", {**request, "calendar": calendars["personal"]})
                self.assertEqual(status, "ok", first)
                for known, name, other in ((first, "work", "personal"), ({}, "personal", "work")):  # known; its first answer lost
                    status, moved = self.plugin("push", {**request, **known, "calendar": calendars[name]})
                    self.assertEqual(status, "ok", f"{moved}\n{self.plugin.requests}")
                    self.assertTrue(moved["provider_event_id"].startswith(calendars[name]), moved)
                    self.assertEqual([self.hands.titles(n) for n in (name, other)], [["Deep clean"], []])
                status, answer = self.plugin("push", {**request, **moved, "operation": "delete", "calendar": calendars["personal"]})
                self.assertEqual((status, self.hands.titles("Personal")), ("ok", []), answer)

    def test_each_mistake_has_its_own_words(self):
        self.assertEqual(self.refusal(self.gate(scheme="bearer").url), ("permanent", "auth_unsupported"))
        self.assertEqual(self.refusal(f"http://127.0.0.1:{free_port()}"), ("transient", "server_unreachable"))
        for text in ("ftp://127.0.0.1", "https://", "https://user@example.com/"):
            self.assertEqual(self.refusal(text), ("not_found", "invalid_server"))
        plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        plain.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        self.addCleanup(plain.server_close)
        self.addCleanup(plain.shutdown)
        status, answer = self.typed(f"http://127.0.0.1:{plain.server_port}/some/path")
        self.assertEqual((status, answer["code"]), ("not_found", "not_caldav"))
        for asked in ("/some/path: 501", "/some/path/.well-known/caldav: 501", "/.well-known/caldav: 501", "/: 501"):
            self.assertIn(asked, answer["message"])

    def test_a_name_without_a_scheme_means_https(self):
        authority, context = servers.certificates(self.folder)
        gate = self.gate(scheme="basic", context=context)
        trusting = Plugin(LIBRARY, ssl.create_default_context(cafile=authority))
        trusting.kv = None
        self.assertEqual(self.typed(gate.url.removeprefix("https://"), plugin=trusting)[0], "ok")
        self.assertEqual(self.refusal(gate.url), ("permanent", "tls_failed"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
