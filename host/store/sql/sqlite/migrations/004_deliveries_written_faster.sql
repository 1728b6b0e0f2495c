-- Every push writes two versions of a row of deliveries, on the one thread that may write. What made that dear goes:
--  * SQLite builds a table in memory for an IN list of more than two values, for each row that it checks;
--  * the index over connection_id had its entries in another page for each connection. A connection's deliveries are
--    those of its person's placements, and are found (and deleted) through them;
--  * without that index the reference to connections would mean a look at all rows whenever one is deleted. A connection
--    is deleted with its person only, and so are the placements, which take the deliveries along.
CREATE TABLE deliveries_now (
  placement_id      INTEGER NOT NULL REFERENCES placements (id) ON DELETE CASCADE,
  connection_id     INTEGER NOT NULL, -- of the placement's person
  state             TEXT NOT NULL CHECK (state = 'pending' OR state = 'delivered' OR state = 'removed' OR
                                         state = 'blocked' OR state = 'failed'),
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
INSERT INTO deliveries_now
SELECT placement_id, connection_id, state, wanted, wanted_revision, applied_revision, applied_hash, provider_event_id,
  etag, attempts, tries, first_failure_at, due_at, delivered_at, generation, untried_in, error_code, error_message
FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE deliveries_now RENAME TO deliveries;
CREATE INDEX deliveries_due ON deliveries (connection_id, due_at, placement_id) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_stuck ON deliveries (state, connection_id) WHERE state IN ('blocked', 'failed');
