#pragma once
#include "store/records.hpp"

/// How a delivery row changes. Pure functions, the same for every database; the CHECKs of the deliveries table refuse
/// any row that does not follow them:
///
///   state      due_at  means
///   pending    set     there is work: an attempt is due at due_at (also while one is under way)
///   delivered  none    wanted, and the provider confirmed wanted_revision
///   removed    none    not wanted, and nothing of it is at the provider
///   blocked    none    there is work, but the connection cannot take it: it needs reconnection, or is disconnected
///   failed     none    the provider will never take this revision; a new revision or an operator tries again
///
/// `wanted_revision` only grows, so that it can serve as an iCalendar SEQUENCE. An attempt's outcome counts as the
/// final word only if revision and presence are still those wanted; otherwise the row stays pending.
namespace calbridge::store {

struct DeliveryRow {
  std::string state = "pending";
  bool wanted = true;
  std::int64_t wantedRevision = 0;
  std::int64_t appliedRevision = 0;
  std::string appliedHash;
  std::string providerEventId;
  std::string etag;
  int attempts = 0; ///< failed ones since the last success; what the back-off counts
  int tries = 0;    ///< made for what is wanted now, the successful one too; what people see
  TimeMs firstFailureAt = 0;
  std::optional<TimeMs> dueAt;
  TimeMs deliveredAt = 0;
  int generation = 0;
  std::int64_t untriedIn = 0; ///< the program's run that made the row; 0 once anything was attempted
  std::string errorCode;
  std::string errorMessage;

  bool operator==(const DeliveryRow&) const = default;
};

/// What the placement says now.
struct WantedContent {
  bool present = true;
  std::int64_t revision = 0;
  std::string contentHash;
  TimeMs endUtc = 0;
};

/// Whether an attempt may have reached the provider without having been recorded.
enum class Touched { no, maybe };

/// A connection's state, as far as planning cares.
enum class Reach {
  open,    ///< connected: work is due
  waiting, ///< needs reconnection: work is kept
  closing, ///< only removals are still due
  none,    ///< disconnected
};
Reach reachOf(const std::string& connectionState);

/// The placement has a new revision.
void plan(DeliveryRow& row, const WantedContent& content, Reach reach, Touched touched, TimeMs now);
/// Somebody asked for a check against the provider: open rows become due, also those believed delivered. A row that
/// backs off keeps its time.
void recheck(DeliveryRow& row, const WantedContent& content, Reach reach, Touched touched, TimeMs now);
/// An operator asked: failed and waiting rows become due at once. True when the row was one.
bool retryNow(DeliveryRow& row, Reach reach, TimeMs now);
/// The grant died: work waits for the reconnection.
void block(DeliveryRow& row);
/// The account was connected again. `forgotten`: it was disconnected (or closing) in between, when changes passed by
/// and entries may have been removed by hand, so that everything open is written again.
void reconnect(DeliveryRow& row, const WantedContent& content, bool forgotten, Touched touched, TimeMs now);
/// A disconnect begins.
void close(DeliveryRow& row, const WantedContent& content, bool removeEntries, Touched touched, TimeMs now);
/// The disconnect ends: no work any more. False when nothing about the row is worth keeping for a later reconnection.
bool end(DeliveryRow& row, Touched touched);
/// An attempt has ended.
void applyOutcome(DeliveryRow& row, const DeliveryOutcome& outcome, Reach reach);
/// An attempt has ended whose claim somebody else had taken over. Nobody knows whose request came last, so what is
/// wanted is said again when none of them can act any more. True when the row changed; the present claim, if there is
/// one, is void then.
bool applyLateOutcome(DeliveryRow& row, const DeliveryOutcome& outcome, Reach reach);

} // namespace calbridge::store
