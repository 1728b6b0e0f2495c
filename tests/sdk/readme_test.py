"""Does what sdk/README.md says, from its first command to its last, and compiles what it shows.

A block that cannot be run has to say so: `<!-- not run: reason -->` in the line above it. They are counted.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from plugin_world import BINARY, DEADLINE, SOURCE, checked, free_port, run  # noqa: E402

BLOCK = re.compile(r"(?:^<!-- not run: (?P<reason>.+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
RUN = {"sh", "jsonc", "json5", "cpp", "c"}
NOT_RUN = 0  # how many blocks of the README may be marked


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SOURCE, "sdk", "README.md"), encoding="utf-8") as file:
            cls.blocks = [match.groupdict() for match in BLOCK.finditer(file.read())]
        cls.home = tempfile.mkdtemp(prefix="calbridge-test-")
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)

    def texts(self, language):
        return [block["text"] for block in self.blocks if block["language"] == language and not block["reason"]]

    def test_every_block_is_run_or_says_why_not(self):
        self.assertEqual({block["language"] for block in self.blocks if not block["reason"]} - RUN, set())
        self.assertEqual(len([block for block in self.blocks if block["reason"]]), NOT_RUN)
        self.assertGreaterEqual(len(self.texts("sh")), 7)
        self.assertGreaterEqual(len(self.texts("cpp")), 1)

    def test_following_it_from_nothing_delivers_an_entry_and_its_configuration_is_valid(self):
        script = "\n".join(["set -euo pipefail", *self.texts("sh"), "echo everything was done"])
        host, service = free_port(), free_port()
        for told, done in (("./dev build release", "true"), ("build/release", BINARY), ("9090", str(service)),
                           ("localhost:8000", f"localhost:{host}"),
                           ("calbridge serve", f"calbridge serve --set 'server.listen=[\"127.0.0.1:{host}\"]' --set "
                                               f"server.public_url=http://localhost:{host} --set "
                                               f"server.frontend_url=http://localhost:{host}")):
            self.assertIn(told, script)
            script = script.replace(told, done)
        # A session of its own, so that whatever it leaves running can be ended as one.
        process = subprocess.Popen(["bash", "-c", script], cwd=SOURCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, start_new_session=True,
                                   env={"HOME": self.home, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        try:
            said, _ = process.communicate(timeout=3 * DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            self.fail(f"it did not come to its end: {process.communicate()[0]}{self.log()}")
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.assertEqual(process.returncode, 0, said + self.log())
        self.assertIn("everything was done", said)
        self.assertIn('"title": "Deep clean"', said)
        self.assertIn("connected=acme", said)
        self.assertRegex(said, r"\d+ checks: \d+ passed, 0 failed")

        # What it shows of calbridge.json, with the plugin that has just been built.
        demo, blocks = os.path.join(self.home, "demo"), self.texts("jsonc")
        self.assertGreaterEqual(len(blocks), 1)
        for number, block in enumerate(blocks):
            folder = shutil.copytree(os.path.join(demo, "config"), os.path.join(demo, f"shown-{number}"))
            with open(os.path.join(folder, "calbridge.json"), "w", encoding="utf-8") as file:
                file.write("{" + block + "}")
            # Of the shipped configuration's providers, those that the block does not name are not there.
            path = os.path.join(folder, "roles.json")
            with open(path, encoding="utf-8") as file:
                text = re.sub(r'"providers": \[.*\]', '"providers": ["acme"]', file.read())
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            run(os.path.join(self.home, "calbridge", "bin", "calbridge"), "check", "--config", folder, folder=demo)

        # What it shows of a script for `plugins check`, with the plugin that has just been built.
        scripts = self.texts("json5")
        self.assertGreaterEqual(len(scripts), 1)
        for script in scripts:
            path = os.path.join(demo, "acme", "check.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(script)
            outcomes = checked(os.path.join(self.home, "calbridge", "bin", "calbridge"),
                               os.path.join(demo, "acme", "build", "libacme.so"), "--script", path)
            self.assertEqual(outcomes["entry.created"], "passed")

    def log(self):
        path = os.path.join(self.home, "demo", "host.log")
        if not os.path.exists(path):
            return "(no host ran)"
        with open(path, encoding="utf-8", errors="replace") as file:
            return "---- the host's log ----\n" + file.read()[-4000:]

    def test_what_it_shows_compiles(self):
        sdk = os.path.join(self.home, "sdk")
        run("cmake", "--install", BINARY, "--component", "sdk", "--prefix", sdk)
        for language, compiler, standard in (("cpp", os.environ["CALBRIDGE_CXX"], "c++20"),
                                             ("c", os.environ["CALBRIDGE_CC"], "c11")):
            for text in self.texts(language):
                path = os.path.join(self.home, f"shown.{language}")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                run(compiler, f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
                    "-Wshadow", "-Werror", f"-I{sdk}/include", path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
