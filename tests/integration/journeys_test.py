"""The guide's scenarios: a customer on Google, a staff member on Outlook, a manager on .ics, an admin on Google."""
import json
import re

from harness import APPOINTMENT, InstallationTest, eventually, main



class Journeys(InstallationTest):
    def connect_everybody(self):
        self.john = self.box.connect("john", "google")
        self.sarah = self.box.connect("sarah", "outlook")
        self.mia, self.feed = self.box.connect_feed("mia")
        self.ada = self.box.connect("ada", "google")

    def google(self, person):
        return [e["resource"] for e in self.box.sandbox.entries("google", f"{person}@google.example")]

    def outlook(self, person):
        return [e["resource"] for e in self.box.sandbox.entries("outlook", f"{person}@outlook.example")]

    def feed_text(self):
        return self.mia("GET", self.feed).body.replace("\r\n ", "")

    def book(self):
        self.box.settled(self.box.send("order.confirmed"))
        self.box.settled(self.box.send("appointment.assigned"))
        self.box.settled(self.box.send("appointment.created"))

    def test_each_role_gets_its_own_wording_in_its_own_calendar(self):
        self.connect_everybody()
        self.book()
        [customer] = self.google("john")
        self.assertIn("Sarah", customer["description"])
        self.assertIn("VC-77", customer["description"])
        self.assertEqual(customer["location"], "1 High Street, London N1 1AA")
        self.assertNotIn("7946", customer["description"], "a customer sees nobody's phone")
        self.assertNotIn("Key under the mat", str(customer), "notes are for staff")
        self.assertTrue(customer["reminders"]["overrides"])
        [staff] = self.outlook("sarah")
        for fact in ("John Smith", "+44 20 7946 0001", "1 High Street", "oven", "Key under the mat"):
            self.assertIn(fact, staff["body"]["content"])
        self.assertEqual(staff["start"]["timeZone"], "UTC")
        feed = self.feed_text()
        for fact in ("Sarah Jones", "John Smith", "+44 20 7946 0001", "TRANSP:TRANSPARENT"):
            self.assertIn(fact, feed)
        self.assertNotIn("Key under the mat", feed)
        [admin] = self.google("ada")
        self.assertEqual(admin["transparency"], "transparent")
        self.assertIn("+44 20 7946 0002", admin["description"])

    def test_a_change_and_a_cancellation_follow_by_themselves(self):
        self.connect_everybody()
        self.book()
        ids = [self.google("john")[0]["id"], self.outlook("sarah")[0]["id"]]
        receipt = self.box.settled(self.box.send("appointment.rescheduled", version=2, start="2031-12-02T14:00:00",
                                                 end="2031-12-02T16:00:00"))
        self.assertEqual({d["person"] for d in receipt["deliveries"]}, {"john", "sarah", "mia", "ada"})
        self.assertEqual({(d["state"], d["attempts"]) for d in receipt["deliveries"]}, {("delivered", 1)})
        self.assertTrue(self.google("john")[0]["start"]["dateTime"].startswith("2031-12-02T14:00:00"))
        self.assertTrue(self.outlook("sarah")[0]["start"]["dateTime"].startswith("2031-12-02T14:00:00"))
        self.assertEqual(ids, [self.google("john")[0]["id"], self.outlook("sarah")[0]["id"]], "changed, not made anew")
        self.assertIn("DTSTART;TZID=Europe/London:20311202T140000", self.feed_text())
        sequence = int(re.search(r"SEQUENCE:(\d+)", self.feed_text())[1])
        self.box.settled(self.box.send("order.cancelled", version=3, status="cancelled"))
        self.assertEqual((self.google("john"), self.outlook("sarah"), self.google("ada")), ([], [], []))
        feed = self.feed_text()
        self.assertIn("STATUS:CANCELLED", feed)
        self.assertGreater(int(re.search(r"SEQUENCE:(\d+)", feed)[1]), sequence)

    def test_reassignment_there_and_back_ends_right(self):
        self.box.connect("sarah", "outlook")
        self.box.connect("omar", "google")
        self.box.connect("mia", "google")
        self.box.connect("max", "outlook")
        omar = [{"id": "omar", "name": "Omar Haddad", "phone": "+44 20 7946 0003"}]
        self.box.settled(self.box.send("appointment.assigned"))
        self.assertEqual([len(self.outlook("sarah")), len(self.google("omar")), len(self.google("mia")), len(self.outlook("max"))],
                         [1, 0, 1, 0])
        self.box.settled(self.box.send("appointment.assigned", version=2, staff=omar))
        self.assertEqual([len(self.outlook("sarah")), len(self.google("omar")), len(self.google("mia")), len(self.outlook("max"))],
                         [0, 1, 0, 1])
        self.box.settled(self.box.send("appointment.assigned", version=3))
        self.assertEqual([len(self.outlook("sarah")), len(self.google("omar")), len(self.google("mia")), len(self.outlook("max"))],
                         [1, 0, 1, 0])

    def test_who_connects_later_and_who_connects_twice_gets_everything_that_is_not_over(self):
        self.box.settled(self.box.send("order.confirmed"))
        self.box.settled(self.box.send("order.confirmed", {**APPOINTMENT, "id": "A-old", "start": "2020-01-01T09:00:00",
                                                           "end": "2020-01-01T10:00:00"}))
        john = self.box.connect("john", "google")
        eventually(lambda: len(self.google("john")) == 1, "the future appointment arrives in Google")
        self.box.authorize(john, "outlook", "john@outlook.example")
        eventually(lambda: len(self.outlook("john")) == 1, "and in the second calendar")
        self.assertEqual(len(self.google("john")), 1)

    def test_an_older_snapshot_changes_nothing_and_its_receipt_says_so(self):
        self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed", version=5))
        receipt = self.box.settled(self.box.send("appointment.updated", version=4, service={"name": "Wrong"}))
        self.assertTrue(receipt["stale"])
        self.assertNotIn("Wrong", str(self.google("john")))

    def test_duplicates_and_conflicts_of_events(self):
        event = self.box.event("order.confirmed")
        self.box.post(event)
        headers = {"Content-Type": "application/cloudevents+json"}
        again = self.box.app("POST", "/api/events/", json.dumps(event), headers)
        self.assertEqual((again.status, again.json["duplicate"]), (202, True))
        event["data"]["appointment"]["service"] = {"name": "Something else"}
        other = self.box.app("POST", "/api/events/", json.dumps(event), headers)
        self.assertEqual((other.status, other.json["code"]), (409, "event_conflict"))
        binary = self.box.app("POST", "/api/events", json.dumps({"appointment": APPOINTMENT}),
                              {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "b-1",
                               "ce-source": "tests", "ce-type": "order.confirmed"})
        self.assertEqual(binary.status, 202, binary)
        batch = [self.box.event("appointment.updated"), self.box.event("appointment.created")]
        answer = self.box.app("POST", "/api/events/", json.dumps(batch),
                              {"Content-Type": "application/cloudevents-batch+json"})
        self.assertEqual((answer.status, answer.json["accepted"]), (202, 2))
        bad = [self.box.event("appointment.updated"), {"specversion": "1.0"}]
        answer = self.box.app("POST", "/api/events/", json.dumps(bad),
                              {"Content-Type": "application/cloudevents-batch+json"})
        self.assertEqual((answer.status, answer.json["pointer"]), (400, "/1/id"))
        self.assertEqual(self.box.app("GET", f"/api/events/{bad[0]['id']}/?source=tests").status, 404,
                         "a batch is taken as a whole or not at all")

    def test_unknown_people_get_no_entry_and_the_receipt_says_so(self):
        receipt = self.box.settled(self.box.send("order.confirmed", customer={"id": "nobody", "name": "No Body"}))
        self.assertEqual([u["person"] for u in receipt["unknown_people"]], ["nobody"])
        self.assertEqual(receipt["deliveries"], [])

    def test_custom_entries_reach_the_calendar_and_can_be_changed_and_deleted(self):
        john = self.box.connect("john", "google")
        made = john("POST", "/api/calendar/events/", {"title": "Dentist", "start": "2031-05-01T10:00:00",
                                                      "end": "2031-05-01T11:00:00", "timezone": "Europe/London"})
        self.assertEqual(made.status, 201, made)
        eventually(lambda: [e["summary"] for e in self.google("john")] == ["Dentist"], "the entry arrives")
        path = f"/api/calendar/events/{made.json['id']}/"
        self.assertEqual(john("PATCH", path, {"title": "Dentist, moved", "start": "2031-05-02T10:00:00",
                                              "end": "2031-05-02T11:00:00"}).status, 200)
        eventually(lambda: [e["summary"] for e in self.google("john")] == ["Dentist, moved"], "the change arrives")
        sarah = self.box.login("sarah")
        self.assertEqual(sarah("PATCH", path, {"title": "mine now"}).status, 404)
        self.assertEqual(sarah("DELETE", path).status, 404)
        self.assertEqual(john("DELETE", path).status, 204)
        eventually(lambda: self.google("john") == [], "it goes away")

    def test_a_download_and_the_feed_know_one_entry_by_one_name(self):
        self.connect_everybody()
        self.book()
        download = self.mia("GET", "/api/calendar/ics/A-1001/")
        self.assertEqual((download.status, download.headers["content-type"]), (200, "text/calendar; charset=utf-8"))
        uid = re.search(r"UID:(\S+)", download.body)[1]
        self.assertIn("UID:" + uid, self.feed_text())
        self.assertEqual(self.box.login("omar")("GET", "/api/calendar/ics/A-1001/").status, 404)

    def test_an_unchanged_feed_answers_304_and_a_renewed_address_is_dead(self):
        self.connect_everybody()
        self.book()
        first = self.mia("GET", self.feed)
        for headers in ({"If-None-Match": first.headers["etag"]}, {"If-Modified-Since": first.headers["last-modified"]}):
            again = self.mia("GET", self.feed, headers=headers)
            self.assertEqual((again.status, again.body), (304, ""))
        self.box.settled(self.box.send("appointment.updated", version=2, service={"name": "Light clean"}))
        changed = self.mia("GET", self.feed, headers={"If-None-Match": first.headers["etag"]})
        self.assertEqual(changed.status, 200)
        self.assertIn("Light clean", changed.body)
        renewed = self.mia("POST", "/api/calendar/ics/connect/").json
        self.assertTrue(renewed["webcal_url"].startswith("webcal://"))
        self.assertEqual(self.mia("GET", self.feed).status, 404)


if __name__ == "__main__":
    main()
