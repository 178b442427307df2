-- When the last attempt failed, beside why (reason, exit_code, last_error): updated_at moves on with every step.

ALTER TABLE workspace_runtime ADD COLUMN failed_at BIGINT;
