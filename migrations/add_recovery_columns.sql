-- depends: add_processing_columns.sql
-- What recovery writes beside the status: the run in which a person discarded a message, and when SNS took it again.
-- Additive: both are nullable, and code of either side works on a table of the other.

SET lock_timeout = '2s';
SET statement_timeout = '1min';

ALTER TABLE b2b_pilot_user_submissions
    ADD COLUMN IF NOT EXISTS discarded_by text,
    ADD COLUMN IF NOT EXISTS republished_at timestamptz;
