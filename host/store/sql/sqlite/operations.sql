-- The operations of the store in SQLite's dialect: one statement under each name. Another dialect brings the same names
-- with the same parameters (?1, ?2, …) and the same columns.

-- -------- transactions --------

-- name: begin
BEGIN

-- name: begin_immediate
BEGIN IMMEDIATE

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: savepoint
SAVEPOINT job

-- name: savepoint_release
RELEASE job

-- name: savepoint_rollback
ROLLBACK TO job

-- -------- people --------

-- name: people_put
INSERT INTO people (id, name, email, email_lookup, role, timezone, teams, password_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ifnull(?8, ''))
ON CONFLICT (id) DO UPDATE SET name = ?2, email = ?3, email_lookup = ?4, role = ?5, timezone = ?6, teams = ?7,
  password_hash = ifnull(?8, password_hash)

-- name: people_exists
SELECT 1 FROM people WHERE id = ?1

-- name: people_set_password
UPDATE people SET password_hash = ?2 WHERE id = ?1

-- name: people_one
SELECT id, name, email, role, timezone, teams FROM people WHERE id = ?1

-- name: people_by_email
SELECT id, name, email, role, timezone, teams, password_hash FROM people WHERE email_lookup = ?1 ORDER BY id

-- name: people_all
SELECT id, name, email, role, timezone, teams FROM people ORDER BY id

-- name: people_delete
DELETE FROM people WHERE id = ?1

-- -------- keys and sessions --------

-- name: app_keys_add
INSERT INTO app_keys (name, hash, created_at) VALUES (?1, ?2, ?3)

-- name: app_keys_all
SELECT id, name, hash, created_at, revoked_at FROM app_keys ORDER BY id

-- name: app_keys_revoke
UPDATE app_keys SET revoked_at = ?2 WHERE name = ?1 AND revoked_at = 0

-- name: sessions_add
INSERT INTO sessions (token_hash, person_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)

-- name: sessions_one
SELECT token_hash, person_id, created_at, expires_at FROM sessions WHERE token_hash = ?1

-- name: sessions_drop
DELETE FROM sessions WHERE token_hash = ?1

-- -------- journal --------

