-- depends: create_user_submissions.sql
-- The identity of a message. Rows from before this migration keep NULL, and a unique index allows any number of NULLs.
--
-- `psql -f` runs this file too, but then nobody checks what `b2bpilot migrate` checks: if CREATE INDEX CONCURRENTLY fails
-- (a duplicate, a cancel), an INVALID index stays behind, IF NOT EXISTS calls that success the next time, and duplicates
-- can get in. After psql, look: SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_user_submissions_message_id'::regclass;

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
