import json
import threading

from fault import Fault
from stories import Story
from town import Line

AT_ONCE = 64


class OneEvent(Fault):
    """64 concurrent POSTs of one event are one event."""
    name, short, long = "one-event", 3, 100

    def run(self):
        town, rng = self.open(), self.rng
        lines = [Line(town.host.port, town.key, f"127.0.2.{1 + i % 4}") for i in range(AT_ONCE)]
        for round in range(self.rounds):
            story = Story(f"u{round}", rng, town.people)
            for index in range(len(story)):
                tried = town.journal.begin(story, index, story.event(index))
                body, gate, answers = json.dumps(story.event(index)), threading.Barrier(AT_ONCE), []

                def post(line):
                    gate.wait()
                    answers.append(line.post(body))
                threads = [threading.Thread(target=post, args=(line,)) for line in lines]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.check(len(answers) == AT_ONCE and all(a.status == 202 for a in answers), f"answers: {answers[:3]}")
                first = sum(not a.json.get("duplicate") for a in answers)
                self.check(first == 1, f"{first} of {AT_ONCE} answers say that the event is new")
                town.journal.end(tried, "acknowledged")
        for line in lines:
            line.close()
        self.level()
        metric = town.metric("calbridge_events_accepted_total")
        self.check(metric == self.figures["events"], f"{metric} events are counted and {self.figures['events']} were sent")
        self.figures["posts"] = self.figures["events"] * AT_ONCE
