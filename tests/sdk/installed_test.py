"""The SDK as somebody meets it who has nothing else: installed, moved, found, and building plugins that deliver."""
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from plugin_world import BINARY, SOURCE, PluginLife, checked, run  # noqa: E402

CXX, CC, CLANG = os.environ["CALBRIDGE_CXX"], os.environ["CALBRIDGE_CC"], "clang++-14"


class InstalledSdk(unittest.TestCase):
    """One installation for all tests, moved once it was made, so that nothing in it can know where it lies."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="calbridge-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        made = os.path.join(cls.folder, "made")
        run("cmake", "--install", BINARY, "--prefix", made)
        sdk = os.path.join(cls.folder, "sdk-only")
        run("cmake", "--install", BINARY, "--component", "sdk", "--prefix", sdk)
        cls.prefix, cls.sdk = os.path.join(cls.folder, "moved"), os.path.join(cls.folder, "sdk-moved")
        os.rename(made, cls.prefix)
        os.rename(sdk, cls.sdk)
        cls.program = os.path.join(cls.prefix, "bin", "calbridge")
        # Nothing that could lead back into the source tree.
        cls.environment = {"PATH": os.environ["PATH"], "HOME": cls.folder, "LC_ALL": "C.UTF-8",
                           "PKG_CONFIG_PATH": os.path.join(cls.sdk, "lib", "pkgconfig")}

    def only_the_sdk(self, build):
        """No file that the compiler read for this build lies in the source tree, and its headers come from the SDK."""
        read = set()
        for folder, _, files in os.walk(build):
            for name in files:
                if name.endswith(".d"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        read |= {os.path.normpath(os.path.join(folder, path)) for path in file.read().replace("\\\n", " ").split()}
        self.assertIn(os.path.join(self.sdk, "include", "calbridge", "abi.h"), read)
        self.assertEqual([path for path in read if os.path.realpath(path).startswith(SOURCE + os.sep)], [])

    def exports_its_table_alone(self, plugin):
        shown = run("nm", "-D", "--defined-only", plugin)
        self.assertRegex(shown, r"^[0-9a-f]+ [DR] calbridge_plugin_v1\n$")

    def passes_the_installed_check(self, plugin):
        outcomes = checked(self.program, plugin, environment=self.environment)
        for check in ("library.exports", "oauth.pkce", "entry.cut-off", "same.bytes", "same.isolated"):
            self.assertEqual(outcomes[check], "passed", check)

    def build(self, project, compiler, *options):
        """Configures and builds a project against the SDK alone; returns the build folder."""
        build = tempfile.mkdtemp(dir=self.folder)
        run("cmake", "-G", "Ninja", "-S", project, "-B", build, f"-DCMAKE_PREFIX_PATH={self.sdk}",
            f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_BUILD_TYPE=Debug",
            "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -MD", *options,
            environment=self.environment)
        run("cmake", "--build", build, environment=self.environment)
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            commands = " ".join(entry["command"] for entry in json.load(file))
        with open(os.path.join(build, "build.ninja"), encoding="utf-8") as file:
            self.assertNotIn(SOURCE + "/", commands + file.read())
        self.assertIn(compiler, commands)
        return build

    def test_the_template_builds_out_of_tree_and_delivers_with_either_compiler(self):
        if not shutil.which(CLANG):
            self.fail(f"{CLANG} is not installed (Debian package clang-14; ./dev test installs it)")
        project = os.path.join(self.folder, "acme")
        shutil.copytree(os.path.join(self.sdk, "share", "calbridge-sdk", "template"), project)
        for compiler in (CXX, CLANG):
            with self.subTest(compiler):
                build = self.build(project, compiler)
                deps = run("ninja", "-C", build, "-t", "deps")
                self.assertIn(os.path.join(self.sdk, "include", "calbridge", "plugin.hpp"), deps)
                self.assertNotIn(SOURCE + "/", deps, "nothing of the source tree was read")
                plugin = os.path.join(build, "libacme.so")
                self.exports_its_table_alone(plugin)
                self.passes_the_installed_check(plugin)
                with PluginLife(plugin, "acme", self.program, os.path.join(self.prefix, "share", "calbridge", "config"),
                                os.path.join(project, "provider.py")) as life:
                    life.live()

    def test_a_plugin_in_plain_c_builds_with_pkg_config_and_cc_alone_and_delivers(self):
        project = os.path.join(self.folder, "in-c")
        shutil.copytree(os.path.join(self.sdk, "share", "calbridge-sdk", "template-c"), project)
        flags = run("pkg-config", "--cflags", "--libs", "calbridge-sdk", environment=self.environment).split()
        plugin = os.path.join(project, "libacme.so")
        run(CC, "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-MD", "plugin.c",
            *flags, "-o", plugin, folder=project, environment=self.environment)
        self.only_the_sdk(project)
        self.exports_its_table_alone(plugin)
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", plugin))
        self.assertEqual(needed, ["libc.so.6"], "a plugin in C needs the C library and nothing else")
        self.passes_the_installed_check(plugin)
        with PluginLife(plugin, "acme", self.program, script=os.path.join(project, "provider.py")) as life:
            life.live()
        os.remove(plugin)
        run("make", folder=project, environment=self.environment)
        self.exports_its_table_alone(plugin)

    def test_a_plugin_in_cpp_builds_with_pkg_config_alone_and_delivers(self):
        project = os.path.join(self.folder, "in-cpp")
        shutil.copytree(os.path.join(self.sdk, "share", "calbridge-sdk", "template"), project)
        flags = run("pkg-config", "--cflags", "--libs", "calbridge-sdk", environment=self.environment).split()
        plugin = os.path.join(project, "libacme.so")
        run(CXX, "-std=c++20", "-fno-gnu-unique", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-MD", "plugin.cpp", *flags, "-o",
            plugin, folder=project, environment=self.environment)
        self.only_the_sdk(project)
        self.exports_its_table_alone(plugin)
        self.passes_the_installed_check(plugin)
        with PluginLife(plugin, "acme", self.program, script=os.path.join(project, "provider.py")) as life:
            life.live()

    def test_a_new_project_compiles_under_its_own_name_and_delivers(self):
        project = os.path.join(self.folder, "written")
        said = run(self.program, "plugins", "new", "my-calendar-2", "--directory", project, folder=self.folder,
                   environment=self.environment)
        self.assertIn("README.md", said)
        template = os.path.join(self.sdk, "share", "calbridge-sdk", "template")
        self.assertEqual(sorted(os.listdir(project)), sorted(os.listdir(template)))
        for name in os.listdir(project):
            with open(os.path.join(project, name), encoding="utf-8") as file:
                self.assertNotRegex(file.read(), r"(?i)acme", f"the template's own name is left in {name}")
        plugin = os.path.join(self.build(project, CXX), "libmy-calendar-2.so")
        inspected = json.loads(run(self.program, "plugins", "inspect", plugin, "--json", "--config",
                                   os.path.join(self.prefix, "share", "calbridge", "config"), folder=self.folder,
                                   environment=self.environment))
        self.assertEqual(inspected["manifest"]["id"], "my-calendar-2")
        self.assertEqual(inspected["manifest"]["egress"], ["api.my-calendar-2.example"])
        with PluginLife(plugin, "my-calendar-2", self.program, script=os.path.join(project, "provider.py")) as life:
            life.live()

    def test_a_new_project_in_c_compiles_as_its_readme_says(self):
        project = os.path.join(self.folder, "written-in-c")
        run(self.program, "plugins", "new", "tide", "--c", "--directory", project, environment=self.environment)
        self.assertEqual(sorted(os.listdir(project)), ["Makefile", "README.md", "json.h", "plugin.c", "provider.py"])
        run("make", f"CC={CC}", folder=project, environment=self.environment)
        self.exports_its_table_alone(os.path.join(project, "libtide.so"))

    def test_a_new_project_named_like_the_template_is_the_template(self):
        for option, template in (("", "template"), ("--c", "template-c")):
            project = os.path.join(self.folder, f"same-{template}")
            run(self.program, "plugins", "new", *option.split(), "acme", "--directory", project, environment=self.environment)
            for name in os.listdir(project):
                installed = os.path.join(self.sdk, "share", "calbridge-sdk", template, name)
                with open(os.path.join(project, name), "rb") as made, open(installed, "rb") as original:
                    self.assertEqual(made.read(), original.read(), name)

    def test_a_bad_name_or_a_file_that_is_there_writes_nothing(self):
        here = tempfile.mkdtemp(dir=self.folder)
        for name in ("Acme", "2do", "a--b", "a-", "-a", "a b", "../a", "a_b", "a/b", "", "x" * 33, "k\u00e4se"):
            done = subprocess.run([self.program, "plugins", "new", "--directory", "made", "--", name], cwd=here,
                                  env=self.environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, f"{name!r}: {done.stdout}{done.stderr}")
            self.assertIn("lower-case letters", done.stderr, name)
        self.assertEqual(os.listdir(here), [])
        with open(os.path.join(here, "plugin.cpp"), "w", encoding="utf-8") as file:
            file.write("mine")
        done = subprocess.run([self.program, "plugins", "new", "acme", "--directory", "."], cwd=here, env=self.environment,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("plugin.cpp is there already", done.stderr)
        self.assertEqual(os.listdir(here), ["plugin.cpp"])
        with open(os.path.join(here, "plugin.cpp"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")
        done = subprocess.run([self.program, "plugins", "new", "acme", "--directory", "plugin.cpp/below"], cwd=here,
                              env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("Not a directory", done.stderr)

    def test_the_installed_host_finds_its_plugins_wherever_it_lies(self):
        listed = json.loads(run(self.program, "plugins", "list", "--json", "--config",
                                os.path.join(self.prefix, "share", "calbridge", "config"), folder=self.folder,
                                environment=self.environment))
        plugins = os.path.join(self.prefix, "lib", "calbridge", "plugins")
        self.assertEqual(sorted(p["path"] for p in listed), sorted(os.path.join(plugins, n) for n in os.listdir(plugins)))
        self.assertLessEqual({"google", "outlook", "ics"}, {p["manifest"]["id"] for p in listed})
        self.assertEqual([p["problems"] for p in listed if p["problems"]], [])
        with open(self.program, "rb") as file:
            self.assertNotIn(b"/build/dev/plugins", file.read(), "no path of the build in the program")

    def test_the_sdk_alone_brings_no_host(self):
        self.assertEqual(sorted(os.listdir(self.sdk)), ["include", "lib", "share"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.sdk, "lib"))), ["cmake", "pkgconfig"])
        version = run("pkg-config", "--modversion", "calbridge-sdk", environment=self.environment).strip()
        with open(os.path.join(self.sdk, "include", "calbridge", "abi.h"), encoding="utf-8") as file:
            abi = dict(re.findall(r"#define CALBRIDGE_(MAJOR|MINOR) (\d+)u", file.read()))
        self.assertEqual(version.split(".")[:2], [abi["MAJOR"], abi["MINOR"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