-- name: events_add
INSERT INTO events (source, event_id, type, time, received_at, content_hash, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (event_id, source) DO NOTHING

-- name: events_known
SELECT seq, content_hash FROM events WHERE event_id = ?1 AND source = ?2

-- name: events_unrouted
SELECT seq, source, event_id, type, time, received_at, routed, result, body FROM events INDEXED BY events_unrouted
  WHERE routed = 0 AND seq > ?1 ORDER BY seq LIMIT ?2

-- name: events_last
SELECT coalesce(max(seq), 0) FROM events

-- name: events_one
SELECT seq, source, event_id, type, time, received_at, routed, result, body FROM events WHERE event_id = ?1 AND
  source = ?2

-- name: events_newest
SELECT seq, source, event_id, type, time, received_at, routed, result, body FROM events WHERE event_id = ?1 ORDER BY
  seq DESC LIMIT 1

-- name: events_routed
UPDATE events SET routed = 1, result = ?2 WHERE seq = ?1 AND routed = 0

-- -------- appointments and placements --------

-- name: appointments_one
SELECT id, row_version, version, order_time, seq, end_utc, snapshot, memory FROM appointments WHERE id = ?1

-- name: appointments_add
INSERT INTO appointments (id, row_version, version, order_time, seq, end_utc, snapshot, memory)
VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING

-- name: appointments_change
UPDATE appointments SET row_version = row_version + 1, version = ?3, order_time = ?4, seq = ?5, end_utc = ?6,
  snapshot = ?7, memory = ?8
WHERE id = ?1 AND row_version = ?2

-- name: appointments_open
SELECT id FROM appointments WHERE id > ?2 AND end_utc > ?1 ORDER BY id LIMIT ?3

-- name: placements_of_appointment
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements WHERE appointment_id = ?1 AND kind = 'appointment' ORDER BY person_id

-- name: placements_one
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements WHERE appointment_id = ?2 AND person_id = ?3 AND kind = ?1

-- name: placements_of_person
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements
WHERE person_id = ?1 AND end_utc > ?2 AND present = 1 ORDER BY start_utc, id LIMIT ?3

-- name: placements_add
-- Refused (foreign key) for a person who has been erased meanwhile.
INSERT INTO placements (kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title,
  description, location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility,
  status, url, event_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
ON CONFLICT (appointment_id, person_id, kind) DO NOTHING

-- name: placements_id
SELECT id FROM placements WHERE appointment_id = ?2 AND person_id = ?3 AND kind = ?1

-- name: placements_change
UPDATE placements SET present = ?2, route = ?3, revision = ?4, decided_at = ?5, content_hash = ?6, title = ?7,
  description = ?8, location = ?9, all_day = ?10, starts = ?11, ends = ?12, timezone = ?13, start_utc = ?14, end_utc
  = ?15, reminders = ?16, show_as = ?17, visibility = ?18, status = ?19, url = ?20,
  event_id = ?21
WHERE id = ?1

-- -------- connections --------

-- name: connections_one
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE id = ?1

-- name: connections_of_person
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE person_id = ?1 ORDER BY created_at DESC, id DESC

-- name: connections_in_state
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE state = ?1 ORDER BY id

-- name: connections_by_feed
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE feed_secret_hash = ?1 AND feed_secret_hash <> ''

-- name: connections_of_account
SELECT id, state FROM connections WHERE person_id = ?1 AND provider = ?2 AND account_id = ?3

-- name: connections_live_of_provider
SELECT id FROM connections
WHERE person_id = ?1 AND provider = ?2 AND account_id <> ?3 AND state IN ('connected', 'needs_reconnection')

-- name: connections_using
SELECT count(*) FROM connections
WHERE provider = ?1 AND account_id = ?2 AND id <> ?3 AND state <> 'disconnected'

-- name: connections_dead
SELECT c.id, c.person_id, p.name, p.email, p.role, c.provider, c.account_id, c.account, c.last_error, c.last_error_at,
  (SELECT count(*) FROM deliveries d WHERE d.connection_id = c.id AND d.state IN ('pending', 'blocked'))
FROM connections c JOIN people p ON p.id = c.person_id
WHERE c.state = 'needs_reconnection' AND (c.last_error_at, c.id) > (?1, ?2)
ORDER BY c.last_error_at, c.id LIMIT ?3

-- name: connections_tallies
SELECT provider, count(*), sum(state = 'connected' AND last_error <> '' AND last_error_at > last_sync_at),
  sum(state = 'needs_reconnection')
FROM connections WHERE state IN ('connected', 'needs_reconnection') GROUP BY provider ORDER BY provider

-- name: connections_ids
SELECT id FROM connections WHERE person_id = ?1

-- name: connections_gist
SELECT person_id, provider, state, paused_until, last_sync_at, last_error <> '' FROM connections WHERE id = ?1

-- name: connections_add
INSERT INTO connections (person_id, provider, account_id, account, state, sealed, credentials_version,
  feed_secret_hash, created_at)
VALUES (?1, ?2, ?3, ?4, 'connected', x'', 0, ?5, ?6)

-- name: connections_reconnect
UPDATE connections SET account = ?2, state = 'connected', sealed = ?3, credentials_version = credentials_version + 1,
  feed_secret_hash = CASE WHEN ?4 = '' THEN feed_secret_hash ELSE ?4 END, feed_revision = feed_revision + 1,
  last_error = '', last_error_at = 0, paused_until = 0, closing_deadline = 0
WHERE id = ?1

-- name: connections_store_credentials
UPDATE connections SET sealed = ?3, credentials_version = credentials_version + 1
WHERE id = ?1 AND credentials_version = ?2 AND state <> 'disconnected'

-- name: connections_sealed
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE id > ?1 AND length(sealed) > 0 ORDER BY id LIMIT ?2

-- name: connections_reseal
UPDATE connections SET sealed = ?3 WHERE id = ?1 AND credentials_version = ?2 AND length(sealed) > 0

-- name: connections_need_reconnection
UPDATE connections SET state = 'needs_reconnection', last_error = ?3, last_error_at = ?4
WHERE id = ?1 AND credentials_version = ?2 AND state = 'connected'

-- name: connections_close
UPDATE connections SET state = 'closing', closing_deadline = ?2 WHERE id = ?1 AND state <> 'disconnected'

-- name: connections_end
UPDATE connections SET state = 'disconnected', sealed = x'', feed_secret_hash = '', credentials_version =
  credentials_version + 1,
  paused_until = 0, closing_deadline = 0
WHERE id = ?1

-- name: connections_summary
-- Why and since when a grant is dead stays, whatever attempts that were under way then come back with.
UPDATE connections SET last_sync_at = max(last_sync_at, ?2),
  last_error = CASE WHEN ?3 IS NULL OR state = 'needs_reconnection' THEN last_error ELSE ?3 END,
  last_error_at = CASE WHEN ?3 IS NULL OR state = 'needs_reconnection' THEN last_error_at ELSE ?4 END,
  paused_until = max(paused_until, ?5), feed_revision = feed_revision + ?6
WHERE id = ?1

-- name: values_one
SELECT value FROM connection_values WHERE connection_id = ?1 AND key = ?2

-- name: values_put
INSERT INTO connection_values (connection_id, key, value)
SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM connections WHERE id = ?1)
ON CONFLICT (connection_id, key) DO UPDATE SET value = ?3

-- name: values_drop
DELETE FROM connection_values WHERE connection_id = ?1 AND key = ?2

-- name: oauth_states_add
INSERT INTO oauth_states (state_hash, browser_hash, person_id, provider, sealed_verifier, created_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: oauth_states_bound
DELETE FROM oauth_states WHERE seq IN (SELECT seq FROM oauth_states ORDER BY seq DESC LIMIT -1 OFFSET 1000)

-- name: oauth_states_take
DELETE FROM oauth_states WHERE state_hash = ?1
RETURNING state_hash, browser_hash, person_id, provider, sealed_verifier, created_at, expires_at

-- name: oauth_states_all
SELECT state_hash, browser_hash, person_id, provider, sealed_verifier, created_at, expires_at FROM oauth_states ORDER BY
  seq

-- name: oauth_states_reseal
UPDATE oauth_states SET sealed_verifier = ?2 WHERE state_hash = ?1

-- name: oauth_states_of_person_drop
DELETE FROM oauth_states WHERE person_id = ?1

-- -------- deliveries --------

-- name: deliveries_one
SELECT state, wanted, wanted_revision, applied_revision, applied_hash, provider_event_id, etag, attempts,
  first_failure_at, due_at, delivered_at, generation, untried_in, error_code, error_message, tries FROM deliveries WHERE
  placement_id = ?1 AND connection_id = ?2

-- name: deliveries_add
INSERT INTO deliveries (placement_id, connection_id, state, wanted, wanted_revision, due_at, untried_in)
VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)

-- name: deliveries_change
UPDATE deliveries SET state = ?3, wanted = ?4, wanted_revision = ?5, applied_revision = ?6, applied_hash = ?7,
  provider_event_id = ?8, etag = ?9, attempts = ?10, first_failure_at = ?11, due_at = ?12, delivered_at = ?13,
  generation = ?14, error_code = ?15, error_message = ?16, untried_in = ?17,
  tries = ?18
WHERE placement_id = ?1 AND connection_id = ?2

-- name: deliveries_delivered
UPDATE deliveries SET state = 'delivered', applied_revision = ?3, applied_hash = ?4, provider_event_id = ?5, etag = ?6,
  tries = attempts + 1, attempts = 0, first_failure_at = 0, due_at = NULL, delivered_at = ?7, untried_in = 0,
  error_code = '', error_message = ''
WHERE placement_id = ?1 AND connection_id = ?2 AND wanted = 1 AND wanted_revision = ?3

-- name: connections_that_wait
SELECT DISTINCT connection_id FROM deliveries INDEXED BY deliveries_due WHERE due_at > ?1

-- name: deliveries_sooner
UPDATE deliveries SET due_at = max(due_at - ?2, ?1) WHERE due_at > ?1

-- name: connections_sooner
UPDATE connections SET paused_until = max(paused_until - ?2, ?1) WHERE paused_until > ?1

-- name: deliveries_drop
DELETE FROM deliveries WHERE placement_id = ?1 AND connection_id = ?2

-- name: deliveries_of_connection
-- By way of its person's placements (see migration 4), and in this order whatever SQLite thinks.
SELECT d.placement_id, p.present, p.revision, p.content_hash, p.end_utc, d.state, d.wanted, d.wanted_revision,
  d.applied_revision, d.applied_hash, d.provider_event_id, d.etag, d.attempts, d.first_failure_at, d.due_at,
  d.delivered_at, d.generation, d.untried_in, d.error_code, d.error_message, d.tries
FROM connections c CROSS JOIN placements p ON p.person_id = c.person_id
  CROSS JOIN deliveries d ON d.placement_id = p.id AND d.connection_id = c.id
WHERE c.id = ?1

-- name: deliveries_missing
-- A connection's back-fill: open placements that it has no row for.
SELECT p.id, p.revision FROM placements p
WHERE p.person_id = ?1 AND p.end_utc > ?2 AND p.present = 1
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.placement_id = p.id AND d.connection_id = ?3)

