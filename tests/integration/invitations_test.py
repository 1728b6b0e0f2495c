"""E-mail invitations: the real host and plugin against a real mail server with TLS and log-in; what arrives is read by
Python's own e-mail package and by python3-icalendar."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from harness import SKIPPED, SOURCE, Client, Installation, eventually, main

sys.path.insert(0, os.path.join(SOURCE, "tests", "mail"))
from mail_server import MailServer  # noqa: E402

try:
    import icalendar
except ImportError:
    print("skipped: python3-icalendar is not installed", file=sys.stderr)
    os._exit(SKIPPED)

FROM = "calendar@calbridge.example"
LOGIN = ("calendar", "correct horse battery")


def certificate(folder):
    paths = [os.path.join(folder, name) for name in ("mail.pem", "mail.key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


def configuration(folder):
    """The shipped one, where every role may get invitations."""
    target = os.path.join(folder, "config")
    shutil.copytree(os.path.join(SOURCE, "config"), target)
    path = os.path.join(target, "roles.json")
    with open(path) as file:
        text = file.read()
    changed = text.replace('"ics", "caldav"]', '"ics", "caldav", "email"]')
    assert changed != text
    with open(path, "w") as file:
        file.write(changed)
    return target


class Invitation:
    """What one message says."""

    def __init__(self, received):
        self.received, self.message = received, received.message
        self.text = self.message.get_body(("plain",)).get_content()
        part = next(p for p in self.message.walk() if p.get_content_type() == "text/calendar")
        self.method = part.get_param("method")
        self.calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
        self.event = next(c for c in self.calendar.walk() if c.name == "VEVENT")
        self.uid, self.sequence = str(self.event["UID"]), int(self.event["SEQUENCE"])
        link = self.message["List-Unsubscribe"]
        self.unsubscribe = urllib.parse.urlsplit(link.strip("<>")).path


class EmailInvitations(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="calbridge-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.certificate, self.key = certificate(self.folder)
        self.mail = MailServer("tls", self.certificate, self.key, LOGIN).start()
        self.box = Installation(
            [("providers.email.enabled", "true"),
             ("providers.email.settings", json.dumps({"from": FROM, "from_name": "Valentine’s Cleaning"})),
             ("providers.email.limits", json.dumps({"per_minute": 0, "per_account_per_minute": 0})),
             ("tls.ca_file", self.certificate)],
            environment={"SMTP_URL": f"smtps://localhost:{self.mail.port}", "SMTP_USERNAME": LOGIN[0], "SMTP_PASSWORD": LOGIN[1]},
            config=configuration(self.folder))
        self.clients = {}
        self.addCleanup(self.finish)
        self.box.add_people()

    def finish(self):
        if any(error for _, error in getattr(self._outcome, "errors", [])):
            print("---- log of the host ----\n" + self.box.host.log()[-6000:])
        self.assertEqual(self.box.close(), 0, "the host stops cleanly")

    def mails(self, address, count):
        """All invitations to that address, once there are so many."""
        to = lambda: [r for r in list(self.mail.received) if r.recipients == [address]]
        eventually(lambda: len(to()) >= count, f"{count} messages for {address}")
        self.assertEqual(len(to()), count)
        return [Invitation(r) for r in to()]

    def rests(self):
        """Whatever was to be sent is sent: what is ordered now comes after it."""
        before = len([r for r in self.mail.received if r.recipients == ["omar@example.com"]])
        self.box.settled(self.box.send("appointment.assigned", id=f"A-marker-{before}", customer={"id": "nobody", "name": "N"},
                                       staff=[{"id": "omar", "name": "Omar"}]))
        self.mails("omar@example.com", before + 1)

    def state(self, person):
        if person not in self.clients:
            self.clients[person] = self.box.login(person)
        return self.box.status(self.clients[person], "email")

    def test_an_appointment_comes_changes_and_goes_by_mail(self):
        self.box.settled(self.box.send("order.confirmed"))
        first, = self.mails("john@example.com", 1)
        self.assertEqual(first.received.sender, FROM)
        message = first.message
        self.assertEqual(message["From"].addresses[0].addr_spec, FROM)
        self.assertEqual(message["From"].addresses[0].display_name, "Valentine’s Cleaning")
        self.assertEqual(message["To"].addresses[0].display_name, "John Smith")
        self.assertEqual(message["Subject"], "Deep clean with Sarah – Mon 1 Dec 2031, 09:00")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        self.assertEqual(message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        self.assertEqual(message.get_content_type(), "multipart/alternative")
        self.assertTrue(message["Message-ID"].endswith("@calbridge.example>"))
        self.assertEqual(message.defects, [])
        self.assertIn("When: Monday, 1 December 2031, 09:00–11:00 (Europe/London)", first.text)
        self.assertIn("Where: 1 High Street, London N1 1AA", first.text)
        self.assertIn("Order: VC-77", first.text)
        self.assertNotIn("oven", first.text, "the customer's role does not see the details")
        self.assertTrue(all(len(line) <= 78 for line in first.received.content.decode().split("\r\n")[:12] if "nsubscribe" not in line))

        self.assertEqual((first.method, str(first.calendar["METHOD"])), ("REQUEST", "REQUEST"))
        event = first.event
        self.assertEqual(str(event["ORGANIZER"]), "mailto:" + FROM)
        self.assertEqual(str(event["ATTENDEE"]), "mailto:john@example.com")
        self.assertEqual((event["ATTENDEE"].params["PARTSTAT"], event["ATTENDEE"].params["RSVP"]), ("NEEDS-ACTION", "FALSE"))
        self.assertEqual(event["DTSTART"].dt.isoformat(), "2031-12-01T09:00:00+00:00")
        self.assertEqual(event["DTSTART"].params["TZID"], "Europe/London")
        self.assertTrue([c for c in first.calendar.walk() if c.name == "VTIMEZONE"])
        self.assertEqual(len([c for c in event.walk() if c.name == "VALARM"]), 2)

        self.box.settled(self.box.send("appointment.rescheduled", version=2, start="2031-12-02T10:00:00", end="2031-12-02T12:00:00"))
        second = self.mails("john@example.com", 2)[1]
        self.assertEqual((second.method, second.uid, second.sequence), ("REQUEST", first.uid, first.sequence + 1))
        self.assertEqual(second.event["DTSTART"].dt.day, 2)
        self.assertTrue(second.message["Subject"].startswith("Changed: "))
        self.assertNotEqual(second.message["Message-ID"], message["Message-ID"])

        # What changes nothing says nothing: the same again, and a check of everything.
        self.box.settled(self.box.send("appointment.updated", version=3, start="2031-12-02T10:00:00", end="2031-12-02T12:00:00"))
        john = self.box.login("john")
        self.assertEqual(john("POST", "/api/calendar/sync/").json["queued"], 1)
        eventually(lambda: self.state("john")["pending"] == 0, "the check is over")
        self.rests()
        self.mails("john@example.com", 2)

        self.box.settled(self.box.send("appointment.cancelled", version=4, status="cancelled"))
        last = self.mails("john@example.com", 3)[2]
        self.assertEqual((last.method, last.uid, str(last.event["STATUS"])), ("CANCEL", first.uid, "CANCELLED"))
        self.assertGreater(last.sequence, second.sequence)
        self.assertTrue(last.message["Subject"].startswith("Cancelled: "))
        # One who was cancelled and is confirmed again gets it as a new one, above the cancellation.
        self.box.settled(self.box.send("order.confirmed", version=5))
        again = self.mails("john@example.com", 4)[3]
        self.assertEqual((again.method, again.uid), ("REQUEST", first.uid))
        self.assertGreater(again.sequence, last.sequence)

    def test_who_connects_a_calendar_gets_no_more_mail_and_each_role_its_own_words(self):
        self.box.settled(self.box.send("order.confirmed"))
        self.box.settled(self.box.send("appointment.assigned", version=2))
        self.mails("john@example.com", 1)
        sarah, = self.mails("sarah@example.com", 1)
        self.assertIn("+44 20 7946 0001", sarah.text)
        self.mails("mia@example.com", 1)
        john = self.box.connect("john", "google")
        back = self.mails("john@example.com", 2)[1]
        self.assertEqual(back.method, "CANCEL")
        self.assertIn("not cancelled", back.text)
        eventually(lambda: self.box.titles_of("google", "john@google.example") == ["Deep clean with Sarah"], "it is at Google")
        self.assertEqual(self.box.status(john, "email")["invitations"], "not_needed")
        self.assertFalse(self.box.status(john, "email")["connected"])
        self.box.settled(self.box.send("appointment.updated", version=3, start="2031-12-03T09:00:00", end="2031-12-03T11:00:00"))
        self.mails("sarah@example.com", 2)
        self.rests()
        self.mails("john@example.com", 2)
        self.assertEqual(john("POST", "/api/calendar/google/disconnect/", {"events": "remove"}).status, 200)
        fresh = self.mails("john@example.com", 3)[2]
        self.assertEqual((fresh.method, fresh.uid, fresh.event["DTSTART"].dt.day), ("REQUEST", back.uid, 3))
        self.assertGreater(fresh.sequence, back.sequence)
        self.assertEqual(self.state("john")["invitations"], "on")
        # A subscription is a calendar, too.
        john("POST", "/api/calendar/ics/connect/")
        self.assertEqual(self.mails("john@example.com", 4)[3].method, "CANCEL")

    def test_the_unsubscribe_link_ends_it_with_one_click_and_the_settings_bring_it_back(self):
        self.box.settled(self.box.send("order.confirmed"))
        first, = self.mails("john@example.com", 1)
        anyone = Client(self.box.host.url)
        asked = anyone("GET", first.unsubscribe)
        self.assertEqual(asked.status, 200)
        self.assertIn("<form", asked.body)
        self.assertEqual(asked.headers["cache-control"], "no-store")
        self.assertEqual(self.state("john")["invitations"], "on", "looking changes nothing")
        # From a mail program that is itself a page, too: the secret is all that counts (RFC 8058).
        one_click = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://webmail.example",
                     "Sec-Fetch-Site": "cross-site"}
        self.assertEqual(anyone("POST", first.unsubscribe, "List-Unsubscribe=One-Click", one_click).status, 200)
        self.assertEqual(anyone("POST", first.unsubscribe, "List-Unsubscribe=One-Click", one_click).status, 200)
        self.assertEqual(self.state("john")["invitations"], "off")
        self.box.settled(self.box.send("appointment.updated", version=2, start="2031-12-03T09:00:00", end="2031-12-03T11:00:00"))
        self.rests()
        self.mails("john@example.com", 1)

        admin = self.box.login("ada")
        lines = [line for line in admin("GET", "/api/audit/?person=john").json["lines"] if line["action"] == "invitations.off"]
        self.assertEqual([(line["actor"], line["detail"]["by"]) for line in lines], [(None, "link")])
        for wrong in (first.unsubscribe[:-2] + "x/", "/api/calendar/unsubscribe/1." + "A" * 43 + "/", "/api/calendar/unsubscribe/x/"):
            for method in ("GET", "POST"):
                refused = anyone(method, wrong)
                self.assertEqual((refused.status, refused.json["code"]), (404, "not_found"))
                page = anyone(method, wrong, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
                self.assertEqual((page.status, page.headers["content-type"]), (404, "text/html; charset=utf-8"))
                self.assertIn("This link is not valid", page.body)

        john = self.box.login("john")
        self.assertEqual(john("POST", "/api/calendar/email/connect/").json, {"invitations": "on"})
        second = self.mails("john@example.com", 2)[1]
        self.assertEqual((second.method, second.uid, second.event["DTSTART"].dt.day), ("REQUEST", first.uid, 3))
        self.assertEqual(anyone("GET", first.unsubscribe).status, 200, "the link of an old message stays good")
        self.assertEqual(john("POST", "/api/calendar/email/disconnect/", {"events": "remove"}).json["removing"], 1)
        self.assertEqual(self.mails("john@example.com", 3)[2].method, "CANCEL")
        self.box.settled(self.box.send("appointment.updated", version=3))
        self.rests()
        self.mails("john@example.com", 3)

        secret = first.unsubscribe.strip("/").split("/")[-1].split(".")[1]
        self.assertNotIn(secret, self.box.host.log())
        self.assertNotIn(LOGIN[1], self.box.host.log())
        for root, _, files in os.walk(os.path.join(self.box.folder, "var")):
            for name in files:
                if not os.path.isfile(os.path.join(root, name)):
                    continue  # the control socket
                with open(os.path.join(root, name), "rb") as file:
                    self.assertNotIn(secret.encode(), file.read(), name)

    def test_a_server_that_is_away_full_or_rude_costs_nothing_and_many_edits_become_one_message(self):
        self.box.settled(self.box.send("order.confirmed"))
        first, = self.mails("john@example.com", 1)
        port = self.mail.port
        self.mail.stop()
        for version in range(2, 102):
            self.box.send("appointment.updated", version=version, start=f"2031-12-01T09:{version % 60:02}:00")
        eventually(lambda: self.state("john")["health"] == "failing", "the trouble is shown")
        received = self.mail.received
        self.mail = MailServer("tls", self.certificate, self.key, LOGIN, port=port).start()
        self.mail.received = received
        self.mail.greylisted, self.mail.drops = 1, 0
        second = self.mails("john@example.com", 2)[1]
        self.assertEqual(second.event["DTSTART"].dt.minute, 101 % 60)
        self.assertEqual(second.uid, first.uid)
        eventually(lambda: self.state("john")["health"] == "ok", "and that it is over")

        # Taken, and then the line went dead: it comes twice, as the same message about the same state of the entry.
        self.mail.drops = 1
        self.box.settled(self.box.send("appointment.updated", version=200, start="2031-12-01T08:00:00"))
        third, fourth = self.mails("john@example.com", 4)[2:]
        self.assertEqual(third.message["Message-ID"], fourth.message["Message-ID"])
        self.assertEqual((third.uid, third.sequence), (fourth.uid, fourth.sequence))

        # An address that does not exist is for good, and is told.
        self.mail.unknown = {"john@example.com"}
        receipt = self.box.settled(self.box.send("appointment.updated", version=201, start="2031-12-01T07:00:00"))
        delivery = next(d for d in receipt["deliveries"] if d["person"] == "john")
        self.assertEqual((delivery["provider"], delivery["state"], delivery["last_error"]["code"]), ("email", "failed", "recipient_refused"))
        self.assertIn("550", delivery["last_error"]["message"])
        self.assertIn("no such mailbox", self.state("john")["last_sync_error"])

    def test_assigned_away_and_back_again_is_one_entry_whose_number_only_grows(self):
        assign = lambda version, person: self.box.settled(
            self.box.send("appointment.assigned", version=version, staff=[{"id": person, "name": person.title()}]))
        assign(2, "sarah")
        first, = self.mails("sarah@example.com", 1)
        assign(3, "omar")
        theirs, = self.mails("omar@example.com", 1)
        gone = self.mails("sarah@example.com", 2)[1]
        assign(4, "sarah")
        back = self.mails("sarah@example.com", 3)[2]
        self.assertEqual([m.method for m in (first, gone, back)], ["REQUEST", "CANCEL", "REQUEST"])
        self.assertEqual({m.uid for m in (first, gone, back)}, {first.uid})
        self.assertNotEqual(theirs.uid, first.uid, "one UID is one person's")
        self.assertLess(first.sequence, gone.sequence)
        self.assertLess(gone.sequence, back.sequence)
        self.assertEqual(self.mails("omar@example.com", 2)[1].method, "CANCEL")
        self.assertEqual(len({m.message["Message-ID"] for m in (first, gone, back)}), 3)

    def test_what_happens_while_the_server_hangs_is_one_message_when_it_is_back(self):
        # It takes connections and says nothing: an attempt with the oldest words is under way all the time.
        port = self.mail.port
        self.mail.stop()
        with socket.create_server(("127.0.0.1", port)) as deaf:
            self.box.send("order.confirmed")
            taken, _ = deaf.accept()
            for version in range(2, 21):
                latest = self.box.send("appointment.updated", version=version, start=f"2031-12-01T08:{version:02}:00")
            eventually(lambda: self.box.receipt(latest)["state"] != "accepted", "the latest words are decided")
            taken.close()
        received = self.mail.received
        self.mail = MailServer("tls", self.certificate, self.key, LOGIN, port=port).start()
        self.mail.received = received
        self.box.settled(latest)
        self.rests()
        only, = self.mails("john@example.com", 1)
        self.assertEqual((only.method, only.event["DTSTART"].dt.minute), ("REQUEST", 20))

    def test_text_from_the_application_never_becomes_structure(self):
        evil = "Clean\r\nBcc: eve@example.com\r\n\r\nBEGIN:VALARM\nEND:VEVENT\r\n.\r\nMAIL FROM:<x@y.example>"
        self.box.settled(self.box.send("order.confirmed", service={"name": evil}, location={"address": 'X"\r\nATTENDEE:mailto:eve@example.com'}))
        one, = self.mails("john@example.com", 1)
        self.assertIsNone(one.message["Bcc"])
        self.assertEqual(one.message.defects, [])
        self.assertEqual(len(one.message.get_payload()), 2)
        self.assertEqual(str(one.event["ATTENDEE"]), "mailto:john@example.com")
        self.assertEqual(len([c for c in one.event.walk() if c.name == "VALARM"]), 2)
        self.assertIn("Bcc: eve@example.com", str(one.event["SUMMARY"]))
        self.assertEqual(len(self.mail.received), 1)
        self.box.app("PUT", "/api/people/zoe/", {"name": 'Zoé "Z" \\ <zoe@evil.example>', "email": "zoe@example.com", "role": "customer"})
        self.box.settled(self.box.send("order.confirmed", id="A-2", customer={"id": "zoe", "name": "Zoé"},
                                       service={"name": "Grüße 🎉 " * 12}))
        zoe, = self.mails("zoe@example.com", 1)
        self.assertEqual([a.addr_spec for a in zoe.message["To"].addresses], ["zoe@example.com"])
        self.assertEqual(zoe.message["To"].addresses[0].display_name, 'Zoé "Z" \\ <zoe@evil.example>')
        self.assertIn("Grüße 🎉 Grüße 🎉", zoe.message["Subject"])

    def test_another_address_gets_the_entry_and_the_old_one_is_told(self):
        self.box.settled(self.box.send("order.confirmed"))
        first, = self.mails("john@example.com", 1)
        person = {"name": "John Smith", "email": "john@new.example", "role": "customer", "timezone": "Europe/London"}
        self.assertEqual(self.box.app("PUT", "/api/people/john/", person).status, 200)
        self.assertEqual(self.mails("john@new.example", 1)[0].method, "REQUEST")
        self.assertEqual(self.mails("john@example.com", 2)[1].method, "CANCEL")
        # Somebody whom no mail reaches: the receipt says why.
        self.box.app("PUT", "/api/people/john/", dict(person, email="jöhn@exämple.example"))
        receipt = self.box.settled(self.box.send("appointment.updated", version=2, start="2031-12-01T08:30:00"))
        failed = [d for d in receipt["deliveries"] if d["person"] == "john" and d["state"] == "failed"]
        self.assertEqual([d["last_error"]["code"] for d in failed], ["no_address"])
        self.assertEqual(self.mails("john@new.example", 2)[1].method, "CANCEL")

    def test_without_a_mail_server_the_check_says_so_and_nothing_is_sent_where_it_is_not_allowed(self):
        host = self.box.host
        host.stop()
        without = {k: v for k, v in host.environment.items() if not k.startswith("SMTP_")}
        whole, host.environment = host.environment, without
        refused = host.run("check", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("/providers/email/plugin: SMTP is not configured", refused.stdout + refused.stderr)
        host.environment = dict(whole, SMTP_URL="smtp://user:secret@mail.example.com")
        refused = host.run("check", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("SMTP_URL", refused.stdout + refused.stderr)
        self.assertNotIn("secret@", refused.stdout + refused.stderr)
        host.environment = whole
        host.start()
        self.box.settled(self.box.send("order.confirmed"))
        self.mails("john@example.com", 1)
        # The role loses it: what was sent stays as it is, and no message comes any more.
        path = os.path.join(host.config, "roles.json")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace(', "email"]', "]", 1))
        host.process.send_signal(signal.SIGHUP)
        john = self.box.login("john")
        eventually(lambda: all(p["provider"] != "email" for p in john("GET", "/api/calendar/status/").json["providers"]),
                   "the customer's role has it no more")
        self.box.settled(self.box.send("appointment.updated", version=2, start="2031-12-01T08:30:00"))
        self.rests()
        self.mails("john@example.com", 1)


if __name__ == "__main__":
    main()
