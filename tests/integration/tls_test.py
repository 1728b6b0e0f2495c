"""The host's own TLS listener, and what it believes of proxies in front of it. Certificates are made here, by openssl."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest
import warnings

from harness import DEADLINE, Client, Host, eventually, free_port, main


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def make_certificate(folder, name, days=2, stem="tls", key=EC):
    """Self-signed, for that name and localhost; as tools that renew do, written beside and renamed."""
    paths = [os.path.join(folder, f"{stem}-{part}.pem") for part in ("certificate", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-noenc",
                    "-days", str(days), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:localhost",
                    "-out", paths[0] + ".new", "-keyout", paths[1] + ".new"],
                   check=True, capture_output=True)
    for path in paths:
        os.rename(path + ".new", path)
    return paths


class TlsHost(unittest.TestCase):
    """A host with TLS on one port and without on another; no provider is needed."""
    more = ()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="calbridge-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.certificate, self.key = make_certificate(self.folder, "first.example")
        self.port, self.plain = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.host = Host(self.folder, "http://127.0.0.1:9", self.port, [
            ("server.tls", json.dumps({"certificate_file": self.certificate, "key_file": self.key,
                                       "plain_listen": [f"127.0.0.1:{self.plain}"]})),
            ("server.public_url", self.url), ("server.frontend_url", self.url),
            ("server.allowed_origins", json.dumps([self.url])), *self.more])

    def start(self):
        self.host.start()
        self.addCleanup(self.host.stop)

    def ask(self, method, path, body=None, headers=None):
        context = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=DEADLINE, context=context)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {**({} if body is None else {"Content-Type": "application/json"}), **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def shown(self):
        """The certificate that a new handshake shows, as PEM without blanks at its ends."""
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=DEADLINE).strip()

    def in_file(self):
        with open(self.certificate) as file:
            return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(file.read())).strip()


class Tls(TlsHost):
    def test_people_log_in_over_https_with_cookies_that_go_nowhere_else(self):
        self.host.run("people", "add", "ada", "--name", "Ada", "--email", "ada@example.com", "--role", "admin")
        self.host.run("people", "set-password", "ada", input="password of ada")
        self.start()
        status, headers, _ = self.ask("POST", "/api/session/", {"email": "ada@example.com", "password": "password of ada"},
                                      {"Origin": self.url})
        self.assertEqual(status, 200)
        cookie = headers["set-cookie"]
        self.assertTrue(cookie.startswith("__Host-calbridge_session="), cookie)
        self.assertIn("; Secure", cookie)
        status, _, body = self.ask("GET", "/api/session/", headers={"Cookie": cookie.split(";")[0]})
        self.assertEqual((status, json.loads(body)["id"]), (200, "ada"))

    def test_versions_before_1_2_are_refused(self):
        self.start()
        warnings.simplefilter("ignore", DeprecationWarning)  # we know that they are old
        for version, name in ((ssl.TLSVersion.TLSv1, None), (ssl.TLSVersion.TLSv1_1, None),
                              (ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with self.subTest(version), socket.create_connection(("127.0.0.1", self.port), DEADLINE) as raw:
                if not name:
                    self.assertRaisesRegex(ssl.SSLError, "alert protocol version", context.wrap_socket, raw)
                    continue
                with context.wrap_socket(raw) as secure:
                    self.assertEqual(secure.version(), name)
                    self.assertIsNone(secure.compression())
                    cipher, _, bits = secure.cipher()
                    self.assertTrue("GCM" in cipher or "CHACHA20" in cipher, cipher)
                    self.assertGreaterEqual(bits, 128)

    def test_the_plain_listener_is_for_this_machine_and_the_tls_port_says_what_it_speaks(self):
        self.start()
        self.assertEqual(Client(f"http://localhost:{self.plain}")("GET", "/healthz").status, 200)
        answer = Client(f"http://localhost:{self.port}")("GET", "/healthz")
        self.assertEqual((answer.status, answer.json["code"]), (400, "tls_required"))
        self.host.options += ["--set", 'server.tls.plain_listen=["0.0.0.0:0"]']
        done = self.host.run("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("this machine's own addresses only", done.stdout + done.stderr)

    def test_a_new_certificate_is_taken_on_sighup_and_when_the_files_change(self):
        self.start()
        self.assertEqual(self.shown(), self.in_file())
        with socket.create_connection(("localhost", self.port), DEADLINE) as raw, \
                ssl.create_default_context(cafile=self.certificate).wrap_socket(raw, server_hostname="localhost") as old:
            for name, hang_up in (("second.example", True), ("third.example", False)):
                before = self.in_file()
                make_certificate(self.folder, name)
                self.assertNotEqual(before, self.in_file())
                if hang_up:
                    self.host.process.send_signal(signal.SIGHUP)
                eventually(lambda: self.shown() == self.in_file(), f"{name} is shown")
            old.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertTrue(old.recv(65536).startswith(b"HTTP/1.1 200"), "a connection that was open goes on")

    def test_a_broken_new_certificate_leaves_the_former_one_with_a_reason(self):
        self.start()
        former = self.in_file()
        with open(self.key, "w") as file:
            file.write("nothing")
        self.host.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the former one stays" in self.host.log(), "the reason is logged")
        self.assertIn("is no PEM file of a private key", self.host.log())
        self.assertEqual(self.shown(), former)
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_check_finds_what_is_wrong_with_certificate_and_key(self):
        def checked(code, *words):
            done = self.host.run("check", check=False)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            for word in words:
                self.assertIn(word, done.stdout + done.stderr)

        self.assertEqual(os.stat(self.key).st_mode & 0o777, 0o600)
        checked(0, "expires at")
        os.chmod(self.key, 0o644)
        checked(0, "chmod 600 " + self.key)
        make_certificate(self.folder, "weak.example", 2, "weak", ("rsa:1024",))
        weak = os.path.join(self.folder, "weak-%s.pem")
        subprocess.run(["openssl", "ec", "-in", self.key, "-aes128", "-passout", "pass:secret", "-out", self.key + ".aes"],
                       check=True, capture_output=True)
        for setting, words in ((("server.tls.key_file", weak % "key"), ("does not belong to the certificate", "too weak")),
                               (("server.tls.key_file", self.key + ".aes"), ("is encrypted",)),
                               (("server.tls.key_file", self.certificate), ("is no PEM file of a private key",)),
                               (("server.tls.certificate_file", self.key), ("is no PEM file of certificates",)),
                               (("server.tls.certificate_file", "nowhere.pem"), ("does not exist or can not be read",))):
            with self.subTest(setting):
                options = list(self.host.options)
                self.host.options += ["--set", "=".join(setting)]
                checked(1, *words)
                started = self.host.run("serve", check=False)
                self.assertEqual(started.returncode, 1, started.stderr)
                self.host.options = options


class Proxies(TlsHost):
    more = (("server.trusted_proxies", '["127.0.0.2", "127.0.3.0/24"]'),)

    def try_log_in(self, source, forwarded, email):
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=DEADLINE, source_address=(source, 0))
        try:
            connection.request("POST", "/api/session/", json.dumps({"email": email, "password": "wrong"}),
                               {"Content-Type": "application/json", **forwarded})
            return connection.getresponse().status
        finally:
            connection.close()

    def tries(self, source, headers):
        """The statuses of six wrong passwords, each for another account and with the next headers."""
        return [self.try_log_in(source, headers(i), f"{source}-{i}@example.com") for i in range(6)]

    def test_only_trusted_proxies_can_say_whose_address_counts(self):
        self.start()
        refused, served = [401] * 5 + [429], [401] * 6
        self.assertEqual(self.tries("127.0.0.5", lambda i: {"X-Forwarded-For": f"192.0.2.{i}"}), refused, "a stranger's word")
        self.assertEqual(self.tries("127.0.0.6", lambda i: {"Forwarded": f"for=192.0.2.{i}"}), refused, "a stranger's word")
        self.assertEqual(self.tries("127.0.0.2", lambda i: {"X-Forwarded-For": f"192.0.2.{10 + i}"}), served, "six clients")
        self.assertEqual(self.tries("127.0.3.1", lambda i: {"Forwarded": f'for="[2001:db8:{i}::1]:99"'}), served, "six clients")
        self.assertEqual(self.tries("127.0.3.2", lambda i: {"X-Forwarded-For": f"198.51.100.{i}, 192.0.2.30, 127.0.3.9"}),
                         refused, "one client that invents others before itself")
        self.assertEqual(self.tries("127.0.3.3", lambda i: {"X-Forwarded-For": "192.0.2.40", "Forwarded": f"for=192.0.2.{50 + i}"}),
                         refused, "the client's own Forwarded beside the proxy's header")
        eventually(lambda: "192.0.2.30" in self.host.log(), "the log names the client")
        self.assertNotIn("198.51.100", self.host.log())


if __name__ == "__main__":
    main()