-- name: deliveries_waiting
SELECT connection_id, placement_id FROM deliveries
WHERE state IN ('failed', 'blocked') OR (due_at IS NOT NULL AND due_at > ?1)

-- name: deliveries_schedule
SELECT connection_id, min(due_at) FROM deliveries INDEXED BY deliveries_due WHERE due_at IS NOT NULL GROUP BY
  connection_id

-- name: deliveries_due
SELECT due_at, placement_id FROM deliveries INDEXED BY deliveries_due
WHERE due_at IS NOT NULL AND connection_id = ?1 AND (due_at, placement_id) > (?2, ?3) ORDER BY due_at, placement_id
  LIMIT ?4

-- name: deliveries_task
SELECT d.wanted, d.wanted_revision, d.provider_event_id, d.etag, d.applied_hash, d.attempts, d.first_failure_at,
  d.generation,
  p.id, p.kind, p.appointment_id, p.person_id, p.present, p.route, p.revision, p.decided_at, p.content_hash,
  p.title, p.description, p.location, p.all_day, p.starts, p.ends, p.timezone, p.start_utc, p.end_utc, p.reminders,
  p.show_as, p.visibility, p.status, p.url, p.event_id
FROM deliveries d JOIN placements p ON p.id = d.placement_id
WHERE d.placement_id = ?1 AND d.connection_id = ?2 AND d.due_at IS NOT NULL

