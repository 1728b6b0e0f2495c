"""A real SMTP server (aiosmtpd) that keeps what it gets and can be told to misbehave.

As a program it serves until its standard input closes, prints its port, and writes each message that it has taken into
a folder as N.eml, with its envelope in N.json. As a module, MailServer does the same in a thread, for Python tests.
"""
import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl
import sys
import threading

try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    print("skipped: python3-aiosmtpd is not installed", file=sys.stderr)
    os._exit(77)


class Received:
    def __init__(self, sender, recipients, content):
        self.sender, self.recipients, self.content = sender, recipients, content
        self.message = email.message_from_bytes(content, policy=email.policy.default)


class Handler:
    def __init__(self, server):
        self.server = server

    async def handle_RCPT(self, server, session, envelope, address, options):
        mine = self.server
        mine.attempts += 1
        if address in mine.unknown:
            return "550 5.1.1 no such mailbox here"
        if mine.greylisted > 0:
            mine.greylisted -= 1
            return "450 4.7.1 greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.server.sender_refused:
            return "550 5.7.1 this sender may not send here"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mine = self.server
        if mine.spam:
            return "554 5.7.1 this looks like spam"
        mine.take(Received(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        if mine.drops > 0:  # taken, and nobody is told
            mine.drops -= 1
            server.transport.abort()
        if mine.closes_after:
            asyncio.get_running_loop().call_later(0.01, server.transport.close)
        return "250 2.0.0 taken"


class MailServer:
    """mode: plain | starttls | tls. `credentials`: (user name, password), demanded when given."""

    def __init__(self, mode="plain", certificate=None, key=None, credentials=None, port=0, folder=None):
        self.mode, self.certificate, self.key, self.credentials = mode, certificate, key, credentials
        self.port, self.folder = port, folder
        self.received, self.attempts, self.sessions = [], 0, 0
        self.unknown, self.greylisted, self.drops = set(), 0, 0
        self.sender_refused = self.spam = self.closes_after = False
        self.changed = threading.Condition()
        self.loop = self.thread = self.listener = None

    def take(self, received):
        with self.changed:
            if self.folder:
                path = os.path.join(self.folder, str(len(self.received)))
                with open(path + ".eml", "wb") as file:
                    file.write(received.content)
                with open(path + ".json.new", "w") as file:
                    json.dump({"from": received.sender, "to": received.recipients}, file)
                os.rename(path + ".json.new", path + ".json")
            self.received.append(received)
            self.changed.notify_all()

    def protocol(self):
        self.sessions += 1
        options = {"hostname": "mail.test", "auth_require_tls": self.mode == "starttls"}
        if self.mode == "starttls":
            options.update(tls_context=self.context(), require_starttls=True)
        if self.credentials:
            options.update(auth_required=True, authenticator=self.authenticate)
        return SMTP(Handler(self), **options)

    def authenticate(self, server, session, envelope, mechanism, data):
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.credentials, handled=given == self.credentials)

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    async def listen(self):
        tls = self.context() if self.mode == "tls" else None
        self.listener = await asyncio.get_running_loop().create_server(self.protocol, "127.0.0.1", self.port, ssl=tls)
        self.port = self.listener.sockets[0].getsockname()[1]

    def start(self):
        """Serves on a thread of its own; returns self."""
        ready = threading.Event()

        def run():
            self.loop = asyncio.new_event_loop()
            self.loop.run_until_complete(self.listen())
            ready.set()
            self.loop.run_forever()
            self.loop.close()
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        ready.wait()
        return self

    def stop(self):
        """Nobody is there any more; the same port may be taken again by another server."""
        def end():
            self.listener.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_soon(self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self.thread.join()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="plain")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--folder")
    parser.add_argument("--unknown", action="append", default=[])
    parser.add_argument("--greylisted", type=int, default=0)
    parser.add_argument("--drops", type=int, default=0)
    parser.add_argument("--sender-refused", action="store_true")
    parser.add_argument("--spam", action="store_true")
    parser.add_argument("--closes-after", action="store_true")
    options = parser.parse_args()
    server = MailServer(options.mode, options.certificate, options.key,
                        (options.user, options.password) if options.user else None, 0, options.folder)
    server.unknown, server.greylisted, server.drops = set(options.unknown), options.greylisted, options.drops
    server.sender_refused, server.spam, server.closes_after = options.sender_refused, options.spam, options.closes_after
    server.start()
    print(server.port, flush=True)
    sys.stdin.read()
    print(server.sessions, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
