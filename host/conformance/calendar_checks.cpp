#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"
#include "plugins/wire.hpp"

#include <map>
#include <set>

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

/// The answer of an operation when all is well; Skipped when it has another form, which the check reply.shape tells.
template <typename T>
T understood(const Outcome<T>& outcome) {
  if (const Failure* failure = std::get_if<Failure>(&outcome)) {
    throw Skipped{"the answer cannot be read: " + failure->message};
  }
  return std::get<T>(outcome);
}

/// Runs an operation in good times; nothing when it fails, which is a finding.
std::optional<Ended> askedWell(Trial& trial, Rehearsal& rehearsal, Operation operation, const json& request) {
  trial.step(plugins::toString(operation));
  Ended ended = rehearsal.call(operation, request);
  const bool ok = trial.expect(ended.ok(), plugins::toString(operation) + (" ends as " + ended.words()));
  return ok ? std::optional(std::move(ended)) : std::nullopt;
}

void listed(Trial& trial) {
  trial.need("list-calendars");
  Rehearsal rehearsal(trial);
  const auto ended = askedWell(trial, rehearsal, Operation::listCalendars, rehearsal.request(Operation::listCalendars));
  if (!ended) {
    return;
  }
  std::set<std::string> ids;
  int primary = 0;
  for (const Calendar& calendar : understood(plugins::calendarsFromWire(ended->reply, {}))) {
    trial.expect(ids.insert(calendar.id).second, "two calendars have the id " + calendar.id);
    primary += calendar.primary ? 1 : 0;
  }
  trial.expect(primary <= 1, std::to_string(primary) + " calendars are primary");
}

/// The calendars that can be written; Skipped when there are no two.
std::set<std::string> writableCalendars(Trial& trial) {
  trial.need("list-calendars");
  Rehearsal rehearsal(trial);
  const Ended ended = rehearsal.call(Operation::listCalendars, rehearsal.request(Operation::listCalendars));
  std::set<std::string> writable;
  for (const Calendar& calendar : understood(plugins::calendarsFromWire(ended.reply, {}))) {
    if (calendar.writable) {
      writable.insert(calendar.id);
    }
  }
  if (writable.size() < 2) {
    throw Skipped{"it lists no two calendars that can be written: describe a service with two in --script"};
  }
  return writable;
}

Ended pushInto(Trial& trial, Rehearsal& rehearsal, const std::string& calendar, json request) {
  request["calendar"] = calendar;
  trial.step("push into the calendar " + calendar);
  Ended ended = rehearsal.call(Operation::push, request);
  if (rehearsal.network.exchanges().empty()) {
    throw Skipped{"push makes no HTTP request: there is no calendar to look at"};
  }
  return ended;
}

/// The collection in which the one entry is; empty when there is not one.
std::string homeOf(const Rehearsal& rehearsal) {
  const auto entries = rehearsal.network.service.liveWith(rehearsal.mark());
  return entries.size() == 1 ? entries.front()->key.substr(0, entries.front()->key.rfind('/')) : std::string();
}

void chosen(Trial& trial) {
  std::map<std::string, std::string> homes; // of the entry → the calendar that was chosen
  for (const std::string& id : writableCalendars(trial)) {
    Rehearsal rehearsal(trial);
    const Ended ended = pushInto(trial, rehearsal, id, rehearsal.upsert());
    if (trial.expect(ended.ok() && rehearsal.entries() == 1, "push into the calendar " + id + " ends as " +
                                                                 ended.words() + ", and there are " +
                                                                 std::to_string(rehearsal.entries()) + " entries")) {
      const auto [other, fresh] = homes.emplace(homeOf(rehearsal), id);
      trial.expect(fresh, "entries for the calendars " + other->second + " and " + id + " are both in " + other->first);
    }
  }
}

void moved(Trial& trial) {
  const std::set<std::string> calendars = writableCalendars(trial);
  const std::string from = *calendars.begin();
  const std::string to = *std::next(calendars.begin());
  std::string wanted;
  {
    Rehearsal rehearsal(trial);
    pushInto(trial, rehearsal, to, rehearsal.upsert());
    wanted = homeOf(rehearsal);
  }
  Rehearsal rehearsal(trial);
  const Ended made = pushInto(trial, rehearsal, from, rehearsal.upsert());
  if (wanted.empty() || homeOf(rehearsal).empty() || homeOf(rehearsal) == wanted) {
    throw Skipped{"entries do not go to the calendar that was chosen; calendars.chosen tells about that"};
  }
  const json change = rehearsal.upsert("two", made.text("provider_event_id"), made.text("etag"));
  const std::string what = "after the calendar " + to + " was chosen instead of " + from;
  Ended ended = pushInto(trial, rehearsal, to, change);
  for (const char* again : {"", " and the push came again"}) {
    trial.expect(ended.ok(), "push ends as " + ended.words() + " " + what + again);
    trial.expect(homeOf(rehearsal) == wanted, std::to_string(rehearsal.entries()) + " entries are there " + what +
                                                  again + ", and should be one in " + wanted);
    ended = pushInto(trial, rehearsal, to, change); // as if the answer had been lost
  }
}

void within(Trial& trial) {
  trial.need("free-busy");
  Rehearsal rehearsal(trial);
  const json request = rehearsal.request(Operation::freeBusy);
  const auto ended = askedWell(trial, rehearsal, Operation::freeBusy, request);
  if (!ended) {
    return;
  }
  const TimeMs start = parseRfc3339(request.at("start").get<std::string>()).value_or(0);
  const TimeMs end = parseRfc3339(request.at("end").get<std::string>()).value_or(0);
  for (const BusyTime& time : understood(plugins::busyFromWire(ended->reply, {}))) {
    const std::string shown = formatRfc3339(time.start) + " to " + formatRfc3339(time.end);
    trial.expect(time.start < time.end, "a busy time ends before it begins: " + shown);
    trial.expect(time.start < end && time.end > start, "a busy time lies outside of what was asked for: " + shown);
  }
}

void token(Trial& trial) {
  trial.need("changes");
  Rehearsal rehearsal(trial);
  json request = rehearsal.request(Operation::changes);
  for (const char* when : {"at first", "with the sync_token that it gave"}) {
    const auto ended = askedWell(trial, rehearsal, Operation::changes, request);
    if (!ended) {
      return;
    }
    const std::string given = understood(plugins::changesFromWire(ended->reply, {})).syncToken;
    if (!trial.expect(!given.empty(), std::string("changes gives no sync_token ") + when)) {
      return;
    }
    request["sync_token"] = given;
  }
}

constexpr Check kChecks[] = {
    {"calendars.listed", "the calendars have ids of their own, and at most one is primary",
     "give every calendar the service's own id; primary is the one that entries go to without a choice", listed},
    {"calendars.chosen", "an entry goes to the calendar that the person chose",
     "write to the calendar that push names under \"calendar\", and to your own default without it", chosen},
    {"calendars.moved", "an entry moves when the person chooses another calendar",
     "let provider_event_id tell in which calendar the entry is: write it to the new one, then remove it from the old",
     moved},
    {"free-busy.within", "busy times lie in the period that was asked for",
     "ask the service for start to end, and give instants (RFC 3339 with Z or an offset)", within},
    {"changes.token", "changes goes on from the sync_token that it gave",
     "answer with the service's own token, and begin from the one in the request", token},
};

} // namespace

std::span<const Check> calendarChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
