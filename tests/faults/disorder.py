import json
import queue
import signal
import threading

from fault import Fault
from harness import eventually
from stories import Story
from town import Line


class Disorder(Fault):
    """Events shuffled, a fifth repeated, a twentieth malformed, and the host crashing in between as a plugin would make it."""
    name, short, long = "disorder", 600, 10000  # events

    def run(self):
        town, rng = self.open(), self.rng
        todo, number = [], 0
        while len(todo) < self.rounds:
            number += 1
            story = Story(f"m{number}", rng, town.people)
            for index in range(len(story)):
                body = json.dumps(story.event(index))
                todo.append((town.journal.begin(story, index, body), body))
        repeated = [rng.choice(todo) for _ in range(len(todo) // 5)]
        malformed = [(None, self.spoiled(rng, rng.choice(todo)[1])) for _ in range(len(todo) // 20)]
        everything = todo + repeated + malformed
        rng.shuffle(everything)
        work, problems, answered = queue.Queue(), [], [0]
        for item in everything:
            work.put(item)

        def send():
            line = Line(town.host.port, town.key)
            try:
                while True:
                    tried, body = work.get_nowait()
                    try:
                        answer = line.post(body)
                    except Exception:  # noqa: B902  it crashed: once more
                        work.put((tried, body))
                        threading.Event().wait(0.02)
                        continue
                    answered[0] += 1
                    if tried is None and not 400 <= answer.status < 500:
                        problems.append(f"a malformed event is answered with {answer}: {body[:300]}")
                    elif tried is not None and answer.status == 503:
                        work.put((tried, body))
                    elif tried is not None and answer.status != 202:
                        problems.append(f"{tried.id} is answered with {answer}")
                    elif tried is not None:
                        town.journal.end(tried, "acknowledged")
            except queue.Empty:
                pass
            finally:
                line.close()
        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        crashes = 1 if self.is_short else 5
        for crash in range(1, crashes + 1):
            eventually(lambda: answered[0] > crash * len(everything) // (crashes + 1), "events flow")
            town.host.process.send_signal(rng.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)))
            town.host.ended()
            town.host.start()
        for sender in senders:
            sender.join()
        self.check(not problems, f"{len(problems)} wrong answers: {problems[:3]}")
        self.worst("recovery_seconds", self.level(deadline=300))
        self.figures.update(repeated=len(repeated), malformed=len(malformed), crashes=crashes)

    def spoiled(self, rng, body):
        event = json.loads(body)
        appointment = event["data"]["appointment"]
        event["id"] += "-spoiled"
        kind = rng.randint(0, 7)
        if kind == 0:
            return body[:rng.randint(1, len(body) - 1)]
        if kind == 1:
            del event[rng.choice(("id", "source", "type", "specversion", "data"))]
        elif kind == 2:
            event["specversion"] = rng.choice(("0.3", "", 1, None))
        elif kind == 3:
            appointment["timezone"] = "Europe/Atlantis"
        elif kind == 4:
            appointment["start"] = rng.choice(("tomorrow", "2031-02-30T10:00:00", "", 7))
        elif kind == 5:
            del appointment[rng.choice(("id", "start", "end"))]
        elif kind == 6:
            event["id"] = rng.choice(("", 5, None, ["x"]))
        else:
            appointment["start"], appointment["end"] = appointment["end"], appointment["start"]
        return json.dumps(event)
