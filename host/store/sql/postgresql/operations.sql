-- The operations of the store in PostgreSQL's dialect: one statement under each name. What the SQLite dialect does row by
-- row takes a batch here (arrays, one element a row), because a statement costs a round trip to the server.
--
-- Locks are taken in this order: people, connections, placements, deliveries; rows of one table by their key. Routing holds
-- its people in share mode, and whatever changes a person's connections holds the person: neither can miss what the other
-- adds.

-- -------- people --------

-- name: people_put
INSERT INTO people (id, name, email, email_lookup, role, timezone, teams, password_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, ''))
ON CONFLICT (id) DO UPDATE SET name = $2, email = $3, email_lookup = $4, role = $5, timezone = $6, teams = $7,
  password_hash = coalesce($8, people.password_hash)

-- name: people_exists
SELECT 1 FROM people WHERE id = $1

-- name: people_set_password
UPDATE people SET password_hash = $2 WHERE id = $1

-- name: people_one
SELECT id, name, email, role, timezone, teams FROM people WHERE id = $1

-- name: people_by_email
SELECT id, name, email, role, timezone, teams, password_hash FROM people WHERE email_lookup = $1 ORDER BY id

-- name: people_all
SELECT id, name, email, role, timezone, teams FROM people ORDER BY id

-- name: people_delete
DELETE FROM people WHERE id = $1

-- name: people_hold
SELECT 1 FROM people WHERE id = $1 FOR UPDATE

-- name: people_hold_of_connection
SELECT p.id FROM people p WHERE p.id = (SELECT c.person_id FROM connections c WHERE c.id = $1) FOR NO KEY UPDATE

-- name: people_share
SELECT id FROM people WHERE id = ANY ($1::text[]) ORDER BY id FOR SHARE

-- name: directory_changed
INSERT INTO meta (key, value) VALUES ('directory_version', '1')
ON CONFLICT (key) DO UPDATE SET value = (meta.value::bigint + 1)::text

-- -------- keys and sessions --------

-- name: app_keys_add
INSERT INTO app_keys (name, hash, created_at) VALUES ($1, $2, $3)
ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id

-- name: app_keys_all
SELECT id, name, hash, created_at, revoked_at FROM app_keys ORDER BY id

-- name: app_keys_revoke
UPDATE app_keys SET revoked_at = $2 WHERE name = $1 AND revoked_at = 0

-- name: sessions_add
INSERT INTO sessions (token_hash, person_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (token_hash) DO NOTHING

-- name: sessions_one
SELECT token_hash, person_id, created_at, expires_at FROM sessions WHERE token_hash = $1

-- name: sessions_drop
DELETE FROM sessions WHERE token_hash = $1

-- -------- journal --------

-- name: events_add
INSERT INTO events (source, event_id, type, time, received_at, content_hash, body, run)
SELECT n.source, n.event_id, n.type, n.time, $8, n.content_hash, n.body, $9
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])
  AS n (ord, source, event_id, type, time, content_hash, body)
ORDER BY n.ord
ON CONFLICT (event_id, source) DO NOTHING RETURNING seq, event_id, source

-- name: events_known
SELECT e.event_id, e.source, e.seq, e.content_hash, e.received_at, e.run
FROM unnest($1::text[], $2::text[]) AS n (event_id, source)
  JOIN events e ON e.event_id = n.event_id AND e.source = n.source

-- name: events_unrouted
-- Those of other nodes are theirs as long as they live.
SELECT seq, source, event_id, type, time, received_at, routed, result, body FROM events
WHERE NOT routed AND seq > $1
  AND (run = $3 OR run NOT IN (SELECT n.run FROM nodes n WHERE n.alive_until > clock_timestamp()))
ORDER BY seq LIMIT $2

-- name: events_orphaned
SELECT EXISTS (SELECT 1 FROM events WHERE NOT routed
  AND run <> $1 AND run NOT IN (SELECT n.run FROM nodes n WHERE n.alive_until > clock_timestamp()))

