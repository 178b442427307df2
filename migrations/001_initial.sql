-- The data model at its start, for both databases. Source: specification part 01 section 19, part 02 section 17.3.
-- Times are microseconds since the epoch (UTC), booleans are 0 and 1, ids are lower-case UUID text, JSON is text.
-- BYTEA and DOUBLE PRECISION are PostgreSQL's names; SQLite keeps blobs and doubles in them as they are.

CREATE TABLE workspaces (
    id                       TEXT NOT NULL PRIMARY KEY,
    name                     TEXT NOT NULL,
    role                     TEXT,
    tier                     BIGINT NOT NULL DEFAULT 1,
    status                   TEXT NOT NULL DEFAULT 'provisioning' CHECK (status IN (
        'provisioning', 'online', 'offline', 'degraded', 'failed', 'removed', 'paused', 'hibernated',
        'hibernating', 'awaiting_agent')),
    source_bundle_id         TEXT,
    agent_card               TEXT,
    url                      TEXT,
    url_is_minted            INTEGER NOT NULL DEFAULT 0, -- made by our own engine, not said by the agent
    agent_url                TEXT,                       -- what the agent last registered
    parent_id                TEXT REFERENCES workspaces (id),
    forwarded_to             TEXT REFERENCES workspaces (id),
    last_heartbeat_at        BIGINT,
    last_error_rate          DOUBLE PRECISION NOT NULL DEFAULT 0,
    last_sample_error        TEXT,
    active_tasks             BIGINT NOT NULL DEFAULT 0,
    uptime_seconds           BIGINT NOT NULL DEFAULT 0,
    created_at               BIGINT,
    updated_at               BIGINT,
    current_task             TEXT,
    awareness_namespace      TEXT,
    runtime                  TEXT,
    workspace_dir            TEXT,
    workspace_access         TEXT NOT NULL DEFAULT 'none'
        CHECK (workspace_access IN ('none', 'read_only', 'read_write')),
    budget_limit             BIGINT,                    -- US cents
    monthly_spend            BIGINT NOT NULL DEFAULT 0, -- US cents
    spend_period             BIGINT,                    -- yyyymm of monthly_spend
    hibernation_idle_minutes BIGINT,
    idle_since               BIGINT,
    last_outbound_at         BIGINT,
    max_concurrent_tasks     BIGINT NOT NULL DEFAULT 1,
    instance_id              TEXT,
    model                    TEXT,
    template_name            TEXT,
    image                    TEXT,
    executor                 TEXT,
    command                  TEXT,
    provision_started_at     BIGINT
);
CREATE INDEX idx_workspaces_parent_id ON workspaces (parent_id);
CREATE INDEX idx_workspaces_forwarded_to ON workspaces (forwarded_to) WHERE forwarded_to IS NOT NULL;
CREATE INDEX idx_workspaces_status ON workspaces (status);
CREATE INDEX idx_workspaces_hibernation ON workspaces (hibernation_idle_minutes)
    WHERE hibernation_idle_minutes IS NOT NULL;
CREATE INDEX idx_workspaces_instance_id ON workspaces (instance_id) WHERE instance_id IS NOT NULL;

CREATE TABLE canvas_layouts (
    workspace_id TEXT NOT NULL PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    x            DOUBLE PRECISION NOT NULL DEFAULT 0,
    y            DOUBLE PRECISION NOT NULL DEFAULT 0,
    collapsed    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE canvas_viewport (
    id       TEXT NOT NULL PRIMARY KEY,
    x        DOUBLE PRECISION NOT NULL DEFAULT 0,
    y        DOUBLE PRECISION NOT NULL DEFAULT 0,
    zoom     DOUBLE PRECISION NOT NULL DEFAULT 1,
    saved_at BIGINT
);

-- What should be, and what is known to be. No foreign key: it outlives its workspace until nothing is left.
CREATE TABLE workspace_runtime (
    workspace_id    TEXT NOT NULL PRIMARY KEY,
    desired         TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'absent')),
    generation      BIGINT NOT NULL,
    spec            TEXT,
    seed            BYTEA,
    phase           TEXT NOT NULL CHECK (phase IN (
        'pending', 'pulling', 'created', 'seeded', 'started', 'ready', 'stopping', 'gone', 'backoff', 'failed')),
    container_id    TEXT,
    address         TEXT,
    image_digest    TEXT,
    instance_id     TEXT,
    volumes         TEXT,
    attempts        BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    last_error      TEXT,
    last_log        TEXT,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX idx_workspace_runtime_next_attempt ON workspace_runtime (next_attempt_at) WHERE phase = 'backoff';

