-- A wish of its own for freezing, the phase that says we froze it, why the last attempt failed, and the stock of started agents that
-- no workspace has taken yet. A CHECK cannot be changed in SQLite, so the table is made anew.

CREATE TABLE workspace_runtime_next (
    workspace_id    TEXT NOT NULL PRIMARY KEY,
    desired         TEXT NOT NULL CHECK (desired IN ('running', 'frozen', 'stopped', 'absent')),
    generation      BIGINT NOT NULL,
    spec            TEXT,
    seed            BYTEA,
    phase           TEXT NOT NULL CHECK (phase IN (
        'pending', 'pulling', 'created', 'seeded', 'started', 'ready', 'frozen', 'stopping', 'gone', 'backoff', 'failed')),
    container_id    TEXT,
    address         TEXT,
    image_digest    TEXT,
    instance_id     TEXT,
    volumes         TEXT,
    attempts        BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    last_error      TEXT,
    last_log        TEXT,
    updated_at      BIGINT NOT NULL,
    reason          TEXT,   -- why it failed: a fixed word for programs; last_error is the sentence for people
    exit_code       BIGINT, -- of the container's last end; NULL: none seen
    warm_key        TEXT    -- a started agent that no workspace has taken yet: what it was made for; NULL: a workspace's own
);
INSERT INTO workspace_runtime_next (workspace_id, desired, generation, spec, seed, phase, container_id, address, image_digest,
    instance_id, volumes, attempts, next_attempt_at, last_error, last_log, updated_at)
SELECT workspace_id, desired, generation, spec, seed, phase, container_id, address, image_digest,
    instance_id, volumes, attempts, next_attempt_at, last_error, last_log, updated_at FROM workspace_runtime;
DROP TABLE workspace_runtime;
ALTER TABLE workspace_runtime_next RENAME TO workspace_runtime;
CREATE INDEX idx_workspace_runtime_next_attempt ON workspace_runtime (next_attempt_at) WHERE phase = 'backoff';
CREATE INDEX idx_workspace_runtime_warm ON workspace_runtime (warm_key) WHERE warm_key IS NOT NULL;