-- name: events_one
SELECT seq, source, event_id, type, time, received_at, routed, result, body FROM events WHERE event_id = $1 AND
  source = $2

-- name: events_newest
SELECT seq, source, event_id, type, time, received_at, routed, result, body FROM events WHERE event_id = $1 ORDER BY
  seq DESC LIMIT 1

-- name: events_routed
UPDATE events e SET routed = TRUE, result = n.result
FROM unnest($1::bigint[], $2::text[]) AS n (seq, result) WHERE e.seq = n.seq AND NOT e.routed

-- -------- appointments and placements --------

-- name: appointments_some
SELECT a.id, a.row_version, a.version, a.order_time, a.seq, a.end_utc, a.snapshot, a.memory FROM appointments a
WHERE a.id = ANY ($1::text[])

-- name: appointments_store
-- Fewer rows than given: one has changed since it was loaded.
INSERT INTO appointments AS a (id, row_version, version, order_time, seq, end_utc, snapshot, memory)
SELECT n.id, n.loaded + 1, n.version, n.order_time, n.seq, n.end_utc, n.snapshot, n.memory
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[])
  AS n (id, loaded, version, order_time, seq, end_utc, snapshot, memory)
WHERE n.loaded = 0 OR EXISTS (SELECT 1 FROM appointments known WHERE known.id = n.id)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET row_version = excluded.row_version, version = excluded.version, order_time =
  excluded.order_time, seq = excluded.seq, end_utc = excluded.end_utc, snapshot = excluded.snapshot, memory =
  excluded.memory
WHERE a.row_version = excluded.row_version - 1

-- name: appointments_open
SELECT id FROM appointments WHERE id > $2 AND end_utc > $1 ORDER BY id LIMIT $3

-- name: placements_of_appointments
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements WHERE appointment_id = ANY ($1::text[]) AND kind = 'appointment' ORDER BY appointment_id, person_id

-- name: placements_one
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements WHERE appointment_id = $2 AND person_id = $3 AND kind = $1

-- name: placements_some
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements WHERE id = ANY ($1::bigint[])

-- name: placements_of_person
SELECT id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id FROM
  placements
WHERE person_id = $1 AND end_utc > $2 AND present ORDER BY start_utc, id LIMIT $3

-- name: placements_add
-- Answers with each row's place in the batch; xmax is 0 for a row that is new.
INSERT INTO placements AS p (kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title,
  description, location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility,
  status, url, event_id)
SELECT n.kind, n.appointment_id, n.person_id, n.present, n.route, n.revision, n.decided_at, n.content_hash, n.title,
  n.description, n.location, n.all_day, n.starts, n.ends, n.timezone, n.start_utc, n.end_utc, n.reminders, n.show_as,
  n.visibility, n.status, n.url, n.event_id
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
  $9::text[], $10::text[], $11::text[], $12::boolean[], $13::text[], $14::text[], $15::text[], $16::bigint[],
  $17::bigint[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[])
  AS n (kind, appointment_id, person_id, present, route, revision, decided_at, content_hash, title, description,
  location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as, visibility, status, url, event_id)
ORDER BY n.appointment_id, n.person_id, n.kind
ON CONFLICT (appointment_id, person_id, kind) DO UPDATE SET present = excluded.present, route = excluded.route, revision =
  excluded.revision, decided_at = excluded.decided_at, content_hash = excluded.content_hash, title = excluded.title,
  description = excluded.description, location = excluded.location, all_day = excluded.all_day, starts =
  excluded.starts, ends = excluded.ends, timezone = excluded.timezone, start_utc = excluded.start_utc, end_utc =
  excluded.end_utc, reminders = excluded.reminders, show_as = excluded.show_as, visibility = excluded.visibility,
  status = excluded.status, url = excluded.url, event_id = excluded.event_id
RETURNING p.appointment_id, p.person_id, p.kind, p.id, p.xmax = 0

