-- depends: nothing
-- What a subscriber's handler (once.py) has done: one row a subscriber and message. It holds no text and no number.
-- For the database that the handler writes to: `b2bpilot migrate --only deliveries --database-url URL`.

SET lock_timeout = '2s';
SET statement_timeout = '1min';

CREATE TABLE IF NOT EXISTS b2b_pilot_deliveries (
    subscriber text NOT NULL,
    message_id uuid NOT NULL,
    test boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('processing', 'failed', 'completed')),
    attempts bigint NOT NULL CHECK (attempts > 0),
    lease_expires_at timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    PRIMARY KEY (subscriber, message_id)
);
