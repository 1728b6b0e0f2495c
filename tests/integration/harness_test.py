"""What the harness has to notice, whatever a program's exit code says."""
import os
import re
import tempfile
import unittest

from harness import Host, refuse_sanitizer_reports

REPORTS = {
    "AddressSanitizer": "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55 bp 0x7f sp 0x7f",
    "LeakSanitizer": "\n=================\n==7==ERROR: LeakSanitizer: detected memory leaks",
    "UndefinedBehaviorSanitizer": "info: fine\n../../host/core/time.cpp:12:5: runtime error: signed integer overflow",
    "ThreadSanitizer": "==================\nWARNING: ThreadSanitizer: data race (pid=7)",
}


class Notices(unittest.TestCase):
    def test_every_sanitizers_report_in_a_log_is_a_failure_that_shows_it(self):
        for name, report in REPORTS.items():
            with self.subTest(name), self.assertRaisesRegex(AssertionError, re.escape(report.splitlines()[-1])):
                refuse_sanitizer_reports("the host", "a line before\n" + report + "\nand after")

    def test_a_log_without_a_report_is_fine(self):
        refuse_sanitizer_reports("the host", 'error: push failed {"reason":"runtime error: of the provider"}\n')

    def test_a_host_that_reports_and_still_ends_well_is_a_failure(self):
        for name, report in REPORTS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                host = Host(folder, "http://127.0.0.1:1", 1)
                host.program = os.path.join(folder, "calbridge")
                with open(host.program, "w") as file:
                    file.write(f"#!/bin/sh\ncat >&2 <<'END'\n{report}\nEND\necho ready\n")
                os.chmod(host.program, 0o700)
                host.start()
                with self.assertRaisesRegex(AssertionError, "a sanitizer reported this in the host"):
                    host.stop()
                with self.assertRaisesRegex(AssertionError, "a sanitizer reported this in calbridge people list"):
                    host.run("people", "list")


if __name__ == "__main__":
    unittest.main(verbosity=2)
