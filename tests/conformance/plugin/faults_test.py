"""For every check of `calbridge plugins check` there is a plugin that fails that check and no other.

The plugins are one library that reads from its file's name in which way it is to be bad; faults of the file itself are
built under their names. A new check without such a plugin fails this test.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CALBRIDGE = sys.argv.pop(1)
FOLDER = pathlib.Path(sys.argv.pop(1))


def run(*arguments):
    done = subprocess.run([CALBRIDGE, "plugins", "check", *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300)
    return done.returncode, done.stdout, done.stderr


class Fixture(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def plugin(self, name):
        built = FOLDER / f"lib{name}.so"
        return built if built.exists() else pathlib.Path(shutil.copy(FOLDER / "libsound.so", self.folder / f"lib{name}.so"))

    def report(self, name, *arguments):
        code, out, err = run(self.plugin(name), "--json", "--timeout", 10, *arguments)
        self.assertIn(code, (0, 1), out + err)
        report = json.loads(out)
        self.assertEqual(code, 1 if report["failed"] else 0)
        return report


class EveryCheckCanFail(Fixture):
    def test_a_sound_plugin_passes_every_check_and_skips_none(self):
        report = self.report("sound")
        wrong = [(c["id"], c.get("findings"), c.get("reason")) for c in report["checks"] if c["outcome"] != "passed"]
        self.assertEqual(wrong, [])
        self.assertGreater(report["passed"], 60)

    def test_each_fault_fails_its_own_check_and_no_other(self):
        checks = [check["id"] for check in json.loads(run("--list", "--json")[1])]
        self.assertEqual(len(checks), len(set(checks)))
        wrong = []
        for check in checks:
            report = self.report(check)
            failed = [one for one in report["checks"] if one["outcome"] == "failed"]
            if [one["id"] for one in failed] != [check]:
                wrong.append((check, [(one["id"], one["findings"][:2]) for one in failed]))
            for one in failed:
                self.assertTrue(all(one["findings"]) and one["change"], one)
        self.assertEqual(wrong, [])

    def test_what_a_check_finds_does_not_depend_on_the_seed(self):
        for seed in (2, 3):
            self.assertEqual(self.report("sound", "--seed", seed)["failed"], 0)
            failed = [c["id"] for c in self.report("oauth.state", "--seed", seed, "--only", "oauth")["checks"]
                      if c["outcome"] == "failed"]
            self.assertEqual(failed, ["oauth.state"])


class TheCommand(Fixture):
    def test_a_hang_is_killed_and_told(self):
        code, out, _ = run(self.plugin("time.deadline"), "--only", "time.deadline", "--timeout", 1)
        self.assertEqual(code, 1, out)
        self.assertIn("did not end in time, and was killed, during: push whose time runs out", out)

    def test_a_crash_says_what_the_plugin_was_doing(self):
        code, out, _ = run(self.plugin("input.deep"), "--only", "input.deep")
        self.assertEqual(code, 1, out)
        self.assertIn("during: connect with 100 levels", out)
        self.assertIn("To change: ", out)

    def test_a_file_that_cannot_be_loaded_is_3(self):
        text = self.folder / "libtext.so"
        text.write_text("not a library")
        for path, words in ((text, "no ELF file"), (self.folder / "libnone.so", "there is no file"),
                            (CALBRIDGE, "it cannot be loaded")):
            code, out, err = run(path, "--json")
            self.assertEqual(code, 3, out + err)
            self.assertIn(words, err)
            self.assertIn(words, json.loads(out)["problem"])

    def test_usage_is_2(self):
        script = self.folder / "script.json"
        script.write_text('{\n  "routes": [{"on": "POST /x", "do": "dance"}]\n}')
        broken = self.folder / "broken.json"
        broken.write_text('{\n  "routes": [}\n')
        sound = self.plugin("sound")
        for arguments, words in (([], "which plugin?"), ([sound, "--only", "no.such"], "there is no check"),
                                 ([sound, "--script", script], "/routes/0/do"),
                                 ([sound, "--script", broken], "broken.json:2:14"),
                                 ([sound, "--script", self.folder / "none.json"], "cannot be read"),
                                 ([sound, "--timeout", "0"], "--timeout")):
            code, out, err = run(*arguments)
            self.assertEqual(code, 2, out + err)
            self.assertIn(words, err)

    def test_only_runs_what_it_names(self):
        ids = [check["id"] for check in self.report("sound", "--only", "feed", "--only", "oauth.state")["checks"]]
        self.assertEqual(ids, ["oauth.state", "feed.frame", "feed.uid"])

    def test_a_skip_has_a_reason_and_is_counted(self):
        report = self.report("entry.created", "--only", "entry.once")
        self.assertEqual(report["skipped"], 1)
        self.assertIn("the first push brings no entry", report["checks"][0]["reason"])

    def test_a_script_changes_how_the_service_answers(self):
        script = self.folder / "script.json"
        script.write_text(json.dumps({"routes": [{"on": "POST https://api.acme.example/v1/entries",
                                                  "reply": {"status": 507, "json": {}}}]}))
        report = self.report("sound", "--script", script, "--only", "entry.created")
        self.assertIn("push of a new entry ends as transient", report["checks"][0]["findings"][0])


if __name__ == "__main__":
    unittest.main()
