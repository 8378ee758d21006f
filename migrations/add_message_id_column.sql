-- depends: create_user_submissions.sql
-- The identity of a message. Rows from before this migration keep NULL, and a unique index allows any number of NULLs.
--
-- `b2bpilot migrate` runs this file. `psql -v ON_ERROR_STOP=1 -f` runs it too, but does not protect you from what `migrate` does:
--   * ALTER TABLE gives up after 2 s when the table is in use. migrate tries again; psql alone goes on with the next
--     statement, and without ON_ERROR_STOP it even ends with exit code 0.
--   * If CREATE INDEX CONCURRENTLY fails (a duplicate, a cancel, a lost connection), an INVALID index stays behind. IF NOT EXISTS
--     calls that success the next time, ON CONFLICT (message_id) cannot use it, and duplicates can get in. After psql, look:
--       SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_user_submissions_message_id'::regclass;
--     and if that is not `t`: DROP INDEX CONCURRENTLY idx_user_submissions_message_id; then run this file again.
--   * An old transaction holds CREATE INDEX CONCURRENTLY up for as long as it is open, and nothing says whose it is.
--   * Nobody looks for duplicates before, keeps a second migrator out, or writes down who did it.
-- It does not work through a pooler that lends connections by the transaction. migrate recognises afterwards what psql did here.

SET lock_timeout = '2s';
SET statement_timeout = '1min';

-- The length is in the users' guide, and code that reads it from there exists.
-- squawk-ignore prefer-text-field
ALTER TABLE b2b_pilot_user_submissions ADD COLUMN IF NOT EXISTS message_id varchar(255);

-- No limits here: CONCURRENTLY blocks nobody while it waits, and running into one would leave the invalid index behind.
SET lock_timeout = 0;
SET statement_timeout = 0;

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_user_submissions_message_id
    ON b2b_pilot_user_submissions (message_id);
