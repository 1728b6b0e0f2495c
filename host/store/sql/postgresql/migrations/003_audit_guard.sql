CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- Lines go by age: none while an older one stands.
CREATE FUNCTION audit_keep_older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM audit WHERE seq < (SELECT max(seq) FROM gone)) THEN
    RAISE EXCEPTION 'the audit log is append-only';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER audit_loses_its_oldest_first AFTER DELETE ON audit REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION audit_keep_older();
