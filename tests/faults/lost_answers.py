from fault import Fault
from harness import eventually
from stories import Story, small_crew
from town import Sender

APIS = {"google": "/google/calendar/*", "outlook": "/outlook/v1.0/*"}


class LostAnswers(Fault):
    """Providers commit each creation and then drop the connection: exactly one entry each."""
    name, short, long = "lost-answers", 60, 1000

    def run(self):
        # One mailbox at each: a provider that fails for many is taken for down, and asked one thing at a time.
        town, rng = self.open(overrides={"delivery.backoff.max_seconds": 1}, people=small_crew()), self.rng
        # Every creation is carried out and its answer lost, as long as the fault is there; each creation is told of once.
        for provider, path in APIS.items():
            town.fault(provider=provider, method="POST", path=path, when="after", effect=rng.choice(("reset", "truncate", "garbage")),
                       count=0)
        wanted = number = 0
        sender = Sender(town, town.people, rng, "one")
        while wanted < self.rounds:
            number += 1
            story = Story(f"l{number}", rng, town.people)
            for index in range(len(story)):
                self.check(sender.tell(story, index), "an event was not acknowledged")
            wanted += sum(len(town.accounts_of(person)) for person in story.expected(len(story)))
        eventually(lambda: self.entries() >= wanted, f"all {wanted} entries are committed")
        hits = sum(fault["hits"] for fault in town.sandbox.control("GET", "faults"))
        town.heal()
        self.worst("recovery_seconds", self.level())
        self.figures.update(entries_committed=self.entries(), answers_lost=hits)
        self.check(hits >= wanted, f"only {hits} answers were lost")

    def entries(self):
        return sum(len(self.town.sandbox.entries(provider, account)) for person in self.town.people
                   for provider, account in person.accounts.items())
