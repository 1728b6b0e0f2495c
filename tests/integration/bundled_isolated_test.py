"""Every plugin that is built with the host, once in a process of its own: connect, entry, change, cancel, disconnect.
Google and Outlook are the sandbox, the CalDAV server is Xandikos, the mail server aiosmtpd."""
import json
import os
import re
import shutil
import sys
import tempfile
import unittest

from harness import SKIPPED, SOURCE, Client, Installation, eventually, free_port, main

for folder in ("caldav", "mail"):
    sys.path.insert(0, os.path.join(SOURCE, "tests", folder))
import servers  # noqa: E402
from mail_server import MailServer  # noqa: E402

try:
    from hands import FOREIGN, Hands
    from invitations_test import FROM, Invitation, configuration
except ImportError:
    print("skipped: python3-caldav or python3-icalendar is not installed", file=sys.stderr)
    os._exit(SKIPPED)
if not os.path.exists(servers.Xandikos.program):
    print(f"skipped: {servers.Xandikos.program} is not installed", file=sys.stderr)
    os._exit(SKIPPED)
from isolation_test import runners_of  # noqa: E402

BUNDLED = ["google", "outlook", "ics", "caldav", "email"]
# Who has which provider; each gets the appointment for another reason.
STAFF = [{"id": "sarah", "name": "Sarah Jones"}, {"id": "omar", "name": "Omar Haddad"}]