-- name: placements_still
-- Of those that were there when they were loaded.
SELECT id FROM placements WHERE id = ANY ($1::bigint[]) ORDER BY appointment_id, person_id, kind FOR NO KEY UPDATE

-- -------- connections --------

-- name: connections_one
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE id = $1

-- name: connections_of_person
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE person_id = $1 ORDER BY created_at DESC, id DESC

-- name: connections_in_state
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE state = $1 ORDER BY id

-- name: connections_by_feed
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE feed_secret_hash = $1 AND feed_secret_hash <> ''

-- name: connections_of_account
SELECT id, state FROM connections WHERE person_id = $1 AND provider = $2 AND account_id = $3

-- name: connections_live_of_provider
SELECT id FROM connections
WHERE person_id = $1 AND provider = $2 AND account_id <> $3 AND state IN ('connected', 'needs_reconnection') ORDER BY id

-- name: connections_using
SELECT count(*) FROM connections
WHERE provider = $1 AND account_id = $2 AND id <> $3 AND state <> 'disconnected'

-- name: connections_dead
SELECT c.id, c.person_id, p.name, p.email, p.role, c.provider, c.account_id, c.account, c.last_error, c.last_error_at,
  (SELECT count(*) FROM deliveries d WHERE d.connection_id = c.id AND d.state IN ('pending', 'blocked'))
FROM connections c JOIN people p ON p.id = c.person_id
WHERE c.state = 'needs_reconnection' AND (c.last_error_at, c.id) > ($1, $2)
ORDER BY c.last_error_at, c.id LIMIT $3

-- name: connections_tallies
SELECT provider, count(*), count(*) FILTER (WHERE state = 'connected' AND last_error <> '' AND last_error_at >
  last_sync_at), count(*) FILTER (WHERE state = 'needs_reconnection')
FROM connections WHERE state IN ('connected', 'needs_reconnection') GROUP BY provider ORDER BY provider

-- name: connections_planned
SELECT id, state FROM connections WHERE person_id = $1 AND state IN ('connected', 'needs_reconnection') ORDER BY id

-- name: connections_planned_of
SELECT person_id, id, provider, state FROM connections
WHERE person_id = ANY ($1::text[]) AND state IN ('connected', 'needs_reconnection') ORDER BY id

-- name: connections_provider
SELECT provider FROM connections WHERE id = $1

-- name: connections_hold
SELECT id, provider, state FROM connections WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE

-- name: connections_of_person_hold
SELECT id FROM connections WHERE person_id = $1 ORDER BY id FOR UPDATE

-- name: connections_add
INSERT INTO connections (person_id, provider, account_id, account, state, sealed, credentials_version,
  feed_secret_hash, created_at)
VALUES ($1, $2, $3, $4, 'connected', '', 0, $5, $6) RETURNING id

-- name: connections_reconnect
UPDATE connections SET account = $2, state = 'connected', sealed = $3, credentials_version = credentials_version + 1,
  feed_secret_hash = CASE WHEN $4 = '' THEN feed_secret_hash ELSE $4 END, feed_revision = feed_revision + 1,
  last_error = '', last_error_at = 0, paused_until = 0, closing_deadline = 0
WHERE id = $1

-- name: connections_store_credentials
-- True again for the very bytes that are stored already: the commit of an earlier try was not heard of.
UPDATE connections SET sealed = $3, credentials_version = $2 + 1
WHERE id = $1 AND state <> 'disconnected' AND (credentials_version = $2 OR (credentials_version = $2 + 1 AND sealed = $3))

-- name: connections_sealed
SELECT id, person_id, provider, state, account_id, account, sealed, credentials_version, feed_secret_hash,
  feed_revision, created_at, last_sync_at, last_error, last_error_at, paused_until, closing_deadline FROM
  connections WHERE id > $1 AND length(sealed) > 0 ORDER BY id LIMIT $2

-- name: connections_reseal
UPDATE connections SET sealed = $3 WHERE id = $1 AND credentials_version = $2 AND length(sealed) > 0

