"""CalDAV servers for the tests: each a process of its own on a port of its own, with its files in a folder of the test."""
import base64
import hashlib
import http.client
import http.server
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from harness import PostgresqlServer

USER, PASSWORD = "john", "correct horse canary-8c1f"


def listening(port, process, log):
    """Waits until somebody listens; fails with what the server said when it ends instead."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            with open(log, errors="replace") as file:
                raise AssertionError(f"the server ended with {process.returncode}: {file.read()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server does not listen")


class Server:
    """Start, stop, start again on the same port with the same data."""
    checks_passwords = True
    root = "/"  # where a client that discovers nothing begins

    def __init__(self, folder, port):
        self.folder, self.port, self.process = folder, port, None
        self.url = f"http://127.0.0.1:{port}"
        self.prepare()

    def start(self):
        path = os.path.join(self.folder, type(self).__name__ + ".log")
        with open(path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        listening(self.port, self.process, path)
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


class Radicale(Server):
    program = "/usr/bin/radicale"

    def prepare(self):
        with open(os.path.join(self.folder, "users"), "w") as file:
            file.write(f"{USER}:{PASSWORD}\n")
        with open(os.path.join(self.folder, "radicale.conf"), "w") as file:
            file.write(f"[server]\nhosts = 127.0.0.1:{self.port}\n[auth]\ntype = htpasswd\n"
                       f"htpasswd_filename = {self.folder}/users\nhtpasswd_encryption = plain\ndelay = 0\n"
                       f"[storage]\nfilesystem_folder = {self.folder}/radicale\n[rights]\ntype = owner_only\n")

    def command(self):
        return ["/usr/bin/python3", self.program, "--config", os.path.join(self.folder, "radicale.conf")]


class Xandikos(Server):
    """Has no users: whoever asks is the one."""
    program = "/usr/bin/xandikos"
    checks_passwords = False

    def prepare(self):
        os.makedirs(os.path.join(self.folder, "xandikos"), exist_ok=True)

    def command(self):
        return ["/usr/bin/python3", self.program, "--defaults", "--current-user-principal", f"/{USER}/",
                "-d", os.path.join(self.folder, "xandikos"), "-l", "127.0.0.1", "-p", str(self.port)]


class Davical(Server):
    """PHP and PostgreSQL. Every change of an entry is rewritten by the server, and its principals are not at its root."""
    program = "/usr/share/davical/htdocs/caldav.php"
    root = "/caldav.php/"
    database = None  # with the tables, and nobody in them; each server has a copy

    def prepare(self):
        postgresql = PostgresqlServer.get()
        if not Davical.database:
            Davical.database = postgresql.tell("database")
            tables, functions = "/usr/share/awl/dba/", "/usr/share/davical/dba/"
            self.sql(Davical.database, *[word for file in (
                tables + "awl-tables.sql", tables + "schema-management.sql", functions + "davical.sql",
                functions + "base-data.sql", functions + "supported_locales.sql", functions + "caldav_functions.sql", functions + "rrule_functions.sql",
                functions + "views/dav_principal.sql") for word in ("-f", file)])
        name = f"davical{self.port}"
        self.sql(postgresql.url, "-c", f"CREATE DATABASE {name} TEMPLATE {Davical.database.rsplit('/', 1)[1]}")
        where = urllib.parse.urlsplit(postgresql.url)
        self.sql(urllib.parse.urlunsplit(where._replace(path="/" + name)), "-c", f"""
            INSERT INTO usr (user_no, active, email_ok, updated, username, password, fullname, email)
              VALUES (1001, true, current_date, current_date, '{USER}', '**{PASSWORD}', 'John Smith', 'john@example.com');
            INSERT INTO principal (principal_id, type_id, user_no, displayname, default_privileges)
              VALUES (1001, 1, 1001, 'John Smith', 0::BIT(24))""")
        with open(os.path.join(self.folder, "davical-conf.php"), "w") as file:
            file.write(f"""<?php
                $c->pg_connect[] = "host=127.0.0.1 port={where.port} dbname={name} user={where.username} password={where.password}";
                $c->domain_name = $_SERVER['SERVER_NAME'] = '127.0.0.1';""")

    def sql(self, database, *words):
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", database, *words], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, env={**os.environ, "PGOPTIONS": "--client-min-messages=warning"})

    def command(self):
        return ["env", f"DAVICAL_SETTINGS={self.folder}/davical", "php", "-d", "opcache.enable_cli=1",
                "-d", "display_errors=0", "-S", f"127.0.0.1:{self.port}", "-t", os.path.dirname(self.program),
                os.path.join(os.path.dirname(__file__), "davical", "router.php")]


class Gate:
    """A reverse proxy that lets in by Basic or Digest and may redirect, as the front of a hosted service does."""

    def __init__(self, behind, port, scheme="digest", algorithm="SHA-256", context=None, redirect=None, one_uid=None):
        self.behind, self.scheme, self.algorithm, self.password = behind, scheme, algorithm, PASSWORD
        self.redirect, self.seen, self.nonce, self.counts, self.stale = redirect or {}, [], "nonce-0", set(), 0
        self.one_uid, self.held = one_uid, {}  # the precondition by which a UID is refused that is elsewhere; UID → path
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                gate.seen.append((self.command, self.path, self.headers.get("Authorization")))
                if self.path in gate.redirect:
                    return self.reply(301, {"Location": gate.redirect[self.path]}, b"")
                if not gate.lets_in(self.command, self.path, self.headers.get("Authorization", "")):
                    return self.reply(401, {"WWW-Authenticate": gate.challenge()}, b"who are you?")
                uid = re.search(rb"^UID:(.*?)\r?$", body, re.MULTILINE)
                holder = gate.held.get(uid[1]) if gate.one_uid and uid and self.command == "PUT" else None
                if holder not in (None, self.path):
                    refusal = f'<C:{gate.one_uid} xmlns:C="urn:ietf:params:xml:ns:caldav"><href>\n{holder}</href></C:{gate.one_uid}>'
                    return self.reply(403, {"Content-Type": "application/xml"}, f'<error xmlns="DAV:">{refusal}</error>'.encode())
                inner = http.client.HTTPConnection("127.0.0.1", gate.behind, timeout=60)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("authorization", "connection")}
                inner.request(self.command, self.path, body, headers)
                response = inner.getresponse()
                data = response.read()
                kept = {k: v for k, v in response.getheaders()
                        if k.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")}
                inner.close()
                if uid and self.command == "PUT" and response.status < 300:
                    gate.held[uid[1]] = self.path
                if self.command == "DELETE":
                    gate.held = {k: v for k, v in gate.held.items() if v != self.path}
                return self.reply(response.status, kept, data)

            def reply(self, status, headers, data):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_DELETE = do_PROPFIND = do_REPORT = do_OPTIONS = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def challenge(self):
        if self.scheme == "basic":
            return 'Basic realm="gate"'
        if self.scheme == "bearer":
            return 'Bearer realm="gate"'
        stale = ", stale=true" if self.stale else ""
        return (f'Negotiate, Digest realm="the \\"gate\\"", qop="auth,auth-int", algorithm={self.algorithm}, '
                f'nonce="{self.nonce}", opaque="o/1="{stale}, Basic realm="gate"' if self.algorithm else 'Negotiate')

    def renew_nonce(self):
        self.nonce, self.stale = f"nonce-{len(self.seen)}", 1

    def lets_in(self, method, path, value):
        if self.scheme == "basic":
            return value == "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if not value.startswith("Digest "):
            return False
        said = {k: quoted or plain for k, quoted, plain in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', value)}
        hashed = lambda text: (hashlib.sha256 if self.algorithm == "SHA-256" else hashlib.md5)(text.encode()).hexdigest()
        once = (said.get("nonce"), said.get("nc"))
        if said.get("nonce") != self.nonce or once in self.counts or said.get("uri") != path:
            return False
        first = hashed(f'{USER}:the "gate":{self.password}')
        want = hashed(f'{first}:{self.nonce}:{said["nc"]}:{said["cnonce"]}:auth:{hashed(method + ":" + path)}')
        if said.get("response") != want:
            return False
        self.counts.add(once)
        return True

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def certificates(folder):
    """A certificate authority, and a server's context with a certificate of it for 127.0.0.1."""
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
        "-subj", "/CN=Test authority")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    with open(os.path.join(folder, "ext"), "w") as file:
        file.write("subjectAltName=IP:127.0.0.1\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
        "-extfile", "ext", "-out", "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    return os.path.join(folder, "ca.pem"), context
