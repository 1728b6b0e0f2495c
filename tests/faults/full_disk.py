import errno
import os
import shlex
import subprocess

from fault import Fault
from harness import eventually


class Volume:
    """A small tmpfs where the database lies, in a mount namespace of its own. Raises OSError where that is not allowed."""

    def __init__(self, town, megabytes):
        self.town, var, staged = town, os.path.dirname(town.database), os.path.join(town.folder, "staged")
        script = (f"mv {shlex.quote(var)} {shlex.quote(staged)} && mkdir {shlex.quote(var)} && "
                  f"mount -t tmpfs -o size={megabytes}m,mode=700 none {shlex.quote(var)} && "
                  f"cp -a {shlex.quote(staged)}/. {shlex.quote(var)}/ && echo mounted && exec sleep infinity")
        self.holder = None
        for unshare, enter in ((["unshare", "-m"], ["-m"]),
                               (["unshare", "-r", "-m"], ["-U", "-m", "--preserve-credentials"])):
            if subprocess.run([*unshare, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0:
                break
        else:
            raise OSError("this user may not mount a tmpfs in a namespace")
        self.holder = subprocess.Popen([*unshare, "sh", "-c", script], stdout=subprocess.PIPE)
        if b"mounted" not in self.holder.stdout.readline():
            self.close()
            raise OSError("the tmpfs could not be mounted")
        wrapper = os.path.join(town.folder, "in-the-volume")
        with open(wrapper, "w") as file:
            file.write("#!/bin/sh\nexec nsenter -t {} {} -- sh -c 'cd \"$0\" && exec \"$@\"' {} {} \"$@\"\n".format(
                self.holder.pid, " ".join(enter), shlex.quote(town.folder), shlex.quote(town.host.program)))
            os.fchmod(file.fileno(), 0o700)
        town.host.program = wrapper
        self.ballast = f"/proc/{self.holder.pid}/root{var}/ballast"

    def fill(self, leave):
        """Leaves about so many bytes."""
        size = self.space()
        with open(self.ballast, "wb") as file:
            while size > 0:  # the host writes meanwhile
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                    break
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise
                    size = min(size - 4096, self.space())
            if size > leave:
                file.truncate(size - leave)

    def space(self):
        found = os.statvfs(os.path.dirname(self.ballast))
        return found.f_bavail * found.f_frsize

    def empty(self):
        os.unlink(self.ballast)

    def close(self):
        if self.holder:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()


class Preloaded:
    """In place of the volume: every write answers ENOSPC."""

    def __init__(self, town):
        self.disk = town.faulty_disk()

    def fill(self, leave):
        self.disk["write_error"] = errno.ENOSPC

    def empty(self):
        self.disk.clear()

    def close(self):
        pass


class FullDisk(Fault):
    """The disk runs full under load: 503 and never a 202, and it goes on when there is room."""
    name, short, long = "full-disk", 2, 40

    def run(self):
        town, rng = self.open(sandbox_options=("--no-limits", "--no-log")), self.rng
        town.host.stop()
        try:
            volume = Volume(town, 128)
            self.figures["disk"] = "tmpfs"
        except OSError as why:
            self.say(f"not on a real file system: {why}")
            volume = Preloaded(town)
            self.figures["disk"] = "preloaded"
        try:
            town.host.start()
            for round in range(self.rounds):
                refused = len(town.refusals)
                senders = town.senders(rng, f"f{round}t", 3)
                volume.fill(rng.choice((0, 4096, 65536)))
                eventually(lambda: len(town.refusals) > refused + 10 or not all(s.is_alive() for s in senders),
                           "events are refused")
                statuses = {(status, code) for _, status, code in town.refusals[refused:]}
                self.check(statuses <= {(503, "store_unavailable")}, f"a full disk is told as {statuses}")
                eventually(lambda: not town.ready(), "/readyz tells", 10)
                volume.empty()
                self.worst("recovery_seconds", town.until_accepted(rng))
                for sender in senders:
                    sender.stop()
                for sender in senders:
                    sender.ended()
                eventually(town.ready, "/readyz is 200 again", 10)
                town.tell_the_rest(rng)
            self.figures["refused"] = len(town.refusals)
            self.level()
            town.host.stop()
        finally:
            town.host.stop()
            volume.close()
        town.host.process = None