-- name: connections_need_reconnection
UPDATE connections SET state = 'needs_reconnection', last_error = $3, last_error_at = $4
WHERE id = $1 AND credentials_version = $2 AND state = 'connected'

-- name: connections_close
UPDATE connections SET state = 'closing', closing_deadline = $2 WHERE id = $1 AND state <> 'disconnected'

-- name: connections_end
-- Not one that the person has connected again on another host since it was found to be closing.
UPDATE connections SET state = 'disconnected', sealed = '', feed_secret_hash = '', credentials_version =
  credentials_version + 1,
  paused_until = 0, closing_deadline = 0
WHERE id = $1 AND NOT (state = 'connected' AND length(sealed) > 0)

-- name: connections_summary
-- Why and since when a grant is dead stays, whatever attempts that were under way then come back with.
UPDATE connections c SET last_sync_at = greatest(c.last_sync_at, n.last_sync_at),
  last_error = CASE WHEN n.last_error IS NULL OR c.state = 'needs_reconnection' THEN c.last_error ELSE n.last_error END,
  last_error_at = CASE WHEN n.last_error IS NULL OR c.state = 'needs_reconnection' THEN c.last_error_at ELSE
    n.last_error_at END,
  paused_until = greatest(c.paused_until, n.paused_until), feed_revision = c.feed_revision + n.feed_changes
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS n (id, last_sync_at, last_error, last_error_at, paused_until, feed_changes)
WHERE c.id = n.id

-- name: values_one
SELECT value FROM connection_values WHERE connection_id = $1 AND key = $2

-- name: values_put
INSERT INTO connection_values (connection_id, key, value)
SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM connections WHERE id = $1)
ON CONFLICT (connection_id, key) DO UPDATE SET value = excluded.value

-- name: values_drop
DELETE FROM connection_values WHERE connection_id = $1 AND key = $2

-- name: oauth_states_add
INSERT INTO oauth_states (state_hash, browser_hash, person_id, provider, sealed_verifier, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (state_hash) DO NOTHING

-- name: oauth_states_bound
DELETE FROM oauth_states WHERE seq <= (SELECT seq FROM oauth_states ORDER BY seq DESC OFFSET 1000 LIMIT 1)

-- name: oauth_states_take
DELETE FROM oauth_states WHERE state_hash = $1
RETURNING state_hash, browser_hash, person_id, provider, sealed_verifier, created_at, expires_at

-- name: oauth_states_all
SELECT state_hash, browser_hash, person_id, provider, sealed_verifier, created_at, expires_at FROM oauth_states ORDER BY
  seq

-- name: oauth_states_reseal
UPDATE oauth_states SET sealed_verifier = $2 WHERE state_hash = $1

-- name: oauth_states_of_person_drop
DELETE FROM oauth_states WHERE person_id = $1

-- -------- deliveries --------

-- name: deliveries_of_placements
SELECT placement_id, connection_id, state, wanted, wanted_revision, applied_revision, applied_hash, provider_event_id,
  etag, attempts, first_failure_at, due_at, delivered_at, generation, untried, error_code, error_message, tries
FROM deliveries WHERE placement_id = ANY ($1::bigint[]) ORDER BY placement_id, connection_id FOR UPDATE

-- name: deliveries_add
INSERT INTO deliveries (placement_id, connection_id, state, wanted, wanted_revision, due_at)
SELECT n.placement_id, n.connection_id, n.state, TRUE, n.wanted_revision, n.due_at
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])
  AS n (placement_id, connection_id, state, wanted_revision, due_at)
ORDER BY n.placement_id, n.connection_id
ON CONFLICT (placement_id, connection_id) DO NOTHING

