#!/usr/bin/env python3
"""A calendar service small enough to read: OAuth 2.0 with PKCE, and one JSON resource per entry. For trying a plugin out.

    python3 provider.py [--port 9090] [--token-seconds 3600] [--client-id acme-client] [--client-secret acme-secret]

Prints its address, http://127.0.0.1:9090/v1: the plugin's setting `api_url`. /v1/entries shows the one calendar that it
keeps, in memory. There is one person, who consents to everything at once.
"""
import argparse
import base64
import hashlib
import json
import secrets
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service:
    def __init__(self, options):
        self.options = options
        self.codes = {}  # code -> what it was asked for with
        self.access = {}  # token -> when it ends
        self.refresh = set()
        self.entries = {}

    def grant(self):
        token, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.access[token] = time.monotonic() + self.options.token_seconds
        self.refresh.add(refresh)
        return {"access_token": token, "refresh_token": refresh, "token_type": "Bearer",
                "expires_in": self.options.token_seconds, "scope": "calendar"}

    def token(self, form):
        if (form.get("client_id"), form.get("client_secret")) != (self.options.client_id, self.options.client_secret):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") == "authorization_code":
            asked = self.codes.pop(form.get("code"), None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if not asked or asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge"] != challenge:
                return 400, {"error": "invalid_grant"}
            return 200, self.grant()
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") in self.refresh:
            self.refresh.discard(form["refresh_token"])  # they rotate
            return 200, self.grant()
        return 400, {"error": "invalid_grant"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service = None  # set by main

    def answer(self, status, body=None, headers=()):
        data = b"" if body is None else json.dumps(body, indent=2).encode() + b"\n"
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def handle_request(self):
        service = self.service
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = dict(urllib.parse.parse_qsl(query if self.command == "GET" else body.decode(errors="replace")))
        route = (self.command, path)
        if route == ("GET", "/v1/authorize"):
            if form.get("client_id") != service.options.client_id or form.get("code_challenge_method") != "S256":
                return self.answer(400, {"error": "invalid_request"})
            code = secrets.token_urlsafe(24)
            service.codes[code] = form
            back = urllib.parse.urlencode({"code": code, "state": form.get("state", "")})
            return self.answer(302, headers=[("Location", form["redirect_uri"] + "?" + back)])
        if route == ("POST", "/v1/token"):
            return self.answer(*service.token(form))
        if route == ("POST", "/v1/revoke"):
            service.refresh.discard(form.get("token"))
            return self.answer(200, {})
        if route == ("GET", "/v1/entries"):
            return self.answer(200, {"entries": service.entries, "grants": len(service.refresh)})
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if service.access.get(token, 0) <= time.monotonic():
            return self.answer(401, {"error": "invalid_token"})
        if route == ("GET", "/v1/me"):
            return self.answer(200, {"id": "me-1", "email": "me@acme.example"})
        folder, _, name = path.rpartition("/")
        if folder == "/v1/entries" and self.command == "PUT":
            service.entries[name] = json.loads(body)
            return self.answer(200, service.entries[name])
        if folder == "/v1/entries" and self.command == "DELETE":
            return self.answer(204 if service.entries.pop(name, None) else 404)
        return self.answer(404, {"error": "not_found"})

    do_GET = do_POST = do_PUT = do_DELETE = handle_request

    def log_message(self, format, *values):
        # In one piece, since other threads print too.
        print(f"{self.command} {self.path.partition('?')[0]} {values[1]}\n", end="", flush=True)


def main():
    parser = argparse.ArgumentParser(description="A small calendar service for trying a plugin out.")
    parser.add_argument("--port", type=int, default=9090, help="0 takes a free one")
    parser.add_argument("--token-seconds", type=int, default=3600)
    parser.add_argument("--client-id", default="acme-client")
    parser.add_argument("--client-secret", default="acme-secret")
    Handler.service = Service(parser.parse_args())
    server = ThreadingHTTPServer(("127.0.0.1", Handler.service.options.port), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
