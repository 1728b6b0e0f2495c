#include "store/delivery_rules.hpp"

namespace calbridge::store {
namespace {

/// A `blocked` outcome of a connection that is connected: newer credentials have come meanwhile.
constexpr TimeMs kAnotherGrantDelayMs = 1000;

void rest(DeliveryRow& row, const char* state) {
  row.state = state;
  row.dueAt.reset();
}

void clearFailure(DeliveryRow& row) {
  row.attempts = 0;
  row.firstFailureAt = 0;
  row.errorCode.clear();
  row.errorMessage.clear();
}

/// There is work: due at `at`, or waiting if the connection cannot take it.
void work(DeliveryRow& row, Reach reach, TimeMs at) {
  const bool possible = reach == Reach::open || (reach == Reach::closing && !row.wanted);
  if (possible) {
    row.state = "pending";
    row.dueAt = at;
  } else {
    rest(row, "blocked");
  }
}

bool backsOff(const DeliveryRow& row, TimeMs now) {
  return row.attempts > 0 && row.dueAt && *row.dueAt > now;
}

/// Nothing of it can be at the provider.
bool goneAtProvider(const DeliveryRow& row, Touched touched) {
  return touched == Touched::no || row.state == "removed";
}

/// Takes over presence and content under a revision that grows. It is the placement's own, unless this row is ahead of
/// it because a disconnect counted for itself.
void want(DeliveryRow& row, bool present, std::int64_t revision) {
  row.wantedRevision = std::max(revision, row.wantedRevision + 1);
  row.wanted = present;
  row.tries = row.attempts;
}

bool differs(const DeliveryRow& row, const WantedContent& content) {
  return content.present != row.wanted || content.revision > row.wantedRevision;
}

} // namespace

Reach reachOf(const std::string& connectionState) {
  if (connectionState == "connected")
    return Reach::open;
  if (connectionState == "needs_reconnection")
    return Reach::waiting;
  return connectionState == "closing" ? Reach::closing : Reach::none;
}

void plan(DeliveryRow& row, const WantedContent& content, Reach reach, Touched touched, TimeMs now) {
  const DeliveryRow before = row;
  want(row, content.present, content.revision);
  if (!row.wanted && goneAtProvider(before, touched)) {
    clearFailure(row);
    rest(row, "removed");
    return;
  }
  if (before.state == "delivered" && row.wanted && row.appliedHash == content.contentHash) {
    row.appliedRevision = row.wantedRevision;
    return;
  }
  if (before.state == "failed")
    clearFailure(row);
  work(row, reach, backsOff(before, now) ? *before.dueAt : now);
}

void recheck(DeliveryRow& row, const WantedContent& content, Reach reach, Touched touched, TimeMs now) {
  if (differs(row, content))
    plan(row, content, reach, touched, now);
  if (row.state == "removed" || backsOff(row, now))
    return;
  if (row.state == "failed")
    clearFailure(row);
  work(row, reach, now);
}

bool retryNow(DeliveryRow& row, Reach reach, TimeMs now) {
  const bool waiting = row.state == "failed" || row.state == "blocked" || (row.dueAt && *row.dueAt > now);
  if (!waiting || reach == Reach::none || reach == Reach::waiting)
    return false;
  if (row.state == "failed")
    clearFailure(row);
  work(row, reach, now);
  return row.state == "pending";
}

void block(DeliveryRow& row) {
  if (row.state == "pending")
    rest(row, "blocked");
}

void reconnect(DeliveryRow& row, const WantedContent& content, bool forgotten, Touched touched, TimeMs now) {
  const bool over = content.endUtc <= now;
  if (forgotten && over) {
    if (row.state == "pending")
      rest(row, "blocked");
    return;
  }
  const bool atProvider = !goneAtProvider(row, touched);
  // Forgotten, the row cannot tell whether the content is still what it counted: an attempt from before must not pass
  // for the last word.
  const bool changed = forgotten || differs(row, content);
  if (changed)
    want(row, content.present, content.revision);
  if (!row.wanted && !atProvider) {
    clearFailure(row);
    rest(row, "removed");
    return;
  }
  if (!changed && (row.state == "delivered" || row.state == "removed"))
    return;
  clearFailure(row);
  work(row, Reach::open, now);
}

void close(DeliveryRow& row, const WantedContent& content, bool removeEntries, Touched touched, TimeMs now) {
  const bool removable = removeEntries && content.endUtc > now && !goneAtProvider(row, touched);
  if (removable) {
    if (row.wanted)
      want(row, false, row.wantedRevision + 1);
    clearFailure(row);
    work(row, Reach::closing, now);
  } else if (row.state == "pending") {
    rest(row, "blocked");
  }
}

bool end(DeliveryRow& row, Touched touched) {
  if (row.state == "pending")
    rest(row, "blocked");
  return touched == Touched::maybe;
}

void applyOutcome(DeliveryRow& row, const DeliveryOutcome& outcome, Reach reach) {
  using Kind = DeliveryOutcome::Kind;
  const bool success = outcome.kind == Kind::delivered || outcome.kind == Kind::removed;
  const bool current = outcome.revision == row.wantedRevision;
  row.untriedIn = 0;
  row.tries = row.attempts + 1;
  if (success) {
    clearFailure(row);
    row.appliedRevision = outcome.revision;
    row.deliveredAt = outcome.at;
    if (outcome.kind == Kind::delivered) {
      row.appliedHash = outcome.contentHash;
      row.providerEventId = outcome.providerEventId;
      row.etag = outcome.etag;
    } else {
      row.appliedHash.clear();
      row.providerEventId.clear();
      row.etag.clear();
      ++row.generation;
    }
    if (current && row.wanted == (outcome.kind == Kind::delivered)) {
      rest(row, row.wanted ? "delivered" : "removed");
    } else if (!row.wanted && outcome.kind == Kind::removed) {
      rest(row, "removed"); // wanted away again by a later revision: it is
      row.appliedRevision = row.wantedRevision;
    } else {
      work(row, reach, outcome.at);
    }
    return;
  }
  if (!outcome.providerEventId.empty()) {
    row.providerEventId = outcome.providerEventId;
    row.etag = outcome.etag;
  }
  row.errorCode = outcome.errorCode;
  row.errorMessage = outcome.errorMessage;
  if (outcome.kind == Kind::retry) {
    ++row.attempts;
    if (row.firstFailureAt == 0)
      row.firstFailureAt = outcome.at;
    work(row, reach, outcome.retryAt);
  } else if (outcome.kind == Kind::blocked) {
    // The attempt may have reached the provider before its grant was refused.
    ++row.attempts;
    if (row.firstFailureAt == 0)
      row.firstFailureAt = outcome.at;
    if (reach == Reach::open) {
      work(row, reach, std::max(outcome.retryAt, outcome.at + kAnotherGrantDelayMs));
    } else {
      rest(row, "blocked");
    }
  } else if (current) {
    if (row.errorCode.empty())
      row.errorCode = "failed";
    ++row.attempts;
    if (row.firstFailureAt == 0)
      row.firstFailureAt = outcome.at;
    rest(row, "failed");
  } else {
    work(row, reach, outcome.at); // what failed is not wanted any more
  }
}

bool applyLateOutcome(DeliveryRow& row, const DeliveryOutcome& outcome, Reach reach) {
  const DeliveryRow before = row;
  row.untriedIn = 0;
  const bool nothingDone = outcome.kind == DeliveryOutcome::Kind::failed || (!row.wanted && !outcome.wanted);
  if (nothingDone || row.state == "failed" || row.state == "blocked")
    return row != before;
  if (row.state == "removed")
    row.generation = std::min(row.generation, outcome.generation); // the entry that may be there has that name
  if (outcome.wanted && !outcome.providerEventId.empty() && outcome.providerEventId != row.providerEventId) {
    // Two ids can only be two entries: without one the next attempt looks for what there is.
    row.providerEventId = row.providerEventId.empty() ? outcome.providerEventId : "";
    row.etag.clear();
  }
  work(row, reach, std::max(outcome.settledAt, row.dueAt.value_or(0)));
  return true;
}

} // namespace calbridge::store