class BundledIsolated(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="calbridge-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.mail = MailServer().start()
        self.addCleanup(self.mail.stop)
        self.dav = servers.Xandikos(self.folder, free_port()).start()
        self.addCleanup(self.dav.stop)
        self.hands = Hands(self.dav)
        self.hands.make("Personal")
        self.hands.calendar("Personal").save_event(FOREIGN)
        self.box = Installation(
            [*((f"plugins.isolation.{name}", "isolated") for name in BUNDLED),
             ("providers.caldav.allowed_hosts", '["127.0.0.0/8"]'),
             ("providers.email.enabled", "true"),
             ("providers.email.settings", json.dumps({"from": FROM})),
             ("providers.email.limits", json.dumps({"per_minute": 0, "per_account_per_minute": 0}))],
            environment={"SMTP_URL": f"smtp://localhost:{self.mail.port}"}, config=configuration(self.folder))
        self.addCleanup(self.finish)
        self.box.add_people()

    def finish(self):
        if any(error for _, error in getattr(self._outcome, "errors", [])):
            print("---- log of the host ----\n" + self.box.host.log()[-6000:])
        self.assertEqual(self.box.close(), 0, "the host stops cleanly")

    def connect_everybody(self):
        self.john = self.box.connect("john", "google")
        self.sarah = self.box.connect("sarah", "outlook")
        self.mia, self.feed = self.box.connect_feed("mia")
        self.ada = self.box.login("ada")
        connected = self.ada("POST", "/api/calendar/caldav/connect/", {"credentials": {
            "server": self.dav.url, "username": servers.USER, "password": servers.PASSWORD}})
        self.assertEqual(connected.status, 200, connected)

    def deliver(self, type, **changes):
        receipt = self.box.settled(self.box.send(type, staff=STAFF, **changes))
        self.assertEqual({d["last_error"] for d in receipt["deliveries"]}, {None} if receipt["deliveries"] else set(), receipt)
        return receipt

    def invitations(self):
        """What Omar, who has connected nothing, has got by mail."""
        return [Invitation(r) for r in list(self.mail.received) if r.recipients == ["omar@example.com"]]

    def seen(self):
        """Where the appointment begins, by what each person's calendar says; None where it is not."""
        google = self.box.sandbox.entries("google", "john@google.example")
        outlook = self.box.sandbox.entries("outlook", "sarah@outlook.example")
        feed = self.mia("GET", self.feed).body.replace("\r\n ", "")
        live = [event for event in feed.split("BEGIN:VEVENT")[1:] if "STATUS:CANCELLED" not in event]
        dav = [part for title, (_, part) in self.hands.entries("Personal").items() if title != "Dentist"]
        mails = [m for m in self.invitations()[-1:] if m.method == "REQUEST"]
        for entries in (google, outlook, live, dav):
            self.assertLessEqual(len(entries), 1)
        return {
            "google": google[0]["resource"]["start"]["dateTime"][:16] if google else None,
            "outlook": outlook[0]["resource"]["start"]["dateTime"][:16] if outlook else None,
            "ics": re.search(r"DTSTART;TZID=Europe/London:(\w+)", live[0])[1] if live else None,
            "caldav": dav[0]["DTSTART"].dt.isoformat()[:16] if dav else None,
            "email": mails[0].event["DTSTART"].dt.isoformat()[:16] if mails else None,
        }

    def everywhere(self, date, feed):
        return {provider: feed if provider == "ics" else date for provider in BUNDLED}

    def test_the_life_of_an_appointment_at_every_bundled_provider(self):
        self.assertEqual(len(runners_of(self.box.host)), len(BUNDLED), "each provider has a process of its own")
        self.connect_everybody()
        with self.subTest("an entry"):
            for type in ("order.confirmed", "appointment.assigned", "appointment.created"):
                self.deliver(type)
            self.assertEqual(self.seen(), self.everywhere("2031-12-01T09:00", "20311201T090000"))
        with self.subTest("a change"):
            receipt = self.deliver("appointment.rescheduled", version=2, start="2031-12-02T14:00:00", end="2031-12-02T16:00:00")
            self.assertEqual({d["provider"] for d in receipt["deliveries"]}, set(BUNDLED))
            self.assertEqual(self.seen(), self.everywhere("2031-12-02T14:00", "20311202T140000"))
        with self.subTest("a cancellation"):
            self.deliver("appointment.cancelled", version=3, status="cancelled")
            self.assertEqual(self.seen(), dict.fromkeys(BUNDLED))
            self.assertEqual([m.method for m in self.invitations()], ["REQUEST", "REQUEST", "CANCEL"])
        with self.subTest("disconnected: what is still to come goes"):
            for type in ("order.confirmed", "appointment.assigned", "appointment.created"):
                self.deliver(type, id="A-2")
            self.assertEqual(self.seen(), self.everywhere("2031-12-01T09:00", "20311201T090000"))
            for client, provider in ((self.john, "google"), (self.sarah, "outlook"), (self.mia, "ics"), (self.ada, "caldav")):
                answer = client("POST", f"/api/calendar/{provider}/disconnect/", {"events": "remove"})
                self.assertEqual(answer.status, 200, answer)
            link = self.invitations()[-1].unsubscribe
            answer = Client(self.box.host.url)("POST", link, "List-Unsubscribe=One-Click",
                                               {"Content-Type": "application/x-www-form-urlencoded"})
            self.assertEqual(answer.status, 200, answer)
            gone = {"google": None, "outlook": None, "caldav": None}
            self.assertEqual(eventually(lambda: self.mia("GET", self.feed).status == 404, "the feed is gone"), True)
            calendars = lambda: {
                "google": self.box.titles_of("google", "john@google.example"),
                "outlook": self.box.titles_of("outlook", "sarah@outlook.example"),
                "caldav": [t for t in self.hands.titles("Personal") if t != "Dentist"]}
            eventually(lambda: calendars() == dict.fromkeys(gone, []), "the entries are removed")
            self.assertEqual(self.hands.titles("Personal"), ["Dentist"], "and nothing else is")
            self.assertEqual(self.box.status(self.box.login("omar"), "email")["invitations"], "off")
        metrics = self.box.app("GET", "/metrics").body
        for provider in BUNDLED:
            self.assertIn(f'calbridge_plugin_restarts_total{{provider="{provider}"}} 0', metrics, "no process ended")
        violations = self.box.sandbox.control("GET", "violations")
        self.assertFalse(violations.get("violations", violations) if isinstance(violations, dict) else violations)


if __name__ == "__main__":
    main()