-- Intents to remove something from an engine. Two workspaces may share the short name of an object, so the
-- workspace belongs to the key; '' when there is none.
CREATE TABLE runtime_gc (
    id           TEXT NOT NULL PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('container', 'volume', 'instance')),
    ref          TEXT NOT NULL,
    workspace_id TEXT NOT NULL DEFAULT '',
    not_before   BIGINT NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    last_error   TEXT,
    created_at   BIGINT NOT NULL,
    UNIQUE (kind, ref, workspace_id)
);
CREATE INDEX idx_runtime_gc_not_before ON runtime_gc (not_before);
CREATE INDEX idx_runtime_gc_workspace ON runtime_gc (workspace_id);

-- Who we are to a container engine: at most one row.
CREATE TABLE platform_instance (
    slot       INTEGER NOT NULL PRIMARY KEY CHECK (slot = 1),
    id         TEXT NOT NULL,
    daemon_id  TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE agents (
    id             TEXT NOT NULL PRIMARY KEY,
    workspace_id   TEXT REFERENCES workspaces (id),
    model          TEXT,
    status         TEXT NOT NULL DEFAULT 'active',
    removed_at     BIGINT,
    removal_reason TEXT,
    created_at     BIGINT
);
CREATE INDEX idx_agents_workspace_id ON agents (workspace_id);
CREATE UNIQUE INDEX idx_agents_one_active ON agents (workspace_id) WHERE status = 'active';

-- Append-only; no foreign key, it survives a purge.
CREATE TABLE structure_events (
    id           TEXT NOT NULL PRIMARY KEY,
    event_type   TEXT NOT NULL,
    workspace_id TEXT,
    agent_id     TEXT,
    target_id    TEXT,
    payload      TEXT,
    created_at   BIGINT NOT NULL
);
CREATE INDEX idx_events_created_at ON structure_events (created_at);
CREATE INDEX idx_events_workspace_time ON structure_events (workspace_id, created_at);

CREATE TABLE workspace_secrets (
    id                 TEXT NOT NULL PRIMARY KEY,
    workspace_id       TEXT NOT NULL REFERENCES workspaces (id),
    key                TEXT NOT NULL,
    encrypted_value    BYTEA NOT NULL,
    encryption_version BIGINT NOT NULL DEFAULT 0, -- 0 plain, 1 AES-256-GCM
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    UNIQUE (workspace_id, key)
);

CREATE TABLE global_secrets (
    id                 TEXT NOT NULL PRIMARY KEY,
    key                TEXT NOT NULL UNIQUE,
    encrypted_value    BYTEA NOT NULL,
    encryption_version BIGINT NOT NULL DEFAULT 0,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL
);

CREATE TABLE workspace_config (
    workspace_id TEXT NOT NULL PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    data         TEXT NOT NULL DEFAULT '{}',
    updated_at   BIGINT NOT NULL
);

CREATE TABLE workspace_memory (
    id           TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    key          TEXT NOT NULL,
    value        TEXT NOT NULL,
    expires_at   BIGINT,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL DEFAULT 1,
    UNIQUE (workspace_id, key)
);

CREATE TABLE approval_requests (
    id           TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT REFERENCES workspaces (id),
    task_id      TEXT,
    action       TEXT NOT NULL,
    reason       TEXT,
    context      TEXT DEFAULT '{}',
    status       TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'denied', 'escalated')),
    decided_by   TEXT,
    decided_at   BIGINT,
    created_at   BIGINT NOT NULL
);
CREATE INDEX idx_approvals_workspace ON approval_requests (workspace_id);
CREATE INDEX idx_approvals_status ON approval_requests (status);