-- name: deliveries_change
UPDATE deliveries d SET state = n.state, wanted = n.wanted, wanted_revision = n.wanted_revision, applied_revision =
  n.applied_revision, applied_hash = n.applied_hash, provider_event_id = n.provider_event_id, etag = n.etag, attempts =
  n.attempts, first_failure_at = n.first_failure_at, due_at = n.due_at, delivered_at = n.delivered_at, generation =
  n.generation, untried = n.untried, error_code = n.error_code, error_message = n.error_message, tries = n.tries
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
  $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::boolean[], $16::text[],
  $17::text[], $18::bigint[])
  AS n (placement_id, connection_id, state, wanted, wanted_revision, applied_revision, applied_hash, provider_event_id,
  etag, attempts, first_failure_at, due_at, delivered_at, generation, untried, error_code, error_message, tries)
WHERE d.placement_id = n.placement_id AND d.connection_id = n.connection_id

-- name: deliveries_settle
-- The same for outcomes of attempts, whose lease ends with them.
UPDATE deliveries d SET state = n.state, wanted = n.wanted, wanted_revision = n.wanted_revision, applied_revision =
  n.applied_revision, applied_hash = n.applied_hash, provider_event_id = n.provider_event_id, etag = n.etag, attempts =
  n.attempts, first_failure_at = n.first_failure_at, due_at = n.due_at, delivered_at = n.delivered_at, generation =
  n.generation, untried = n.untried, error_code = n.error_code, error_message = n.error_message, tries = n.tries,
  lease_run = 0, lease_until = 0, fence = 0
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
  $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::boolean[], $16::text[],
  $17::text[], $18::bigint[])
  AS n (placement_id, connection_id, state, wanted, wanted_revision, applied_revision, applied_hash, provider_event_id,
  etag, attempts, first_failure_at, due_at, delivered_at, generation, untried, error_code, error_message, tries)
WHERE d.placement_id = n.placement_id AND d.connection_id = n.connection_id

-- name: deliveries_drop
DELETE FROM deliveries d USING unnest($1::bigint[]) AS n (placement_id)
WHERE d.placement_id = n.placement_id AND d.connection_id = $2

-- name: deliveries_of_connection
SELECT d.placement_id, p.present, p.revision, p.content_hash, p.end_utc, d.state, d.wanted, d.wanted_revision,
  d.applied_revision, d.applied_hash, d.provider_event_id, d.etag, d.attempts, d.first_failure_at, d.due_at,
  d.delivered_at, d.generation, d.untried, d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id WHERE d.connection_id = $1
ORDER BY d.placement_id FOR UPDATE OF d

-- name: deliveries_missing
-- A connection's back-fill: open placements that it has no row for.
SELECT p.id, p.revision FROM placements p
WHERE p.person_id = $1 AND p.end_utc > $2 AND p.present
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.placement_id = p.id AND d.connection_id = $3)

-- name: deliveries_waiting
SELECT d.placement_id, d.connection_id, c.provider, c.state, d.state, d.wanted, d.wanted_revision, d.applied_revision,
  d.applied_hash, d.provider_event_id, d.etag, d.attempts, d.first_failure_at, d.due_at, d.delivered_at, d.generation,
  d.untried, d.error_code, d.error_message, d.tries
FROM deliveries d JOIN connections c ON c.id = d.connection_id
WHERE (d.state IN ('failed', 'blocked') OR (d.due_at IS NOT NULL AND d.due_at > $2)) AND ($1 = '' OR c.person_id = $1)
ORDER BY d.placement_id, d.connection_id FOR UPDATE OF d

-- name: deliveries_sooner
-- Answers with their connections.
WITH sooner AS (UPDATE deliveries SET due_at = greatest(due_at - $2::bigint, $1::bigint) WHERE due_at > $1
  RETURNING connection_id)
SELECT DISTINCT connection_id FROM sooner

-- name: connections_sooner
UPDATE connections SET paused_until = greatest(paused_until - $2::bigint, $1::bigint) WHERE paused_until > $1
RETURNING id

