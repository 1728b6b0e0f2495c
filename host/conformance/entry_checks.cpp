#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"

#include <cerrno>
#include <csignal>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

bool asksAService(Trial& trial) {
  Rehearsal rehearsal(trial);
  rehearsal.call(Operation::push, rehearsal.upsert());
  return !rehearsal.network.exchanges().empty();
}

void needService(Trial& trial) {
  if (!asksAService(trial)) {
    throw Skipped{"push makes no HTTP request: there is no calendar to look at"};
  }
}

/// The first push; Skipped when it does not work, which the check entry.created tells.
Ended created(Trial& trial, Rehearsal& rehearsal) {
  trial.step("push of a new entry");
  Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  if (!made.ok() || rehearsal.entries() != 1) {
    throw Skipped{"the first push brings no entry: " + made.words()};
  }
  return made;
}

void expectEntries(Trial& trial, Rehearsal& rehearsal, std::size_t wanted, const std::string& after) {
  std::string found;
  for (const auto* object : rehearsal.network.service.liveWith(rehearsal.mark())) {
    found += (found.empty() ? ": " : ", ") + object->key;
  }
  trial.expect(rehearsal.entries() == wanted, "after " + after + " there are " + std::to_string(rehearsal.entries()) +
                                                  " entries, and should be " + std::to_string(wanted) + found);
}

void expectOk(Trial& trial, const Ended& ended, const std::string& what) {
  trial.expect(ended.ok(), what + " ends as " + ended.words());
}

void make(Trial& trial) {
  Rehearsal rehearsal(trial);
  trial.step("push of a new entry");
  const Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  expectOk(trial, made, "push of a new entry");
  if (!rehearsal.network.exchanges().empty()) {
    expectEntries(trial, rehearsal, 1, "a push");
  }
}

void once(Trial& trial) {
  Rehearsal rehearsal(trial);
  trial.step("push of a new entry");
  const Ended first = rehearsal.call(Operation::push, rehearsal.upsert());
  const bool service = !rehearsal.network.exchanges().empty();
  if (!first.ok() || (service && rehearsal.entries() != 1)) {
    throw Skipped{"the first push brings no entry: " + first.words()};
  }
  json again = rehearsal.upsert();
  again["attempt"] = 2;
  trial.step("the same push again");
  const Ended second = rehearsal.call(Operation::push, again);
  expectOk(trial, second, "the same push again");
  trial.expect(!second.ok() || first.text("provider_event_id") == second.text("provider_event_id"),
               "the same push again is answered with the id " + second.text("provider_event_id") + ", before it was " +
                   first.text("provider_event_id"));
  if (service) {
    expectEntries(trial, rehearsal, 1, "the same push twice");
  }
}

void changed(Trial& trial) {
  needService(trial);
  Rehearsal rehearsal(trial);
  const Ended made = created(trial, rehearsal);
  trial.step("push of a change");
  const Ended ended =
      rehearsal.call(Operation::push, rehearsal.upsert("two", made.text("provider_event_id"), made.text("etag")));
  expectOk(trial, ended, "push of a change");
  expectEntries(trial, rehearsal, 1, "a change");
  trial.expect(rehearsal.network.service.liveWith(rehearsal.mark() + " two").size() == 1,
               "after a change the entry does not say what it should");
}

void removed(Trial& trial) {
  needService(trial);
  Rehearsal rehearsal(trial);
  const Ended made = created(trial, rehearsal);
  trial.step("delete");
  expectOk(trial, rehearsal.call(Operation::push, rehearsal.removal(made.text("provider_event_id"))), "delete");
  expectEntries(trial, rehearsal, 0, "a delete");
}

void removedTwice(Trial& trial) {
  Rehearsal rehearsal(trial);
  trial.step("delete of an entry that never was");
  expectOk(trial, rehearsal.call(Operation::push, rehearsal.removal()), "delete of an entry that never was");
  const Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  const std::string id = made.text("provider_event_id");
  for (const char* when : {"delete", "delete of an entry that is gone"}) {
    trial.step(when);
    expectOk(trial, rehearsal.call(Operation::push, rehearsal.removal(id)), when);
  }
}