-- name: deliveries_counts
SELECT d.state, count(*) FROM connections c CROSS JOIN placements p ON p.person_id = c.person_id
  CROSS JOIN deliveries d ON d.placement_id = p.id AND d.connection_id = c.id
WHERE c.id = ?1 GROUP BY d.state

-- name: deliveries_pending_count
SELECT count(*) FROM deliveries WHERE connection_id = ?1 AND due_at IS NOT NULL

-- name: deliveries_of_placement
SELECT d.placement_id, d.connection_id, p.appointment_id, p.person_id, c.provider, d.state, d.wanted,
  d.wanted_revision, d.applied_revision, d.provider_event_id, d.attempts, ifnull(d.due_at, 0), d.delivered_at,
  d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN connections c ON c.id = d.connection_id
WHERE d.placement_id = ?1 ORDER BY d.connection_id

-- name: deliveries_all
SELECT d.placement_id, d.connection_id, p.appointment_id, p.person_id, c.provider, d.state, d.wanted,
  d.wanted_revision, d.applied_revision, d.provider_event_id, d.attempts, ifnull(d.due_at, 0), d.delivered_at,
  d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN connections c ON c.id = d.connection_id
ORDER BY ifnull(d.due_at, 0), d.placement_id, d.connection_id LIMIT ?1