-- name: deliveries_heads
-- Each connection's first due time, found by hopping through the index from one connection to the next.
WITH RECURSIVE heads AS (
  (SELECT connection_id, due_at FROM deliveries WHERE due_at IS NOT NULL ORDER BY connection_id, due_at LIMIT 1)
  UNION ALL
  SELECT next.connection_id, next.due_at FROM heads h CROSS JOIN LATERAL (SELECT d.connection_id, d.due_at FROM deliveries d
    WHERE d.due_at IS NOT NULL AND d.connection_id > h.connection_id ORDER BY d.connection_id, d.due_at LIMIT 1) next)
SELECT h.connection_id, h.due_at, c.provider FROM heads h JOIN connections c ON c.id = h.connection_id

-- name: deliveries_due
-- Of some connections the first rows that wait and that nobody works on ($4: those behind a page that was read before),
-- and whether another node has the mailbox. $3 is the time by which leases end, if it is not the server's own.
SELECT c.id, c.provider, c.paused_until,
  coalesce(m.run, 0) NOT IN (0, $2)
    AND EXISTS (SELECT 1 FROM nodes n WHERE n.run = m.run AND n.alive_until > clock_timestamp()),
  d.due_at, d.placement_id
FROM unnest($1::bigint[], $4::bigint[], $5::bigint[]) AS want (id, after_due, after_placement)
  JOIN connections c ON c.id = want.id LEFT JOIN mailboxes m ON m.connection_id = c.id
  LEFT JOIN LATERAL (SELECT w.due_at, w.placement_id FROM deliveries w
    WHERE w.due_at IS NOT NULL AND w.connection_id = c.id
      AND (w.due_at, w.placement_id) > (want.after_due, want.after_placement)
      AND (w.lease_run = 0
        OR w.lease_until <= coalesce($3::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        OR NOT EXISTS (SELECT 1 FROM nodes n WHERE n.run = w.lease_run AND n.alive_until > clock_timestamp()))
    ORDER BY w.due_at, w.placement_id LIMIT $6) d ON TRUE
ORDER BY c.id, d.due_at, d.placement_id

-- name: mailboxes_take
-- Answers with those that are ours now.
INSERT INTO mailboxes AS m (connection_id, run)
SELECT c.id, $2 FROM connections c WHERE c.id = ANY ($1::bigint[]) ORDER BY c.id
ON CONFLICT (connection_id) DO UPDATE SET run = excluded.run
WHERE m.run IN (0, excluded.run)
  OR NOT EXISTS (SELECT 1 FROM nodes n WHERE n.run = m.run AND n.alive_until > clock_timestamp())
RETURNING m.connection_id

-- name: mailboxes_in_use
SELECT count(*) FROM mailboxes m
  WHERE EXISTS (SELECT 1 FROM nodes n WHERE n.run = m.run AND n.alive_until > clock_timestamp())

-- name: mailboxes_give_back
UPDATE mailboxes SET run = 0 WHERE connection_id = ANY ($1::bigint[]) AND run = $2

-- name: deliveries_lease
-- A run that is about to be taken for dead claims nothing any more: what it holds may be somebody else's soon.
-- The placement is as it was when the statement began: one that changed at that moment is read again (placements_some).
WITH chosen AS MATERIALIZED (
  SELECT d.placement_id, d.connection_id, d.lease_run <> 0 AS taken_over
  FROM unnest($1::bigint[], $2::bigint[]) AS n (placement_id, connection_id)
    JOIN deliveries d ON d.placement_id = n.placement_id AND d.connection_id = n.connection_id
  WHERE d.due_at IS NOT NULL
    AND (d.lease_run = 0
      OR d.lease_until <= coalesce($4::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
      OR NOT EXISTS (SELECT 1 FROM nodes r WHERE r.run = d.lease_run AND r.alive_until > clock_timestamp()))
    AND EXISTS (SELECT 1 FROM nodes r WHERE r.run = $3 AND r.alive_until > clock_timestamp() + interval '2 seconds')
  FOR UPDATE OF d SKIP LOCKED)
UPDATE deliveries d SET lease_run = $3, fence = nextval('fences'), untried = FALSE,
  lease_until = coalesce($4::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) + $5::bigint
FROM chosen n JOIN placements p ON p.id = n.placement_id
WHERE d.placement_id = n.placement_id AND d.connection_id = n.connection_id
RETURNING d.placement_id, d.connection_id, d.fence, d.wanted, d.wanted_revision, d.provider_event_id, d.etag,
  d.applied_hash, d.attempts, d.first_failure_at, d.generation, n.taken_over,
  p.id, p.kind, p.appointment_id, p.person_id, p.present, p.route, p.revision, p.decided_at, p.content_hash,
  p.title, p.description, p.location, p.all_day, p.starts, p.ends, p.timezone, p.start_utc, p.end_utc, p.reminders,
  p.show_as, p.visibility, p.status, p.url, p.event_id

-- name: deliveries_unlease
UPDATE deliveries d SET lease_run = 0, lease_until = 0, fence = 0
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n (placement_id, connection_id, fence)
WHERE d.placement_id = n.placement_id AND d.connection_id = n.connection_id AND d.fence = n.fence AND d.fence <> 0
RETURNING d.connection_id, d.due_at

-- name: deliveries_unlease_unknown
-- Claims of this run whose commit was not heard of.
UPDATE deliveries d SET lease_run = 0, lease_until = 0, fence = 0
FROM unnest($1::bigint[], $2::bigint[]) AS n (placement_id, connection_id)
WHERE d.placement_id = n.placement_id AND d.connection_id = n.connection_id AND d.lease_run = $3

-- name: deliveries_attempted
-- The rows, and whether their claim is still the one with that fence.
SELECT d.placement_id, d.connection_id, d.fence = n.fence, d.state, d.wanted, d.wanted_revision, d.applied_revision, d.applied_hash,
  d.provider_event_id, d.etag, d.attempts, d.first_failure_at, d.due_at, d.delivered_at, d.generation, d.untried,
  d.error_code, d.error_message, d.tries
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n (placement_id, connection_id, fence)
  JOIN deliveries d ON d.placement_id = n.placement_id AND d.connection_id = n.connection_id
ORDER BY d.placement_id, d.connection_id FOR UPDATE OF d

-- name: deliveries_counts
SELECT state, count(*) FROM deliveries WHERE connection_id = $1 GROUP BY state

-- name: deliveries_pending_count
SELECT count(*) FROM deliveries WHERE connection_id = $1 AND due_at IS NOT NULL

-- name: deliveries_of_placement
SELECT d.placement_id, d.connection_id, p.appointment_id, p.person_id, c.provider, d.state, d.wanted,
  d.wanted_revision, d.applied_revision, d.provider_event_id, d.attempts, coalesce(d.due_at, 0), d.delivered_at,
  d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN connections c ON c.id = d.connection_id
WHERE d.placement_id = $1 ORDER BY d.connection_id

-- name: deliveries_all
SELECT d.placement_id, d.connection_id, p.appointment_id, p.person_id, c.provider, d.state, d.wanted,
  d.wanted_revision, d.applied_revision, d.provider_event_id, d.attempts, coalesce(d.due_at, 0), d.delivered_at,
  d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN connections c ON c.id = d.connection_id
ORDER BY coalesce(d.due_at, 0), d.placement_id, d.connection_id LIMIT $1

-- name: deliveries_in_state
SELECT d.placement_id, d.connection_id, p.appointment_id, p.person_id, c.provider, d.state, d.wanted,
  d.wanted_revision, d.applied_revision, d.provider_event_id, d.attempts, coalesce(d.due_at, 0), d.delivered_at,
  d.error_code, d.error_message, d.tries
FROM deliveries d JOIN placements p ON p.id = d.placement_id JOIN connections c ON c.id = d.connection_id
WHERE d.state = $1 ORDER BY coalesce(d.due_at, 0), d.placement_id, d.connection_id LIMIT $2

-- name: backlog_due
SELECT count(*), coalesce(min(due_at), 0) FROM deliveries WHERE due_at IS NOT NULL AND due_at <= $1

-- name: backlog_stuck
SELECT d.state, count(*) FROM deliveries d JOIN connections c ON c.id = d.connection_id
WHERE d.state IN ('blocked', 'failed') AND c.state <> 'disconnected' GROUP BY d.state

-- name: feed_pieces_put
INSERT INTO feed_pieces (connection_id, placement_id, start_utc, end_utc, timezone, removed_at, rendering)
SELECT n.connection_id, p.id, p.start_utc, p.end_utc, p.timezone, n.removed_at, n.rendering
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS n (placement_id, connection_id, removed_at, rendering)
  JOIN placements p ON p.id = n.placement_id
ON CONFLICT (connection_id, placement_id) DO UPDATE SET start_utc = excluded.start_utc, end_utc = excluded.end_utc,
  timezone = excluded.timezone, removed_at = excluded.removed_at, rendering = excluded.rendering

-- name: feed_pieces_of_connection
SELECT start_utc, timezone, rendering FROM feed_pieces
WHERE connection_id = $1 AND end_utc > $2 AND (removed_at = 0 OR removed_at > $3)

-- -------- nodes --------

-- name: node_lock
SELECT pg_try_advisory_lock(1128350274, hashtext($1))

-- name: node_register
-- The former runs of that name are over.
WITH former AS (DELETE FROM nodes WHERE name = $1 OR alive_until < clock_timestamp() - interval '1 day')
INSERT INTO nodes (run, name, started_at, alive_until, policy)
VALUES (nextval('runs'), $1, clock_timestamp(), clock_timestamp() + make_interval(secs => $2::bigint), $3) RETURNING run

-- name: node_alive
UPDATE nodes SET alive_until = clock_timestamp() + make_interval(secs => $2::bigint), policy = $3,
  wants_work = $4::boolean
WHERE run = $1 AND alive_until > clock_timestamp()

-- name: node_leave
DELETE FROM nodes WHERE run = $1

-- name: nodes_alive
SELECT run, name, policy, wants_work FROM nodes WHERE alive_until > clock_timestamp() ORDER BY name, run

-- -------- upkeep --------

-- name: meta_one
SELECT value FROM meta WHERE key = $1

-- name: meta_put
INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2

-- name: meta_put_once
INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING

-- name: prune_events_find
SELECT seq FROM events WHERE seq > $2 AND received_at < $1 AND routed ORDER BY seq LIMIT $3

-- name: prune_events_drop
DELETE FROM events WHERE seq = ANY ($1::bigint[]) AND routed

-- name: prune_placements_find
SELECT id FROM placements WHERE id > $2 AND end_utc < $1 ORDER BY id LIMIT $3

-- name: prune_placements_drop
DELETE FROM placements WHERE id = ANY ($1::bigint[]) AND end_utc < $2

-- name: prune_appointments_find
SELECT id FROM appointments WHERE id > $2 AND end_utc < $1 ORDER BY id LIMIT $3

-- name: prune_appointments_drop
DELETE FROM appointments WHERE id = ANY ($1::text[]) AND end_utc < $2

-- name: prune_sessions
DELETE FROM sessions WHERE expires_at <= $1

-- name: prune_oauth_states
DELETE FROM oauth_states WHERE expires_at <= $1

-- -------- the audit log --------

-- name: audit_add
INSERT INTO audit (at, action, actor, person_id, detail) VALUES ($1, $2, $3, $4, $5)

-- name: audit_all
SELECT seq, at, action, actor, person_id, detail FROM audit WHERE at >= $1 AND ($2 = 0 OR seq < $2) ORDER BY seq DESC
LIMIT $3

-- name: audit_of_person
SELECT seq, at, action, actor, person_id, detail FROM audit WHERE at >= $1 AND ($2 = 0 OR seq < $2) AND
  (person_id = $4 OR actor = $5) ORDER BY seq DESC LIMIT $3

-- name: audit_prune
DELETE FROM audit WHERE at < $1 AND seq < (SELECT coalesce(min(seq), 9223372036854775807) FROM audit WHERE at >= $1)
