"""Connecting, refusing, losing and giving up a calendar."""
import sqlite3
import urllib.parse

from harness import Client, InstallationTest, eventually, main


class Connections(InstallationTest):
    def settings_page(self, **query):
        return f"{self.box.host.url}/settings/calendar?" + urllib.parse.urlencode(query)

    def test_a_denied_consent_ends_in_a_reason_and_changes_nothing(self):
        john = self.box.login("john")
        for provider in ("google", "outlook"):
            where = self.box.authorize(john, provider, f"john@{provider}.example", "deny")
            self.assertEqual(where, self.settings_page(error="access_denied", provider=provider))
            self.assertFalse(self.box.status(john, provider)["connected"])
        where = self.box.authorize(john, "google", "john@google.example", "admin_policy_enforced")
        self.assertEqual(where, self.settings_page(error="admin_policy_enforced", provider="google"))

    def test_a_callback_needs_its_state_its_browser_and_its_provider(self):
        john = self.box.login("john")
        self.box.sandbox.control("POST", "authorize", {"provider": "google", "account": "john@google.example", "count": 0})
        consent = urllib.parse.urlsplit(john("POST", "/api/calendar/google/connect/").json["authorization_url"])
        query = dict(urllib.parse.parse_qsl(consent.query))
        self.assertEqual(query["code_challenge_method"], "S256")
        back = Client(self.box.sandbox.url)("GET", consent.path + "?" + consent.query).headers["location"]
        callback = urllib.parse.urlsplit(back)
        mismatch = self.settings_page(error="state_mismatch", provider="google")
        counters = lambda: str(self.box.sandbox.control("GET", "requests")).count("/google/token")
        before = counters()
        elsewhere = Client(self.box.host.url)
        self.assertEqual(elsewhere("GET", callback.path + "?" + callback.query).headers["location"], mismatch)
        john_again = self.box.login("john")
        self.assertEqual(john_again("GET", "/api/calendar/google/callback/?code=x&state=made-up").headers["location"], mismatch)
        self.assertEqual(john("GET", "/api/calendar/google/callback/").headers["location"], mismatch)
        other = john("GET", "/api/calendar/outlook/callback/?" + callback.query).headers["location"]
        self.assertEqual(other, self.settings_page(error="state_mismatch", provider="outlook"))
        self.assertEqual(counters(), before, "no token was asked for")

    def test_a_replayed_callback_is_refused(self):
        john = self.box.login("john")
        self.box.sandbox.control("POST", "authorize", {"provider": "google", "account": "john@google.example"})
        consent = urllib.parse.urlsplit(john("POST", "/api/calendar/google/connect/").json["authorization_url"])
        back = urllib.parse.urlsplit(Client(self.box.sandbox.url)("GET", consent.path + "?" + consent.query).headers["location"])
        first = john("GET", back.path + "?" + back.query)
        self.assertEqual(first.headers["location"], self.settings_page(connected="google"))
        second = john("GET", back.path + "?" + back.query)
        self.assertEqual(second.headers["location"], self.settings_page(error="state_mismatch", provider="google"))
        self.assertTrue(self.box.status(john, "google")["connected"])

    def test_a_dead_grant_stops_attempts_says_reconnect_and_delivers_after_reconnection(self):
        for provider in ("google", "outlook"):
            with self.subTest(provider):
                account = f"john@{provider}.example"
                john = self.box.connect("john", provider, account)
                self.box.sandbox.control("POST", "revoke", {"provider": provider, "account": account})
                self.box.sandbox.control("POST", "expire-access-tokens", {"provider": provider})
                event = self.box.send("order.confirmed", id=f"A-{provider}", version=1)
                status = eventually(lambda: (lambda s: s if s["needs"] == "reconnect" else None)(self.box.status(john, provider)),
                                    "the page asks to reconnect")
                self.assertEqual(status["health"], "needs_reconnection")
                deliveries = [d for d in self.box.receipt(event)["deliveries"] if d["provider"] == provider]
                self.assertEqual([d["state"] for d in deliveries], ["blocked"])
                self.box.settled(self.box.send("appointment.updated", id=f"A-{provider}", version=2, service={"name": f"Newest at {provider}"}))
                newest = lambda: str(self.box.titles_of(provider, account)).count(f"Newest at {provider}")
                self.assertEqual(newest(), 0)
                self.box.authorize(john, provider, account)
                eventually(lambda: newest() == 1, "what waited arrives, once")
                self.assertEqual(self.box.status(john, provider)["health"], "ok")
                john("POST", f"/api/calendar/{provider}/disconnect/", {"events": "remove"})

    def test_an_admin_sees_a_dead_grant_until_its_person_reconnects(self):
        john, ada = self.box.connect("john", "google"), self.box.login("ada")
        everybodys = lambda: ada("GET", "/api/calendar/connections/?needs=reconnect").json
        google = lambda: next(p for p in everybodys()["providers"] if p["provider"] == "google")
        page = lambda client: client("GET", "/admin/connections")
        self.box.settled(self.box.send("order.confirmed"))
        self.assertEqual((google()["connected"], google()["needs_reconnection"]), (1, 0))
        self.assertEqual(everybodys()["connections"], [])
        self.assertIn("Nobody has to reconnect anything.", page(ada).body)

        self.box.sandbox.control("POST", "revoke", {"provider": "google", "account": "john@google.example"})
        self.box.sandbox.control("POST", "expire-access-tokens", {"provider": "google"})
        self.box.send("appointment.updated", version=2, service={"name": "Meanwhile"})
        listed = eventually(lambda: everybodys()["connections"], "the admin is told")
        self.assertEqual(len(listed), 1)
        needed = listed[0]
        self.assertEqual((needed["person"], needed["name"], needed["role"], needed["account"], needed["needs"]),
                         ("john", "John Smith", "customer", "john@google.example", "reconnect"))
        self.assertEqual(needed["reason"], self.box.status(john, "google")["last_sync_error"])
        self.assertEqual(google()["needs_reconnection"], 1)
        eventually(lambda: everybodys()["connections"][0]["pending"] == 1, "what waits is counted")
        seen = page(ada)
        self.assertEqual(seen.status, 200)
        for words in ("John Smith", "john@google.example", "1 entry waiting", "To reconnect"):
            self.assertIn(words, seen.body)
        self.assertEqual(page(john).status, 404)
        self.assertEqual(john("GET", "/api/calendar/connections/").status, 403)
        for secret in ("sealed", "token", "refresh"):
            self.assertNotIn(secret, str(everybodys()).replace(needed["reason"], ""))

        self.box.authorize(john, "google", "john@google.example")
        self.assertEqual(everybodys()["connections"], [])
        eventually(lambda: "Meanwhile" in str(self.box.titles_of("google", "john@google.example")), "what waited arrives")
        self.assertEqual((google()["connected"], google()["needs_reconnection"]), (1, 0))
        self.assertIn("Nobody has to reconnect anything.", page(ada).body)

    def test_disconnecting_removes_future_entries_and_revokes_or_keeps_them(self):
        john = self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        answer = john("POST", "/api/calendar/google/disconnect/", {"events": "keep"})
        self.assertEqual(answer.status, 200, answer)
        self.assertFalse(self.box.status(john, "google")["connected"])
        self.assertEqual(len(self.box.sandbox.entries("google", "john@google.example")), 1)
        eventually(lambda: not self.box.sandbox.control("GET", "google/accounts/john@google.example").get("refresh_tokens"),
                   "the grant is revoked")
        self.box.authorize(john, "google", "john@google.example")
        self.box.settled(self.box.send("appointment.updated", version=2, service={"name": "After reconnecting"}))
        eventually(lambda: "After reconnecting" in str(self.box.sandbox.entries("google", "john@google.example")),
                   "the entry that was kept is found again")
        self.assertEqual(len(self.box.sandbox.entries("google", "john@google.example")), 1, "and not doubled")
        self.assertEqual(john("POST", "/api/calendar/google/disconnect/").status, 200)
        eventually(lambda: not self.box.sandbox.entries("google", "john@google.example"), "remove is the default")
        again = john("POST", "/api/calendar/google/disconnect/")
        self.assertEqual((again.status, again.json["was_connected"]), (200, False))

    def test_disconnecting_destroys_the_tokens_while_the_provider_is_down(self):
        john = self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        self.box.sandbox.control("POST", "faults", {"provider": "google", "count": 0, "effect": "reset", "when": "before"})
        self.assertEqual(john("POST", "/api/calendar/google/disconnect/", {"events": "keep"}).status, 200)
        self.assertFalse(self.box.status(john, "google")["connected"])
        self.box.host.stop()
        rows = sqlite3.connect(self.box.folder + "/var/calbridge.db").execute("SELECT state, length(sealed) FROM connections").fetchall()
        self.assertEqual(rows, [("disconnected", 0)])

    def test_a_withdrawn_access_token_is_refreshed_once_for_many_deliveries(self):
        self.box.connect("john", "outlook")
        self.box.sandbox.control("POST", "expire-access-tokens", {})
        before = str(self.box.sandbox.control("GET", "requests")).count("/oauth2/v2.0/token")
        for i in range(12):
            self.box.send("order.confirmed", id=f"A-{i}")
        eventually(lambda: len(self.box.sandbox.entries("outlook", "john@outlook.example")) == 12, "all arrive")
        after = str(self.box.sandbox.control("GET", "requests")).count("/oauth2/v2.0/token")
        self.assertEqual(after - before, 1)

    def test_nobody_sees_anything_of_anybody_else(self):
        self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        sarah = self.box.login("sarah")
        self.assertFalse(self.box.status(sarah, "google")["connected"])
        self.assertEqual(sarah("GET", "/api/calendar/events/").json["events"], [])
        self.assertEqual(sarah("GET", "/api/calendar/ics/A-1001/").status, 404)
        for method, path in (("GET", "/api/people/john/"), ("POST", "/api/events/"), ("GET", "/api/events/evt-1/")):
            self.assertEqual(sarah(method, path).status, 403, path)
        self.assertEqual(sarah("POST", "/api/calendar/sync-bulk/").status, 403)
        self.assertEqual(Client(self.box.host.url)("GET", "/api/calendar/status/").status, 401)
        cross = sarah("POST", "/api/calendar/sync/", headers={"Origin": "https://evil.example"})
        self.assertEqual((cross.status, cross.json["code"]), (403, "cross_site_request"))

    def test_an_erased_person_leaves_nothing(self):
        john = self.box.connect("john", "google")
        self.box.settled(self.box.send("order.confirmed"))
        self.assertEqual(self.box.app("DELETE", "/api/people/john/").status, 204)
        self.assertEqual(self.box.app("GET", "/api/people/john/").status, 404)
        self.assertEqual(john("GET", "/api/session/").status, 401)
        self.box.host.stop()
        database = sqlite3.connect(self.box.folder + "/var/calbridge.db")
        for table in ("connections", "deliveries", "placements", "sessions"):
            self.assertEqual(database.execute(f"SELECT count(*) FROM {table}").fetchone(), (0,), table)

    def test_several_connections_to_one_google_account_are_not_cut_off_by_one_disconnect(self):
        john = self.box.connect("john", "google", "shared@google.example")
        self.box.connect("omar", "google", "shared@google.example")
        self.assertEqual(john("POST", "/api/calendar/google/disconnect/", {"events": "keep"}).status, 200)
        self.box.send("appointment.assigned", staff=[{"id": "omar", "name": "Omar Haddad"}])
        eventually(lambda: len(self.box.sandbox.entries("google", "shared@google.example")) == 1, "omar's still works")


if __name__ == "__main__":
    main()