CREATE TABLE agent_memories (
    id           TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT REFERENCES workspaces (id),
    content      TEXT NOT NULL,
    scope        TEXT NOT NULL CHECK (scope IN ('LOCAL', 'TEAM', 'GLOBAL')),
    namespace    TEXT NOT NULL DEFAULT 'general',
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX idx_memories_scope ON agent_memories (scope);
CREATE INDEX idx_memories_ns ON agent_memories (workspace_id, namespace);

CREATE TABLE activity_logs (
    id              TEXT NOT NULL PRIMARY KEY,
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    activity_type   TEXT NOT NULL,
    source_id       TEXT,
    target_id       TEXT,
    method          TEXT,
    summary         TEXT,
    request_body    TEXT,
    response_body   TEXT,
    tool_trace      TEXT,
    duration_ms     BIGINT,
    status          TEXT NOT NULL DEFAULT 'ok',
    error_detail    TEXT,
    idempotency_key TEXT,
    created_at      BIGINT NOT NULL
);
CREATE INDEX idx_activity_ws_type_time ON activity_logs (workspace_id, activity_type, created_at);
CREATE INDEX idx_activity_ws_time ON activity_logs (workspace_id, created_at);
CREATE INDEX idx_activity_created_at ON activity_logs (created_at);
CREATE UNIQUE INDEX activity_logs_idempotency_uniq ON activity_logs (workspace_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE workspace_schedules (
    id                     TEXT NOT NULL PRIMARY KEY,
    workspace_id           TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name                   TEXT NOT NULL DEFAULT '',
    cron_expr              TEXT NOT NULL,
    timezone               TEXT NOT NULL DEFAULT 'UTC',
    prompt                 TEXT NOT NULL,
    enabled                INTEGER NOT NULL DEFAULT 1,
    last_run_at            BIGINT,
    next_run_at            BIGINT,
    run_count              BIGINT NOT NULL DEFAULT 0,
    last_status            TEXT NOT NULL DEFAULT '',
    last_error             TEXT NOT NULL DEFAULT '',
    source                 TEXT NOT NULL DEFAULT 'runtime' CHECK (source IN ('template', 'runtime')),
    consecutive_empty_runs BIGINT NOT NULL DEFAULT 0,
    created_at             BIGINT NOT NULL,
    updated_at             BIGINT NOT NULL
);
CREATE UNIQUE INDEX idx_schedules_workspace_name ON workspace_schedules (workspace_id, name);
CREATE INDEX idx_schedules_next_run ON workspace_schedules (next_run_at) WHERE enabled = 1;

CREATE TABLE workspace_channels (
    id              TEXT NOT NULL PRIMARY KEY,
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    channel_type    TEXT NOT NULL,
    channel_config  TEXT NOT NULL DEFAULT '{}',
    enabled         INTEGER NOT NULL DEFAULT 1,
    allowed_users   TEXT DEFAULT '[]',
    last_message_at BIGINT,
    message_count   BIGINT NOT NULL DEFAULT 0,
    channel_budget  BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX idx_channels_workspace_type ON workspace_channels (workspace_id, channel_type);
CREATE INDEX idx_channels_lookup ON workspace_channels (channel_type) WHERE enabled = 1;

CREATE TABLE workspace_auth_tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    token_hash   BYTEA NOT NULL UNIQUE, -- SHA-256
    prefix       TEXT NOT NULL,
    origin       TEXT NOT NULL CHECK (origin IN ('provision', 'register', 'user', 'test')),
    generation   BIGINT NOT NULL DEFAULT 0, -- 0: not bound to one
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX workspace_auth_tokens_live_idx ON workspace_auth_tokens (workspace_id) WHERE revoked_at IS NULL;

CREATE TABLE org_api_tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    token_hash   BYTEA NOT NULL UNIQUE,
    prefix       TEXT NOT NULL,
    name         TEXT,
    created_by   TEXT,
    org_id       TEXT REFERENCES workspaces (id) ON DELETE SET NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX org_api_tokens_org_id_idx ON org_api_tokens (org_id) WHERE org_id IS NOT NULL;

CREATE TABLE org_plugin_allowlist (
    id          TEXT NOT NULL PRIMARY KEY,
    org_id      TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    plugin_name TEXT NOT NULL,
    enabled_by  TEXT NOT NULL,
    enabled_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX org_plugin_allowlist_org_plugin ON org_plugin_allowlist (org_id, plugin_name);

-- Millionths of a US dollar, so that sums are exact.
CREATE TABLE workspace_token_usage (
    id                       TEXT NOT NULL PRIMARY KEY,
    workspace_id             TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    period_start             BIGINT NOT NULL,
    input_tokens             BIGINT NOT NULL DEFAULT 0,
    output_tokens            BIGINT NOT NULL DEFAULT 0,
    call_count               BIGINT NOT NULL DEFAULT 0,
    estimated_cost_micro_usd BIGINT NOT NULL DEFAULT 0,
    updated_at               BIGINT NOT NULL
);
CREATE UNIQUE INDEX workspace_token_usage_ws_period ON workspace_token_usage (workspace_id, period_start);

CREATE TABLE workspace_artifacts (
    id           TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL UNIQUE REFERENCES workspaces (id) ON DELETE CASCADE,
    cf_repo_name TEXT NOT NULL,
    cf_namespace TEXT NOT NULL,
    remote_url   TEXT,
    description  TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX idx_workspace_artifacts_cf_repo ON workspace_artifacts (cf_namespace, cf_repo_name);

CREATE TABLE audit_events (
    id                   TEXT NOT NULL PRIMARY KEY,
    timestamp            BIGINT NOT NULL,
    agent_id             TEXT NOT NULL,
    session_id           TEXT NOT NULL,
    operation            TEXT NOT NULL,
    input_hash           TEXT,
    output_hash          TEXT,
    model_used           TEXT,
    human_oversight_flag INTEGER NOT NULL DEFAULT 0,
    risk_flag            INTEGER NOT NULL DEFAULT 0,
    prev_hmac            TEXT,
    hmac                 TEXT NOT NULL,
    workspace_id         TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE
);
CREATE INDEX idx_audit_events_agent_id ON audit_events (agent_id);
CREATE INDEX idx_audit_events_session_id ON audit_events (session_id);
CREATE INDEX idx_audit_events_workspace ON audit_events (workspace_id);
CREATE INDEX idx_audit_events_timestamp ON audit_events (timestamp);

CREATE TABLE platform_instructions (
    id           TEXT NOT NULL PRIMARY KEY,
    scope        TEXT NOT NULL CHECK (scope IN ('global', 'team', 'workspace')),
    scope_target TEXT,
    title        TEXT NOT NULL CHECK (length(title) <= 200),
    content      TEXT NOT NULL CHECK (length(content) <= 8192),
    priority     BIGINT NOT NULL DEFAULT 0,
    enabled      INTEGER NOT NULL DEFAULT 1,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX idx_platform_instructions_scope ON platform_instructions (scope, scope_target) WHERE enabled = 1;

CREATE TABLE a2a_queue (
    id              TEXT NOT NULL PRIMARY KEY,
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    caller_id       TEXT,
    priority        BIGINT NOT NULL DEFAULT 50,
    body            TEXT NOT NULL,
    method          TEXT,
    idempotency_key TEXT,
    enqueued_at     BIGINT NOT NULL,
    dispatched_at   BIGINT,
    completed_at    BIGINT,
    expires_at      BIGINT,
    attempts        BIGINT NOT NULL DEFAULT 0,
    status          TEXT NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'dispatched', 'completed', 'dropped', 'failed')),
    last_error      TEXT
);
CREATE INDEX idx_a2a_queue_dispatch ON a2a_queue (workspace_id, priority, enqueued_at) WHERE status = 'queued';
CREATE INDEX idx_a2a_queue_expiry ON a2a_queue (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE UNIQUE INDEX idx_a2a_queue_idempotency ON a2a_queue (workspace_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND status IN ('queued', 'dispatched');

CREATE TABLE workflow_checkpoints (
    id           TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    workflow_id  TEXT NOT NULL,
    step_name    TEXT NOT NULL,
    step_index   BIGINT NOT NULL,
    completed_at BIGINT NOT NULL,
    payload      TEXT,
    UNIQUE (workspace_id, workflow_id, step_name)
);
CREATE INDEX idx_wf_checkpoints_ws ON workflow_checkpoints (workspace_id, workflow_id, completed_at);
