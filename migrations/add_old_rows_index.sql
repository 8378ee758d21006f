-- depends: add_recovery_columns.sql
-- While the queue of the SQS version is drained, each claim asks whether that version has made a row of the message. Without
-- this index it reads all of them. It has no entry for a row with a message_id.

SET lock_timeout = 0;
SET statement_timeout = 0;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_submissions_old_rows
    ON b2b_pilot_user_submissions (message_sid)
    WHERE message_id IS NULL;