-- name: deliveries_in_state
SELECT d.placement_id, d.connection_id, p.appointment_id, p.person_id, c.provider, d.state, d.wanted,
  d.wanted_revision, d.applied_revision, d.provider_event_id, d.attempts, ifnull(d.due_at, 0), d.delivered_at,
  d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN connections c ON c.id = d.connection_id
WHERE d.state = ?1 ORDER BY ifnull(d.due_at, 0), d.placement_id, d.connection_id LIMIT ?2

-- name: backlog_due
SELECT count(*), ifnull(min(due_at), 0) FROM deliveries INDEXED BY deliveries_due WHERE due_at IS NOT NULL AND
  due_at <= ?1

-- name: backlog_stuck
SELECT d.state, count(*) FROM deliveries d INDEXED BY deliveries_stuck JOIN connections c ON c.id = d.connection_id
WHERE d.state IN ('blocked', 'failed') AND c.state <> 'disconnected' GROUP BY d.state

-- name: feed_pieces_put
INSERT INTO feed_pieces (connection_id, placement_id, start_utc, end_utc, timezone, removed_at, rendering)
SELECT ?2, p.id, p.start_utc, p.end_utc, p.timezone, ?3, ?4 FROM placements p WHERE p.id = ?1
ON CONFLICT (connection_id, placement_id) DO UPDATE SET start_utc = excluded.start_utc, end_utc = excluded.end_utc,
  timezone = excluded.timezone, removed_at = excluded.removed_at, rendering = excluded.rendering

-- name: feed_pieces_removed
UPDATE feed_pieces SET removed_at = ?3 WHERE placement_id = ?1 AND connection_id = ?2

-- name: feed_pieces_of_connection
SELECT start_utc, timezone, rendering FROM feed_pieces
WHERE connection_id = ?1 AND end_utc > ?2 AND (removed_at = 0 OR removed_at > ?3)

-- -------- upkeep --------

-- name: meta_one
SELECT value FROM meta WHERE key = ?1

-- name: meta_put
INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2

-- name: prune_events_find
SELECT seq FROM events WHERE seq > ?2 AND received_at < ?1 AND routed = 1 ORDER BY seq LIMIT ?3

-- name: prune_events_drop
DELETE FROM events WHERE seq = ?1 AND routed = 1

-- name: prune_placements_find
SELECT id FROM placements WHERE id > ?2 AND end_utc < ?1 ORDER BY id LIMIT ?3

-- name: prune_placements_drop
DELETE FROM placements WHERE id = ?1 AND end_utc < ?2

-- name: prune_appointments_find
SELECT id FROM appointments WHERE id > ?2 AND end_utc < ?1 ORDER BY id LIMIT ?3

-- name: prune_appointments_drop
DELETE FROM appointments WHERE id = ?1 AND end_utc < ?2

-- name: prune_sessions
DELETE FROM sessions WHERE expires_at <= ?1

-- name: prune_oauth_states
DELETE FROM oauth_states WHERE expires_at <= ?1

-- -------- the audit log --------

-- name: audit_add
INSERT INTO audit (at, action, actor, person_id, detail) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: audit_all
SELECT seq, at, action, actor, person_id, detail FROM audit WHERE at >= ?1 AND (?2 = 0 OR seq < ?2) ORDER BY seq DESC
LIMIT ?3

-- name: audit_of_person
SELECT seq, at, action, actor, person_id, detail FROM audit WHERE at >= ?1 AND (?2 = 0 OR seq < ?2) AND
  (person_id = ?4 OR actor = ?5) ORDER BY seq DESC LIMIT ?3

-- name: audit_prune
DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < ?1 AND seq < (SELECT ifnull(min(seq),
  9223372036854775807) FROM audit WHERE at >= ?1) ORDER BY seq LIMIT ?2)
