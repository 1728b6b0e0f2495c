-- A host that has room and sees work in mailboxes of others says so; those with more than they can serve leave some.
ALTER TABLE nodes ADD COLUMN wants_work boolean NOT NULL DEFAULT false;
