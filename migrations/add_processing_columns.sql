-- depends: add_message_id_column.sql
-- What the processor needs: the message verbatim, the lease, the attempts, the reply, the stale processor's book.
-- Additive: code of the previous version keeps working, because every column is nullable or has a default.
-- `params` is json, not jsonb: jsonb refuses what a JSON body may carry (\u0000, lone surrogates), and a message that the
-- table cannot hold is a message lost.

SET lock_timeout = '2s';
SET statement_timeout = '1min';

ALTER TABLE b2b_pilot_user_submissions
    ADD COLUMN IF NOT EXISTS source text,
    ADD COLUMN IF NOT EXISTS message_type text,
    ADD COLUMN IF NOT EXISTS priority text,
    ADD COLUMN IF NOT EXISTS test boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS params json,
    ADD COLUMN IF NOT EXISTS received_at timestamptz,
    ADD COLUMN IF NOT EXISTS attempts bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS lease_expires_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_error text,
    ADD COLUMN IF NOT EXISTS completed_at timestamptz,
    ADD COLUMN IF NOT EXISTS reply_state text,
    ADD COLUMN IF NOT EXISTS reply_sid text,
    ADD COLUMN IF NOT EXISTS reply_error text,
    ADD COLUMN IF NOT EXISTS stale_attempts bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS next_stale_at timestamptz;

SET lock_timeout = 0;
SET statement_timeout = 0;

-- The stale processor's question, answered without reading the completed rows.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_submissions_unfinished
    ON b2b_pilot_user_submissions (updated_at)
    WHERE status IN ('pending', 'processing', 'failed');
