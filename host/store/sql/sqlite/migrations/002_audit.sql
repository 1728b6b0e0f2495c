-- Who did what about whom: ids only, and no foreign keys, because it outlives the people.
CREATE TABLE audit (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  at        INTEGER NOT NULL,
  action    TEXT NOT NULL,
  actor     TEXT NOT NULL, -- person:ID, app:NAME, operator, host; empty: somebody unknown
  person_id TEXT NOT NULL, -- empty: nobody
  detail    TEXT NOT NULL  -- JSON object
) STRICT;
CREATE INDEX audit_person ON audit (person_id, seq);
CREATE INDEX audit_actor ON audit (actor, seq);

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- Lines go by age: none while an older one stands.
CREATE TRIGGER audit_loses_its_oldest_first BEFORE DELETE ON audit WHEN OLD.seq > (SELECT min(seq) FROM audit)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
