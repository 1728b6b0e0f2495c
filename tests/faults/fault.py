"""What all faults have in common."""
import random
import time

from oracle import Skipped, Violation  # noqa: F401  both are for the faults
from town import Town


class Fault:
    """One fault: `run` makes it, again and again, and ends with the oracle. Violation means that a promise was broken.

    `short` and `long` are rounds; what a round is each fault says in its figures.
    """
    short, long = 1, 10

    def __init__(self, seed, rounds, is_short, say):
        self.name = type(self).name
        self.seed, self.rounds, self.is_short, self._say = seed, rounds, is_short, say
        self.rng = random.Random(f"{seed}/{self.name}")
        self.figures = {"rounds": rounds}
        self.town = None

    def say(self, text):
        self._say(f"{self.name}: {text}")

    def open(self, **options):
        self.town = Town(**options)
        return self.town

    def check(self, truth, what):
        if not truth:
            raise Violation(what)

    def level(self, **options):
        """The oracle; adds what it counted to the figures."""
        took = self.town.level(**options)
        self.figures.update(self.town.figures(), lost=0, doubled=0)
        return took

    def worst(self, name, value):
        self.figures[name] = round(max(self.figures.get(name, 0), value), 3)

    def run(self):
        raise NotImplementedError

    def complete(self):
        """Runs it; the host has to stop cleanly and must have done nothing that calbridge must not do."""
        began = time.monotonic()
        try:
            self.run()
            if self.town:
                found = self.town.sandbox.control("GET", "violations")
                found = found.get("violations", found) if isinstance(found, dict) else found
                self.check(not found, f"something was done at a provider that calbridge must not do: {found}")
                town, self.town = self.town, None
                code = town.close()
                self.check(code in (0, None), f"the host ended with {code}")
        except Violation as violation:
            if self.town:
                self.say("the end of the host's log:\n" + self.town.host.log()[-3000:])
            raise violation
        finally:
            if self.town:
                self.town.close()
            self.figures["seconds"] = round(time.monotonic() - began, 1)
