"""The JSON of the template in C against Python's: the same documents are valid, and no byte behind the end is read."""
import ctypes
import json
import os
import random
import subprocess
import tempfile
import unittest

SOURCE, CC = os.environ["CALBRIDGE_SOURCE_DIR"], os.environ["CALBRIDGE_CC"]
CODE = '''#include "json.h"
int valid(const char* data, size_t size) { return json_valid((calbridge_bytes){data, size}); }
'''
SEEDS = (b'{}', b'{"a":[],"b":{},"c":[1,-2.5e+3,0,true,false,null,"x"]}', b'{"a":"\\u00e9\\n\\"\\\\","b":{"c":[[[]],{"d":""}]}}',
         ' {"é" : "\U0001f9f9\u4f1a" , "z":[ 1 ,2 ] } '.encode())
PIECES = (b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'0', b'-', b'.', b'e', b'\x00', b'\x1f', b'\x7f', b'\xc3', b'\xa9', b'\xed\xa0\x80',
          b'\xf4\x90\x80\x80', b'\xc0\x80', b'\xe0\x80\x80', b'\\u', b'\\u12', b'\\x', b'tru', b'null', b' ', b'\t', b'01', b'1.', b'[]', b'{}')


def reference(text):
    """Is it a JSON object of at most 32 levels? Halves of surrogate pairs are left to whoever reads the string."""
    def refuse(word):
        raise ValueError(word)
    try:
        document = json.loads(text.decode(), parse_constant=refuse)
    except ValueError:
        return False

    def levels(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(levels, inner), default=0)
    return isinstance(document, dict) and levels(document) <= 32 and not text.startswith(b"\xef\xbb\xbf")


class TemplateJson(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="calbridge-test-")
        cls.addClassCleanup(folder.cleanup)
        source, library = os.path.join(folder.name, "valid.c"), os.path.join(folder.name, "libvalid.so")
        with open(source, "w", encoding="utf-8") as file:
            file.write(CODE)
        subprocess.run([CC, "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{SOURCE}/sdk/template-c",
                        f"-I{SOURCE}/sdk/include", source, "-o", library], check=True)
        cls.function = ctypes.CDLL(library).valid

    def valid(self, text):
        """Also with what would complete the document right behind its end."""
        for more in (b"", b'"}]}', b"\xa9\xa9\xa9", b"0000\"}"):
            buffer = ctypes.create_string_buffer(text + more, len(text) + len(more) + 1)
            answer = self.function(buffer, ctypes.c_size_t(len(text)))
            if more == b"":
                first = answer
            self.assertEqual(answer, first, (text, more))
        return first == 1

    def test_mutated_documents_are_judged_as_python_does(self):
        dice = random.Random(7)
        good = 0
        for _ in range(20000):
            text = dice.choice(SEEDS)
            for _ in range(dice.randrange(3)):
                at = dice.randrange(len(text) + 1)
                text = text[:at] + dice.choice(PIECES) + text[at + dice.randrange(3):]
            wanted = reference(text)
            good += wanted
            self.assertEqual(self.valid(text), wanted, text)
        self.assertGreater(good, 5000)

    def test_depth_and_size_have_their_limits(self):
        for levels in (31, 32, 33, 100000):
            text = b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
            self.assertEqual(self.valid(text), levels <= 32, levels)
        for size in (1 << 20, (1 << 20) + 1):
            text = b'{"a":"' + b"x" * (size - 8) + b'"}'
            self.assertEqual(self.valid(text), size <= 1 << 20, size)
        for text in (b"", b" ", b"[]", b"null", b"7", b'"a"', b"{} {}", b"{"):
            self.assertFalse(self.valid(text), text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
