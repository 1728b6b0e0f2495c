-- Instants are milliseconds since 1970 (UTC), 0 where there is none; booleans are 0 or 1.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
  id            TEXT PRIMARY KEY,
  name          TEXT NOT NULL,
  email         TEXT NOT NULL,
  email_lookup  TEXT NOT NULL, -- lower case
  role          TEXT NOT NULL,
  timezone      TEXT NOT NULL,
  teams         TEXT NOT NULL, -- JSON array of strings
  password_hash TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX people_email ON people (email_lookup);

CREATE TABLE app_keys (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  hash       TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sessions (
  token_hash TEXT PRIMARY KEY,
  person_id  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_person ON sessions (person_id);

-- The journal. A row is written once and marked when routing has seen it.
CREATE TABLE events (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  source       TEXT NOT NULL,
  event_id     TEXT NOT NULL,
  type         TEXT NOT NULL,
  time         INTEGER NOT NULL,
  received_at  INTEGER NOT NULL,
  content_hash TEXT NOT NULL,
  routed       INTEGER NOT NULL DEFAULT 0 CHECK (routed IN (0, 1)),
  result       TEXT NOT NULL DEFAULT '',
  body         TEXT NOT NULL,
  UNIQUE (event_id, source)
) STRICT;
CREATE INDEX events_unrouted ON events (seq) WHERE routed = 0;

CREATE TABLE appointments (
  id          TEXT PRIMARY KEY,
  row_version INTEGER NOT NULL CHECK (row_version > 0),
  version     INTEGER,
  order_time  INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  end_utc     INTEGER NOT NULL,
  snapshot    TEXT NOT NULL,
  memory      TEXT NOT NULL
) STRICT;

CREATE TABLE placements (
  id             INTEGER PRIMARY KEY,
  kind           TEXT NOT NULL CHECK (kind IN ('appointment', 'custom')),
  appointment_id TEXT NOT NULL,
  person_id      TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
  present        INTEGER NOT NULL CHECK (present IN (0, 1)),
  route          TEXT NOT NULL,
  revision       INTEGER NOT NULL CHECK (revision > 0),
  decided_at     INTEGER NOT NULL,
  content_hash   TEXT NOT NULL,
  title          TEXT NOT NULL,
  description    TEXT NOT NULL,
  location       TEXT NOT NULL,
  all_day        INTEGER NOT NULL CHECK (all_day IN (0, 1)),
  starts         TEXT NOT NULL,
  ends           TEXT NOT NULL,
  timezone       TEXT NOT NULL,
  start_utc      INTEGER NOT NULL,
  end_utc        INTEGER NOT NULL,
  reminders      TEXT NOT NULL, -- minutes, separated by commas
  show_as        TEXT NOT NULL,
  visibility     TEXT NOT NULL,
  status         TEXT NOT NULL,
  url            TEXT NOT NULL,
  event_id       TEXT NOT NULL, -- the event that decided last, for logs; empty: a policy or the person did
  UNIQUE (appointment_id, person_id, kind)
) STRICT;
CREATE INDEX placements_person ON placements (person_id, end_utc);

CREATE TABLE connections (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: sealed bytes and uids are bound to it
  person_id           TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
  provider            TEXT NOT NULL,
  account_id          TEXT NOT NULL CHECK (account_id <> ''),
  account             TEXT NOT NULL,
  state               TEXT NOT NULL CHECK (state IN ('connected', 'needs_reconnection', 'closing', 'disconnected')),
  sealed              BLOB NOT NULL,
  credentials_version INTEGER NOT NULL CHECK (credentials_version >= 0),
  feed_secret_hash    TEXT NOT NULL,
  feed_revision       INTEGER NOT NULL DEFAULT 0,
  created_at          INTEGER NOT NULL,
  last_sync_at        INTEGER NOT NULL DEFAULT 0,
  last_error          TEXT NOT NULL DEFAULT '',
  last_error_at       INTEGER NOT NULL DEFAULT 0,
  paused_until        INTEGER NOT NULL DEFAULT 0,
  closing_deadline    INTEGER NOT NULL DEFAULT 0,
  UNIQUE (person_id, provider, account_id),
  -- a disconnected connection keeps no secret
  CHECK (state <> 'disconnected' OR (length(sealed) = 0 AND feed_secret_hash = ''))
) STRICT;
CREATE INDEX connections_account ON connections (provider, account_id);
CREATE UNIQUE INDEX connections_feed ON connections (feed_secret_hash) WHERE feed_secret_hash <> '';

CREATE TABLE connection_values (
  connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
  key           TEXT NOT NULL,
  value         TEXT NOT NULL,
  PRIMARY KEY (connection_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE oauth_states (
  seq             INTEGER PRIMARY KEY AUTOINCREMENT,
  state_hash      TEXT NOT NULL UNIQUE,
  browser_hash    TEXT NOT NULL,
  person_id       TEXT NOT NULL,
  provider        TEXT NOT NULL,
  sealed_verifier BLOB NOT NULL,
  created_at      INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL
) STRICT;

-- One row: what one connection was last given of one placement, and what it should have. The CHECKs are the state
-- diagram of delivery/STATES.md: a row that has work is pending and has a due time; every other state has none.
CREATE TABLE deliveries (
  placement_id      INTEGER NOT NULL REFERENCES placements (id) ON DELETE CASCADE,
  connection_id     INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
  state             TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'removed', 'blocked', 'failed')),
  wanted            INTEGER NOT NULL CHECK (wanted IN (0, 1)),
  wanted_revision   INTEGER NOT NULL CHECK (wanted_revision > 0),
  applied_revision  INTEGER NOT NULL DEFAULT 0 CHECK (applied_revision >= 0),
  applied_hash      TEXT NOT NULL DEFAULT '',
  provider_event_id TEXT NOT NULL DEFAULT '',
  etag              TEXT NOT NULL DEFAULT '',
  attempts          INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  tries             INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0), -- for what is wanted now, the successful one too
  first_failure_at  INTEGER NOT NULL DEFAULT 0,
  due_at            INTEGER,
  delivered_at      INTEGER NOT NULL DEFAULT 0, -- of the last confirmed delivery or removal
  generation        INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
  untried_in        INTEGER NOT NULL,           -- the program's run that made the row; 0 once anything was attempted
  error_code        TEXT NOT NULL DEFAULT '',
  error_message     TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (placement_id, connection_id),
  CHECK ((state = 'pending') = (due_at IS NOT NULL)),
  CHECK (state <> 'delivered' OR (wanted = 1 AND applied_revision = wanted_revision)),
  CHECK (state <> 'removed' OR (wanted = 0 AND provider_event_id = '')),
  CHECK (state <> 'failed' OR error_code <> '')
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (connection_id, due_at, placement_id) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_stuck ON deliveries (state, connection_id) WHERE state IN ('blocked', 'failed');
CREATE INDEX deliveries_connection ON deliveries (connection_id);

-- Finished pieces of subscription feeds, apart from deliveries so that a feed is one range of this table.
CREATE TABLE feed_pieces (
  connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
  placement_id  INTEGER NOT NULL REFERENCES placements (id) ON DELETE CASCADE,
  start_utc     INTEGER NOT NULL,
  end_utc       INTEGER NOT NULL,
  timezone      TEXT NOT NULL,
  removed_at    INTEGER NOT NULL DEFAULT 0, -- > 0: the piece says that the entry is cancelled
  rendering     TEXT NOT NULL,
  PRIMARY KEY (connection_id, placement_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX feed_pieces_placement ON feed_pieces (placement_id);
