-- INSERT OR REPLACE takes a line away without asking the triggers of DELETE.
CREATE TRIGGER audit_lines_are_written_once BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