void comesBack(Trial& trial) {
  needService(trial);
  Rehearsal rehearsal(trial);
  const Ended made = created(trial, rehearsal);
  rehearsal.call(Operation::push, rehearsal.removal(made.text("provider_event_id")));
  if (rehearsal.entries() != 0) {
    throw Skipped{"delete does not remove the entry"};
  }
  json again = rehearsal.upsert("three");
  again["idempotency_key"] = "5f0c9c0e-1111-4222-8333-" + rehearsal.uid().substr(2);
  trial.step("push of the entry again, after its removal");
  expectOk(trial, rehearsal.call(Operation::push, again), "push of the entry again, after its removal,");
  expectEntries(trial, rehearsal, 1, "removal and another push");
}

/// What a process that is killed in the middle of a push leaves behind.
json killedInMidPush(Rehearsal& rehearsal, std::size_t request, bool done) {
  void* shared = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* memory = static_cast<char*>(shared);
  if (shared == MAP_FAILED) {
    throw Skipped{"no memory to share with a process"};
  }
  const auto die = [&] {
    const std::string left =
        json{{"service", rehearsal.network.service.state()}, {"values", rehearsal.values.all()}}.dump(
            -1, ' ', false, json::error_handler_t::replace);
    if (left.size() < (1 << 20)) {
      left.copy(memory, left.size());
    }
    ::kill(::getpid(), SIGKILL);
  };
  const pid_t child = ::fork();
  if (child == 0) {
    rehearsal.network.instead = [&](const HttpRequest&, std::size_t nth) -> std::optional<HttpResult> {
      if (nth == request && !done) {
        die();
      }
      return std::nullopt;
    };
    rehearsal.network.afterwards = [&](const HttpRequest&, HttpResult&, std::size_t nth) {
      if (nth == request && done) {
        die();
      }
    };
    rehearsal.call(Operation::push, rehearsal.upsert());
    ::_exit(0);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  json left = json::parse(std::string(memory), nullptr, false);
  ::munmap(shared, 1 << 20);
  return left.is_object() ? left : throw Skipped{"a killed process left nothing to go on with"};
}

void cutOff(Trial& trial) {
  needService(trial);
  std::size_t requests = 0;
  {
    Rehearsal rehearsal(trial);
    created(trial, rehearsal);
    requests = rehearsal.network.exchanges().size();
  }
  for (std::size_t request = 0; request < requests; ++request) {
    for (const bool done : {false, true}) {
      const std::string when = "a push that was killed " + std::string(done ? "after" : "before") +
                               " the service had request " + std::to_string(request + 1);
      trial.step(when);
      Rehearsal before(trial);
      const json left = killedInMidPush(before, request, done);
      Rehearsal after(trial); // a new process would have a new instance, too
      after.network.service.restore(left.at("service"));
      after.values.restore(left.at("values").get<std::map<std::string, std::string>>());
      json again = after.upsert();
      again["attempt"] = 2;
      expectOk(trial, after.call(Operation::push, again), "the repetition of " + when);
      expectEntries(trial, after, 1, when + " and its repetition");
    }
  }
}

void foreign(Trial& trial) {
  needService(trial);
  Rehearsal rehearsal(trial);
  const Ended made = created(trial, rehearsal);
  const std::vector<std::string> keys = rehearsal.network.service.plantForeign(rehearsal.mark());
  trial.step("push and delete beside a person's own entry");
  json again = rehearsal.upsert("two");
  again["attempt"] = 2;
  rehearsal.call(Operation::push, again);
  rehearsal.call(Operation::push, rehearsal.upsert("three", made.text("provider_event_id"), made.text("etag")));
  rehearsal.call(Operation::push, rehearsal.removal(made.text("provider_event_id")));
  rehearsal.call(Operation::push, rehearsal.removal());
  for (const std::string& key : keys) {
    const auto* own = rehearsal.network.service.find(key);
    trial.expect(own != nullptr && own->live, "the person's own entry " + key + " was deleted");
    trial.expect(own == nullptr || own->version == 1, "the person's own entry " + key + " was changed");
  }
}

void frame(Trial& trial) {
  trial.need("feed");
  Rehearsal rehearsal(trial);
  const Ended pushed = rehearsal.call(Operation::push, rehearsal.upsert());
  trial.step("feed");
  const Ended framed = rehearsal.call(Operation::feed, rehearsal.request(Operation::feed));
  expectOk(trial, framed, "feed");
  const std::string all = framed.text("head") + pushed.text("rendering") + framed.text("tail");
  trial.expect(all.starts_with("BEGIN:VCALENDAR\r\n") && all.ends_with("END:VCALENDAR\r\n"),
               "head, rendering and tail are no calendar (BEGIN:VCALENDAR … END:VCALENDAR, lines ended by CRLF)");
  std::vector<std::string> open;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find("\r\n", at), all.size());
    const std::string line = all.substr(at, end - at);
    at = end + 2;
    trial.expect(line.find_first_of("\r\n") == std::string::npos, "a line ends without CRLF: " + line.substr(0, 60));
    if (line.starts_with("BEGIN:")) {
      open.push_back(line.substr(6));
    } else if (line.starts_with("END:")) {
      trial.expect(!open.empty() && open.back() == line.substr(4), line + " ends what did not begin");
      if (!open.empty()) {
        open.pop_back();
      }
    }
  }
  trial.expect(open.empty(), open.empty() ? std::string() : "BEGIN:" + open.back() + " has no end");
}

