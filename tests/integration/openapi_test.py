"""Holds every operation's real answers against the document that the host itself serves, and makes the tests of who may
see what from that document: a route that is added without a case here fails."""
import base64
import http.client
import http.server
import json
import re
import threading
import unittest
import urllib.parse

from harness import APPOINTMENT, DEADLINE, Answer, Client, InstallationTest, eventually, main

# Answers that need a broken database or provider; faults_test.py and the unit tests make those.
NOT_PROVOKED = {502, 503}
PROVOKED_503 = {("post", "/api/calendar/{provider}/connect/")}
ADMINS_ONLY = {"/api/calendar/sync-bulk/", "/api/calendar/sync-bulk/{job}/", "/api/calendar/connections/",
               "/api/audit/"}
METHODS = ("get", "put", "post", "patch", "delete")


class CalendarServer:
    """As much CalDAV as it takes to be connected to: one account with one calendar to write to, and one to read. Takes
    every entry."""

    def __init__(self):
        self.password = "right"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                basic = base64.b64encode(f"john:{outer.password}".encode()).decode()
                if self.headers.get("Authorization") != "Basic " + basic:
                    return self.reply(401, b"", {"WWW-Authenticate": 'Basic realm="dav"'})
                if self.command != "PROPFIND":
                    return self.reply(201 if self.command == "PUT" else 404, b"", {"ETag": '"1"'})
                resource = lambda href, inner: (f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{inner}</d:prop>"
                                                "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>")
                calendar = lambda name, right: (f"<d:displayname>{name}</d:displayname><d:resourcetype><d:collection/><c:calendar/>"
                                                f"</d:resourcetype><d:current-user-privilege-set><d:privilege><d:{right}/></d:privilege>"
                                                "</d:current-user-privilege-set>")
                if self.headers.get("Depth") == "1":
                    inside = resource("/john/a/", calendar("Mine", "write")) + resource("/john/b/", calendar("Holidays", "read"))
                else:
                    inside = resource("/", "<d:current-user-principal><d:href>/john/</d:href></d:current-user-principal>"
                                      "<c:calendar-home-set><d:href>/john/</d:href></c:calendar-home-set>")
                body = f'<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">{inside}</d:multistatus>'
                return self.reply(207, body.encode(), {"Content-Type": "application/xml"})

            def reply(self, status, body, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_DELETE = do_PROPFIND = do_REPORT = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Schemas:
    """The part of JSON Schema 2020-12 that the document uses. A keyword that is not known here is an error, so that
    nothing is taken as checked which is not."""
    KNOWN = {"$ref", "type", "properties", "required", "additionalProperties", "enum", "const", "items", "oneOf", "allOf",
             "format", "minLength", "maxLength", "description", "default", "examples"}
    TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    DATE_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
                           r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)")

    def __init__(self, document):
        self.document = document

    def resolve(self, ref):
        if not ref.startswith("#/"):
            raise AssertionError(f"a reference out of the document: {ref}")
        node = self.document
        for part in ref[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def is_type(self, value, name):
        if name == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if name == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        if name not in self.TYPES:
            raise AssertionError(f"unknown type in a schema: {name}")
        return isinstance(value, self.TYPES[name])

    def problems(self, value, schema, at=""):
        """What is wrong with the value: a list of "pointer: reason"."""
        unknown = set(schema) - self.KNOWN
        if unknown:
            raise AssertionError(f"the document uses schema keywords that this test does not know: {sorted(unknown)}")
        found = []
        if "$ref" in schema:
            found += self.problems(value, self.resolve(schema["$ref"]), at)
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            if not [t for t in types if self.is_type(value, t)]:
                return found + [f"{at}: {value!r} is not of type {types}"]
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{at}: {value!r} is none of {schema['enum']}")
        if "const" in schema and value != schema["const"]:
            found.append(f"{at}: {value!r} is not {schema['const']!r}")
        if isinstance(value, str):
            if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", len(value)):
                found.append(f"{at}: length {len(value)}")
            if "format" in schema:
                if schema["format"] != "date-time":
                    raise AssertionError(f"unknown format: {schema['format']}")
                if not self.DATE_TIME.fullmatch(value):
                    found.append(f"{at}: {value!r} is no date-time")
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            found += [f"{at}/{key}: missing" for key in schema.get("required", []) if key not in value]
            for key, item in value.items():
                if key in properties:
                    found += self.problems(item, properties[key], f"{at}/{key}")
                elif schema.get("additionalProperties") is False:
                    found.append(f"{at}/{key}: not described")
                elif isinstance(schema.get("additionalProperties"), dict):
                    found += self.problems(item, schema["additionalProperties"], f"{at}/{key}")
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                found += self.problems(item, schema["items"], f"{at}/{i}")
        for part in schema.get("allOf", []):
            found += self.problems(value, part, at)
        if "oneOf" in schema:
            tried = [self.problems(value, part, at) for part in schema["oneOf"]]
            if sum(not p for p in tried) != 1:
                found.append(f"{at}: fits {sum(not p for p in tried)} of oneOf: {tried}")
        return found


class TheValidatorCanFail(unittest.TestCase):
    def test_each_keyword_refuses_what_does_not_fit(self):
        schemas = Schemas({"a": {"b/c": {"type": "integer"}}})
        for schema, good, bad in [
                ({"type": "string"}, "x", 1), ({"type": ["string", "null"]}, None, 1), ({"type": "integer"}, 3, True),
                ({"type": "integer"}, 3, 3.5), ({"type": "number"}, 3.5, "3"), ({"enum": ["a"]}, "a", "b"), ({"const": 1}, 1, 2),
                ({"type": "array", "items": {"type": "string"}}, ["x"], ["x", 1]),
                ({"required": ["a"]}, {"a": 1}, {"b": 1}), ({"properties": {"a": {"type": "string"}}}, {"a": "x"}, {"a": 1}),
                ({"additionalProperties": False, "properties": {"a": {}}}, {"a": 1}, {"b": 1}),
                ({"additionalProperties": {"type": "string"}}, {"x": "y"}, {"x": 1}),
                ({"oneOf": [{"type": "string"}, {"const": 1}]}, 1, 2), ({"oneOf": [{"const": 1}, {"type": "integer"}]}, 2, 1),
                ({"allOf": [{"type": "string"}, {"enum": ["a"]}]}, "a", "b"), ({"$ref": "#/a/b~1c"}, 1, "x"),
                ({"minLength": 1}, "x", ""), ({"maxLength": 1}, "x", "xx"),
                ({"format": "date-time"}, "2026-12-01T09:00:00Z", "2026-12-01T09:00:00"),
                ({"format": "date-time"}, "2026-12-01T09:00:00.5+01:00", "2026-13-01T09:00:00Z")]:
            with self.subTest(schema=schema):
                self.assertEqual(schemas.problems(good, schema), [])
                self.assertNotEqual(schemas.problems(bad, schema), [])

    def test_what_it_does_not_know_is_an_error(self):
        for schema in ({"patternProperties": {}}, {"properties": {"a": {"pattern": "x"}}}, {"format": "uri"}, {"type": "text"},
                       {"$ref": "http://elsewhere.example/schema"}):
            with self.subTest(schema=schema), self.assertRaises(AssertionError):
                Schemas({}).problems({"a": "x"} if "properties" in schema else "x", schema)


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield (method, path), operation


def filled(path, **values):
    return re.sub(r"\{(\w+)\}", lambda m: urllib.parse.quote(str(values.get(m[1], "unknown")), safe=""), path)


class Document(InstallationTest):
    overrides = {"providers.caldav.allowed_hosts": '["127.0.0.0/8"]'}

    def setUp(self):
        super().setUp()
        self.anyone = Client(self.box.host.url)
        self.document = self.anyone("GET", "/api/openapi.json").json
        self.schemas = Schemas(self.document)
        self.seen = {}

    def check(self, key, answer):
        """Holds one answer against the document."""
        method, path = key
        where = f"{method.upper()} {path} → {answer}"
        described = self.document["paths"][path][method]["responses"].get(str(answer.status))
        self.assertIsNotNone(described, f"this status is not described: {where}")
        self.seen.setdefault(key, set()).add(answer.status)
        content = described.get("content", {})
        if not content:
            self.assertEqual(answer.body, "", f"no body is described: {where}")
            return answer
        type = answer.headers.get("content-type", "").split(";")[0]
        self.assertIn(type, content, f"this content type is not described: {where}")
        if type.endswith("json"):
            self.assertEqual(self.schemas.problems(answer.json, content[type].get("schema", {})), [], where)
        if answer.status >= 400 and type.endswith("json"):
            self.assertEqual(answer.json["status"], answer.status, where)
        for header in described.get("headers", {}):
            self.assertIn(header.lower(), answer.headers, where)
        return answer

    def call(self, status, client, method, path, body=None, headers=None, query="", **values):
        key = (method, path)
        answer = self.check(key, client(method.upper(), filled(path, **values) + query, body, headers))
        self.assertEqual(answer.status, status, f"{method.upper()} {path}: {answer}")
        if status < 300 and body is not None and (headers or {}).get("Content-Type", "application/json") != "application/json":
            pass
        elif status < 300 and isinstance(body, dict):
            schema = self.document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
            self.assertEqual(self.schemas.problems(body, schema), [], f"what {method} {path} accepted is not described")
        return answer

    def announced(self, client, method, path, length, type):
        """The answer to a body of that length, which is not sent: a refusal comes before it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.box.host.port, timeout=DEADLINE)
        connection.putrequest(method.upper(), path)
        for name, value in {**client.headers, "Content-Type": type, "Content-Length": str(length)}.items():
            connection.putheader(name, value)
        if client.cookies:
            connection.putheader("Cookie", "; ".join(f"{k}={v}" for k, v in client.cookies.items()))
        connection.endheaders()
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return answer

    def callers(self):
        """Who may call an operation, and who is somebody else."""
        person, app, admin = self.box.login("john"), self.box.app, self.box.login("ada")

        def pair(path, operation):
            schemes = {name for alternative in operation["security"] for name in alternative}
            if schemes == {"appKey"}:
                return app, person
            if not schemes:
                return self.anyone, None
            self.assertEqual(schemes, {"session", "jwt"}, path)
            return (admin if path in ADMINS_ONLY else person), app
        return pair

    def test_credentials_and_bodies_of_every_operation(self):
        pair = self.callers()
        for key, operation in operations(self.document):
            method, path = key
            with self.subTest(operation=f"{method.upper()} {path}"):
                target = filled(path, provider="ics")
                rightful, wrong = pair(path, operation)
                body = b"{}" if "requestBody" in operation else None
                headers = {"Content-Type": "application/json"} if body else {}
                if wrong is not None:
                    nobody = self.check(key, self.anyone(method.upper(), target, body, headers))
                    self.assertEqual(nobody.status, 401, nobody)
                    self.assertIn("www-authenticate", nobody.headers)
                    forged = Client(self.box.host.url, {"Authorization": "Bearer forged"})
                    self.assertEqual(self.check(key, forged(method.upper(), target, body, headers)).status, 401)
                    other = self.check(key, wrong(method.upper(), target, body, headers))
                    self.assertEqual(other.status, 403, other)
                if body is None:
                    continue
                kind = "application/cloudevents+json" if path == "/api/events/" else "application/json"
                large = self.check(key, self.announced(rightful, method, target, (1 << 20) + 1, kind))
                self.assertEqual(large.status, 413, large)
                plain = self.check(key, rightful(method.upper(), target, b"hello", {"Content-Type": "text/plain"}))
                self.assertEqual(plain.status, 415, plain)
                broken = self.check(key, rightful(method.upper(), target, b"{", {"Content-Type": kind}))
                self.assertEqual((broken.status, broken.json["code"]), (400, "invalid_json"), broken)

    def test_a_method_that_a_path_does_not_have_is_405_with_those_that_it_has(self):
        for path, methods in self.document["paths"].items():
            missing = [m for m in METHODS if m not in methods][0]
            answer = self.anyone(missing.upper(), filled(path))
            with self.subTest(path=path, method=missing):
                self.assertEqual(answer.status, 405, answer)
                self.assertEqual({m.strip().lower() for m in answer.headers["allow"].split(",")}, set(methods))
                problem = self.document["components"]["schemas"]["Problem"]
                self.assertEqual(self.schemas.problems(answer.json, problem), [])
        nowhere = self.anyone("GET", "/api/nowhere/")
        self.assertEqual(nowhere.status, 404)

    def test_every_status_of_every_operation_as_described(self):
        # What the other test provokes for every operation.
        for key, operation in operations(self.document):
            described = {int(s) for s in operation["responses"]}
            self.seen[key] = described & ({401, 403} if operation["security"] else set())
            if "requestBody" in operation:
                self.seen[key] |= {400, 413, 415}
        self.box.host.stop()
        del self.box.host.environment["OUTLOOK_CLIENT_SECRET"]
        self.box.host.start()
        app, box = self.box.app, self.box
        john, ada = box.connect("john", "google"), box.login("ada")

        events = "/api/events/"
        cloud = {"Content-Type": "application/cloudevents+json"}
        event = box.event("order.confirmed")
        self.assertEqual(self.schemas.problems(event, self.document["components"]["schemas"]["Event"]), [])
        first = self.call(202, app, "post", events, json.dumps(event), cloud)
        self.assertFalse(first.json["duplicate"])
        self.assertTrue(self.call(202, app, "post", events, json.dumps(event), cloud).json["duplicate"])
        self.call(409, app, "post", events, json.dumps(dict(event, type="order.cancelled")), cloud)
        batch = [box.event("appointment.assigned"), box.event("appointment.updated", version=2)]
        self.call(202, app, "post", events, json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
        self.call(202, app, "post", events, json.dumps(event["data"]),
                  {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "binary", "ce-source": "tests",
                   "ce-type": "appointment.updated"})
        pointed = self.call(400, app, "post", events, json.dumps(dict(event, id="")), cloud)
        self.assertEqual(pointed.json["pointer"], "/id")
        ghost = box.send("appointment.assigned", id="A-2", staff=[{"id": "ghost", "name": "Ghost"}])
        cancelled = box.send("appointment.cancelled", id="A-3")
        receipt = "/api/events/{id}/"
        for id in (event["id"], batch[0]["id"], ghost, cancelled, "binary"):
            box.settled(id)
            self.call(200, app, "get", receipt, id=id, query="?source=tests")
        self.assertTrue(self.call(200, app, "get", receipt, id=event["id"]).json["deliveries"])
        self.assertTrue(self.call(200, app, "get", receipt, id=ghost).json["unknown_people"])
        self.call(404, app, "get", receipt, id="none")

        people = "/api/people/{id}/"
        eve = {"name": "Eve", "email": "eve@example.com", "role": "staff", "timezone": "Europe/London", "teams": ["north"],
               "password": "password of eve"}
        self.call(201, app, "put", people, eve, id="eve")
        self.call(200, app, "put", people, eve, id="eve")
        self.call(400, app, "put", people, dict(eve, role="astronaut"), id="eve")
        self.call(200, app, "get", people, id="eve")
        self.call(404, app, "get", people, id="nobody")
        self.call(204, app, "delete", people, id="eve")
        self.call(404, app, "delete", people, id="eve")

        session = "/api/session/"
        fresh, evil = Client(box.host.url), {"Origin": "http://evil.example"}
        login = {"email": "john@example.com", "password": "password of john"}
        self.call(200, fresh, "post", session, login)
        self.call(200, fresh, "get", session)
        self.call(403, fresh, "delete", session, headers=evil)
        self.call(204, fresh, "delete", session)
        self.call(401, fresh, "get", session)
        self.call(403, self.anyone, "post", session, login, evil)
        self.call(401, self.anyone, "post", session, dict(login, email="max@example.com"))
        for _ in range(6):
            answer = self.check(("post", session), self.anyone("POST", session, dict(login, email="mia@example.com")))
        self.assertEqual(answer.status, 429, answer)
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
        self.call(401, Client(box.host.url, {"Authorization": "Bearer forged"}), "delete", session)
        self.check(("delete", session), Client(box.host.url)("DELETE", session))

        self.call(200, john, "get", "/api/calendar/status/")
        self.call(200, ada, "get", "/api/calendar/status/")
        connect, disconnect = "/api/calendar/{provider}/connect/", "/api/calendar/{provider}/disconnect/"
        self.call(200, john, "post", connect, provider="google")
        feed = self.call(200, john, "post", connect, provider="ics").json["feed_url"]
        self.call(404, john, "post", connect, provider="nowhere")
        self.call(503, john, "post", connect, provider="outlook")
        with CalendarServer() as dav:
            calendars, choice = "/api/calendar/{provider}/calendars/", "/api/calendar/{provider}/calendar/"
            typed = {"server": dav.url, "username": "john", "password": "right"}
            wrong = self.call(422, john, "post", connect, {"credentials": dict(typed, password="wrong")}, provider="caldav")
            self.assertEqual((wrong.json["code"], wrong.json["pointer"]), ("invalid_credentials", "/credentials/password"))
            self.call(400, john, "post", connect, {"credentials": {"server": dav.url}}, provider="caldav")
            self.call(404, john, "get", calendars, provider="caldav")
            self.call(404, john, "put", choice, {"id": "x"}, provider="caldav")
            self.call(200, john, "post", connect, {"credentials": typed}, provider="caldav")
            listed = self.call(200, john, "get", calendars, provider="caldav").json["calendars"]
            self.assertEqual([(c["name"], c["writable"]) for c in listed], [("Mine", True), ("Holidays", False)])
            self.call(200, john, "put", choice, {"id": listed[0]["id"]}, provider="caldav")
            for id in (listed[1]["id"], "nowhere"):
                self.call(422, john, "put", choice, {"id": id}, provider="caldav")
            self.call(400, john, "put", choice, {"name": "Mine"}, provider="caldav")
            dav.password = "another"
            john("POST", "/api/calendar/sync/")
            eventually(lambda: box.status(john, "caldav")["needs"] == "reconnect", "the server refuses")
            self.call(409, john, "get", calendars, provider="caldav")
            self.call(409, john, "put", choice, {"id": listed[0]["id"]}, provider="caldav")
            for _ in range(11):
                many = self.check(("post", connect), ada("POST", filled(connect, provider="caldav"), {"credentials": dict(typed, server="ftp://x")}))
            self.assertEqual(many.status, 429, many)
            self.call(200, john, "post", disconnect, {"events": "keep"}, provider="caldav")
        callback = "/api/calendar/{provider}/callback/"
        self.call(302, self.anyone, "get", callback, provider="google", query="?state=x&code=y")
        self.call(302, self.anyone, "get", callback, provider="google")
        self.call(404, self.anyone, "get", callback, provider="nowhere")

        self.assertEqual(self.call(202, john, "post", "/api/calendar/sync/").json["queued"] > 0, True)
        bulk, progress = "/api/calendar/sync-bulk/", "/api/calendar/sync-bulk/{job}/"
        self.call(202, ada, "post", bulk)
        self.call(202, ada, "post", bulk, {"role": "customer"})
        job = self.call(202, ada, "post", bulk, {"people": ["john", "sarah"]}).json["job"]
        eventually(lambda: self.call(200, ada, "get", progress, job=job).json["state"] == "done", "the job ends")
        self.call(404, ada, "get", progress, job="none")
        self.call(400, ada, "post", bulk, {"people": ["nobody"]})
        self.call(400, ada, "post", bulk, {"role": "astronaut"})

        everybodys = "/api/calendar/connections/"
        self.assertEqual(self.call(200, ada, "get", everybodys).json["connections"], [])
        self.call(400, ada, "get", everybodys, query="?limit=many")
        box.sandbox.control("POST", "revoke", {"provider": "google", "account": "john@google.example"})
        box.sandbox.control("POST", "expire-access-tokens", {"provider": "google"})
        john("POST", "/api/calendar/sync/")
        page = eventually(lambda: (lambda a: a if a["connections"] else None)(self.call(200, ada, "get", everybodys).json),
                          "the admin sees the dead grant")
        self.assertEqual(page["connections"][0]["person"], "john")
        self.call(200, ada, "get", everybodys, query="?needs=reconnect&limit=1")

        audit = "/api/audit/"
        page = self.call(200, ada, "get", audit, query="?limit=2").json
        self.assertEqual(len(page["lines"]), 2)
        older = self.call(200, ada, "get", audit, query=f"?limit=2&before={page['next']}").json["lines"]
        self.assertLess(older[0]["seq"], page["lines"][1]["seq"])
        self.assertIn("connection.created", [line["action"] for line in
                                             self.call(200, ada, "get", audit, query="?person=john").json["lines"]])
        self.assertEqual(self.call(200, ada, "get", audit, query="?since=2100-01-01T00:00:00Z").json["lines"], [])
        for query in ("?since=yesterday", "?before=many", "?limit=0"):
            self.call(400, ada, "get", audit, query=query)

        entries, entry = "/api/calendar/events/", "/api/calendar/events/{id}/"
        own = {"title": "Dentist", "start": "2031-05-01T09:00:00", "end": "2031-05-01T10:00:00", "timezone": "Europe/London",
               "location": "Harley Street", "description": "bring card"}
        created = self.call(201, john, "post", entries, own).json
        day = self.call(201, john, "post", entries, {"title": "Holiday", "start": "2031-06-01", "end": "2031-06-08"}).json
        self.assertTrue(day["all_day"])
        self.call(400, john, "post", entries, dict(own, end="2031-05-01T08:00:00"))
        self.call(400, john, "post", entries, dict(own, colour="green"))
        self.call(200, john, "get", entries)
        self.call(200, john, "get", entries, query="?since=2031-01-01T00:00:00Z")
        self.call(400, john, "get", entries, query="?since=yesterday")
        self.call(200, john, "patch", entry, {"title": "Surgeon"}, id=created["id"])
        self.call(400, john, "patch", entry, {"start": "soon"}, id=created["id"])
        self.call(404, john, "patch", entry, {"title": "x"}, id="none")
        self.call(409, john, "patch", entry, {"title": "x"}, id=APPOINTMENT["id"])
        self.call(409, john, "delete", entry, id=APPOINTMENT["id"])
        self.call(404, john, "delete", entry, id="none")
        ics = "/api/calendar/ics/{appointment_id}/"
        for id in (APPOINTMENT["id"], created["id"], day["id"]):
            self.assertTrue(self.call(200, john, "get", ics, appointment_id=id).body.startswith("BEGIN:VCALENDAR\r\n"))
        self.call(404, john, "get", ics, appointment_id="none")
        self.call(204, john, "delete", entry, id=created["id"])
        self.call(404, john, "delete", entry, id=created["id"])

        feeds = "/api/calendar/feed/{secret}.ics"
        secret = re.search(r"/feed/([^/]+)\.ics$", feed)[1]
        eventually(lambda: "BEGIN:VEVENT" in self.call(200, self.anyone, "get", feeds, secret=secret).body, "the feed has entries")
        eventually(lambda: box.status(john, "ics")["pending"] == 0, "the feed rests")
        whole = self.call(200, self.anyone, "get", feeds, secret=secret)
        self.call(304, self.anyone, "get", feeds, headers={"If-None-Match": whole.headers["etag"]}, secret=secret)
        self.call(304, self.anyone, "get", feeds, headers={"If-Modified-Since": whole.headers["last-modified"]}, secret=secret)
        self.call(404, self.anyone, "get", feeds, secret="A" * 43)

        self.call(200, john, "post", disconnect, {"events": "remove"}, provider="google")
        self.call(200, john, "post", disconnect, {"events": "keep"}, provider="ics")
        self.call(200, john, "post", disconnect, provider="ics")
        self.call(400, john, "post", disconnect, {"events": "burn"}, provider="ics")
        self.call(404, john, "post", disconnect, provider="nowhere")
        self.call(404, self.anyone, "get", feeds, secret=secret)
        unsubscribe = "/api/calendar/unsubscribe/{secret}/"
        for method in ("get", "post"):
            self.call(404, self.anyone, method, unsubscribe, secret="1." + "A" * 43)
            page = self.call(404, self.anyone, method, unsubscribe, headers={"Accept": "text/html,*/*;q=0.8"}, secret="1." + "A" * 43)
            self.assertIn("<h1", page.body)
            self.seen[method, unsubscribe].add(200)  # a link comes in a message only: invitations_test.py
        for path in ("/healthz", "/readyz", "/metrics", "/api/openapi.json"):
            self.call(200, self.anyone, "get", path)

        for key, operation in operations(self.document):
            with self.subTest(operation=key):
                expected = {int(s) for s in operation["responses"]} - NOT_PROVOKED
                if key in PROVOKED_503:
                    expected.add(503)
                self.assertEqual(expected - self.seen[key], set(), "described, but never seen")

    def test_nobody_reaches_what_is_somebody_elses(self):
        box = self.box
        john = box.connect("john", "google")
        _, feed = box.connect_feed("john")
        box.settled(box.send("order.confirmed"))
        own = {"title": "Secret of john", "start": "2031-05-01T09:00:00", "end": "2031-05-01T10:00:00", "timezone": "UTC"}
        custom = john("POST", "/api/calendar/events/", own).json["id"]
        ada = box.login("ada")
        job = ada("POST", "/api/calendar/sync-bulk/").json["job"]
        eventually(lambda: ada("GET", f"/api/calendar/sync-bulk/{job}/").json["state"] == "done", "the job ends")
        eventually(lambda: not any(p["pending"] for p in john("GET", "/api/calendar/status/").json["providers"]),
                   "john's calendars are complete")
        omar = box.login("omar")

        def of_john():
            status = john("GET", "/api/calendar/status/").json
            for provider in status["providers"]:
                provider.pop("last_sync_at")
            return (status, john("GET", "/api/calendar/events/").json, self.anyone("GET", feed).body,
                    box.titles_of("google", "john@google.example"))

        def not_found(method, path, body=None, **values):
            for id in (APPOINTMENT["id"], custom):
                answer = self.check((method, path), omar(method.upper(), filled(path, id=id, appointment_id=id), body))
                self.assertEqual(answer.status, 404, answer)

        def own_only(method, path, expected, body=None, **values):
            answer = self.check((method, path), omar(method.upper(), filled(path, **values), body))
            self.assertLess(answer.status, 300, answer)
            self.assertNotIn("john", answer.body.lower())
            for key, value in expected.items():
                self.assertEqual(answer.json[key], value, answer)

        def forbidden(method, path, body=None):
            answer = self.check((method, path), omar(method.upper(), filled(path, job=job), body))
            self.assertEqual(answer.status, 403, answer)

        def unconnected(method, path, body=None):
            for provider in ("google", "ics", "caldav"):
                answer = self.check((method, path), omar(method.upper(), filled(path, provider=provider), body))
                self.assertEqual(answer.status, 404, answer)

        def connects():
            for provider in ("google", "ics"):
                own_only("post", "/api/calendar/{provider}/connect/", {}, provider=provider)

        def disconnects():
            own_only("post", "/api/calendar/{provider}/disconnect/", {"was_connected": False}, {"events": "remove"}, provider="google")

        cases = {
            ("get", "/api/session/"): lambda: own_only("get", "/api/session/", {"id": "omar"}),
            ("get", "/api/calendar/status/"): lambda: own_only("get", "/api/calendar/status/", {"role": "staff"}),
            ("post", "/api/calendar/{provider}/connect/"): connects,
            ("post", "/api/calendar/{provider}/disconnect/"): disconnects,
            ("get", "/api/calendar/{provider}/calendars/"): lambda: unconnected("get", "/api/calendar/{provider}/calendars/"),
            ("put", "/api/calendar/{provider}/calendar/"): lambda: unconnected("put", "/api/calendar/{provider}/calendar/",
                                                                               {"id": "https://dav.example/john/"}),
            ("post", "/api/calendar/sync/"): lambda: own_only("post", "/api/calendar/sync/", {"queued": 0}),
            ("post", "/api/calendar/sync-bulk/"): lambda: forbidden("post", "/api/calendar/sync-bulk/", {"people": ["john"]}),
            ("get", "/api/calendar/sync-bulk/{job}/"): lambda: forbidden("get", "/api/calendar/sync-bulk/{job}/"),
            ("get", "/api/calendar/connections/"): lambda: forbidden("get", "/api/calendar/connections/"),
            ("get", "/api/audit/"): lambda: forbidden("get", "/api/audit/"),
            ("get", "/api/calendar/events/"): lambda: own_only("get", "/api/calendar/events/", {"events": []}),
            ("patch", "/api/calendar/events/{id}/"): lambda: not_found("patch", "/api/calendar/events/{id}/", {"title": "Mine"}),
            ("delete", "/api/calendar/events/{id}/"): lambda: not_found("delete", "/api/calendar/events/{id}/"),
            ("get", "/api/calendar/ics/{appointment_id}/"): lambda: not_found("get", "/api/calendar/ics/{appointment_id}/"),
            ("post", "/api/calendar/events/"): lambda: own_only("post", "/api/calendar/events/", {"title": "Of omar"},
                                                                dict(own, title="Of omar")),
        }
        personal = {key for key, operation in operations(self.document)
                    if any("session" in alternative for alternative in operation["security"])}
        self.assertEqual(set(cases), personal, "every route that answers to a person needs its case here")
        before = of_john()
        for key, case in cases.items():
            with self.subTest(operation=key):
                case()
                self.assertEqual(of_john(), before, "nothing of john's has changed")
        self.assertEqual(omar("DELETE", "/api/session/").status, 204)
        self.assertEqual(john("GET", "/api/session/").status, 200, "one log-out is nobody else's")

    def test_no_identifier_of_somebody_elses_leads_anywhere_on_any_path(self):
        """Every operation with a parameter in its path, with every identifier of john's and ada's things in it: omar gets
        what he gets for one that never was. Made from the document alone; a route with a body needs one in `bodies`."""
        box, bodies = self.box, {("patch", "/api/calendar/events/{id}/"): {"title": "Mine"}}
        john = box.connect("john", "google")
        _, feed = box.connect_feed("john")
        event = box.send("order.confirmed")
        box.settled(event)
        delivered = box.receipt(event)["deliveries"][0]
        own = {"title": "Secret of john", "start": "2031-05-01T09:00:00", "end": "2031-05-01T10:00:00", "timezone": "UTC"}
        ada = box.login("ada")
        identifiers = {APPOINTMENT["id"], event, "john", "ada", delivered["provider_event_id"],
                       john("POST", "/api/calendar/events/", own).json["id"],
                       ada("POST", "/api/calendar/sync-bulk/", {"people": ["john"]}).json["job"]}
        self.assertTrue(all(identifiers), identifiers)
        omar, asked = box.login("omar"), 0
        for (method, path), operation in operations(self.document):
            objects = [name for name in re.findall(r"\{(\w+)\}", path) if name != "provider"]
            if not objects:
                continue
            app_or_admin = path in ADMINS_ONLY or any("appKey" in s for s in operation["security"])
            for identifier in sorted(identifiers):
                def answer(id):
                    target = filled(path, provider="google", **{name: id for name in objects})
                    got = self.check((method, path), omar(method.upper(), target, bodies.get((method, path))))
                    return got.status, got.body.replace(id, "ID")
                with self.subTest(operation=f"{method.upper()} {path}", identifier=identifier):
                    self.assertEqual(answer(identifier), answer("never-was"), "the answer does not tell that there is one")
                    self.assertEqual(answer(identifier)[0], 403 if app_or_admin else 404)
                    asked += 1
        self.assertGreaterEqual(asked, 7 * len(identifiers))
        titles = [e["title"] for e in john("GET", "/api/calendar/events/").json["events"]]
        self.assertIn("Secret of john", titles)
        self.assertEqual(self.anyone("GET", feed).status, 200)
        self.assertEqual(box.app("GET", "/api/people/john/").status, 200)


if __name__ == "__main__":
    main()
