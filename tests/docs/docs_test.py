"""Holds the documents to the tree: links lead somewhere, verbs and commands exist, words that must not be there are not."""
import os
import re
import subprocess
import unittest
import urllib.parse

SOURCE = os.environ["CALBRIDGE_SOURCE_DIR"]
BINARY = os.environ.get("CALBRIDGE_BINARY_DIR", "")
SKIPPED_FOLDERS = {"build", "var", "node_modules", "artifacts", ".git"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
FORBIDDEN = [  # pattern, and why a document must not have it
    (r"\bTODO\b|\bFIXME\b|\bTBD\b|\bXXX\b", "unfinished work is no documentation"),
    (r"(?i)lorem ipsum", "filler"),
    (r"/root/|/home/[a-z]", "a path of somebody's own machine"),
    (r"(?i)\bsimply\b|\bobviously\b|\bof course\b", "if it were, nobody would read here"),
]


def documents():
    for folder, folders, files in os.walk(SOURCE):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith("build-"))
        for name in sorted(files):
            if name.endswith(".md"):
                yield os.path.relpath(os.path.join(folder, name), SOURCE)


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
        return file.read()


def anchors(text):
    """The ids that headings get, as the usual renderers make them."""
    made = set()
    for heading in re.findall(r"^#+ +(.*)$", FENCE.sub("", text), re.M):
        words = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        made.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return made


def commands_named(text):
    """What follows the program's name in shell examples and code spans, options in between passed over."""
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    call = re.compile(r"(?:^|\| )(?:sudo )?(?:\S*/)?calbridge(?: --\S+(?: (?![a-z-]+(?: |$))\S+)?)* ([a-z-]+)(?= |$)")
    return {command for line in lines for command in call.findall(line)}


class DocumentsTest(unittest.TestCase):
    def test_the_documents_that_a_newcomer_looks_for_are_there(self):
        found = set(documents())
        for name in ("README.md", "ARCHITECTURE.md", "sdk/README.md", "host/delivery/STATES.md", "docs/configuration.md", "docs/api.md",
                     "docs/operating.md", "docs/google-cloud.md", "docs/azure.md", "docs/writing-a-provider.md"):
            self.assertIn(name, found)
        for name in ("LICENSE", ".env.example", "docs/calbridge.service", "docs/images/settings.png"):
            self.assertTrue(os.path.isfile(os.path.join(SOURCE, name)), name)
        self.assertIn("Apache License", read("LICENSE"))
        self.assertIn("END OF TERMS AND CONDITIONS", read("LICENSE"))

    def test_every_relative_link_leads_to_something(self):
        broken, links = [], 0
        for name in documents():
            for target in LINK.findall(FENCE.sub("", read(name))):
                if re.match(r"[a-z]+:", target):
                    continue
                links += 1
                path, _, anchor = urllib.parse.unquote(target).partition("#")
                full = os.path.normpath(os.path.join(SOURCE, os.path.dirname(name), path)) if path else os.path.join(SOURCE, name)
                if not os.path.exists(full):
                    broken.append(f"{name}: {target}: there is no such file")
                elif anchor and full.endswith(".md") and anchor not in anchors(read(os.path.relpath(full, SOURCE))):
                    broken.append(f"{name}: {target}: there is no such heading")
        self.assertGreater(links, 20, "the links were found")
        self.assertEqual(broken, [])

    def test_every_verb_of_dev_that_is_named_exists(self):
        verbs = set(re.findall(r"^verb_([a-z]+)\(\)", read("dev"), re.M))
        named = {(name, verb) for name in documents() for verb in re.findall(r"\./dev ([a-z]+)", read(name))}
        self.assertLessEqual({"run", "test"}, {verb for _, verb in named})
        self.assertEqual([(name, verb) for name, verb in sorted(named) if verb not in verbs], [])
        self.assertLessEqual(verbs, {verb for name, verb in named if name == "README.md"}, "the README names every verb")

    def test_every_command_of_calbridge_that_is_named_exists(self):
        program = os.path.join(BINARY, "bin", "calbridge")
        if not os.path.exists(program):
            self.skipTest("calbridge is not built here")
        shown = subprocess.run([program, "--help"], capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        commands = set(re.findall(r"^  ([a-z-]+) {2,}", shown.stdout, re.M))
        self.assertIn("serve", commands)
        named = {(name, command) for name in documents() for command in commands_named(read(name))}
        self.assertIn(("README.md", "serve"), named)
        self.assertEqual([(name, command) for name, command in sorted(named) if command not in commands], [])

    def test_every_metric_that_the_guide_explains_exists_and_the_other_way_round(self):
        source = read("host/http/api/operations_resource.cpp")
        told = set(re.findall(r'text\.(?:gauge|counter|family)\(\s*"(calbridge_\w+)"', source))
        explained = set(re.findall(r"`(calbridge_\w+?)(?:_sum)?(?:\{[^`]*)?`", read("docs/operating.md")))
        self.assertGreater(len(told), 5)
        self.assertEqual(told, explained)

    def test_every_problem_code_of_the_api_is_in_the_guide(self):
        codes = set(re.findall(r'Mapping\{"(\w+)"', read("host/http/api/error_response.cpp")))
        self.assertGreater(len(codes), 10)
        guide = read("docs/api.md")
        self.assertEqual([code for code in sorted(codes) if f"`{code}`" not in guide], [])

    def test_every_variable_of_the_sample_environment_is_explained(self):
        guide = read("docs/configuration.md").replace("OUTLOOK_", "GOOGLE_")
        for name in re.findall(r"^#?([A-Z_]+)=", read(".env.example"), re.M):
            self.assertIn(name.replace("OUTLOOK_", "GOOGLE_"), guide)

    def test_no_document_has_words_that_must_not_be_there(self):
        found = []
        for name in documents():
            for number, line in enumerate(read(name).splitlines(), 1):
                found += [f"{name}:{number}: {line.strip()} ({why})" for pattern, why in FORBIDDEN if re.search(pattern, line)]
        self.assertEqual(found, [])

    def test_documents_are_plain_text_without_stray_characters(self):
        for name in documents():
            text = read(name)
            self.assertNotIn("\r", text, name)
            self.assertNotIn("\t", FENCE.sub("", text), name)
            self.assertTrue(text.endswith("\n"), name)
            self.assertEqual(text.count("```") % 2, 0, f"{name}: a code block is not closed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