std::string lineOf(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\r\n" + name);
  return at == std::string::npos ? std::string() : text.substr(at + 2, text.find("\r\n", at + 2) - at - 2);
}

void sameUid(Trial& trial) {
  trial.need("feed");
  Rehearsal rehearsal(trial);
  const Ended one = rehearsal.call(Operation::push, rehearsal.upsert());
  const Ended two = rehearsal.call(Operation::push, rehearsal.upsert("two", one.text("provider_event_id")));
  const std::string uid = lineOf(one.text("rendering"), "UID");
  trial.expect(!uid.empty(), "the rendering has no UID");
  trial.expect(uid == lineOf(two.text("rendering"), "UID"),
               "the UID changes with the entry: " + uid + ", " + lineOf(two.text("rendering"), "UID"));
}

constexpr Check kChecks[] = {
    {"entry.created", "a push brings one entry",
     "see what push answered; if your service works in another way than the one that is played here, describe it in "
     "--script",
     make},
    {"entry.once", "the same push twice is one entry",
     "derive the service's id from the uid, or use its idempotency key, or look the entry up first", once},
    {"entry.changed", "a push of a known entry changes it", "update the entry that provider_event_id names", changed},
    {"entry.removed", "delete removes the entry", "delete the entry that provider_event_id names", removed},
    {"entry.removed-twice", "deleting what is gone is fine", "take 404 and 410 of a delete for success", removedTwice},
    {"entry.returns", "an entry that was removed can come back",
     "where ids stay taken, revive the entry or mint another "
     "id from the new idempotency key",
     comesBack},
    {"entry.cut-off", "a push that was killed half-way and repeated is one entry",
     "make every request of a push repeatable: ids that are computed, or a look-up when attempt is above 1", cutOff},
    {"entry.foreign", "a person's own entries are left alone", "change and delete only what carries your mark",
     foreign},
    {"feed.frame", "head, renderings and tail are a calendar",
     "RFC 5545: one VCALENDAR, every component ended, lines ended by CRLF", frame},
    {"feed.uid", "an entry keeps its UID", "make the UID from the uid of the request alone", sameUid},
};

} // namespace

std::span<const Check> entryChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
