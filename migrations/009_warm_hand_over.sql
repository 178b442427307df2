-- A workspace that was handed a started agent of the stock (workspace_runtime.warm_key) remembers which container that is and, once its
-- agent was told whose it is, which run of it: the environment was given to that run alone, so another one must be replaced.

ALTER TABLE workspace_runtime ADD COLUMN warm_container TEXT;   -- id in the engine; NULL: not from the stock
ALTER TABLE workspace_runtime ADD COLUMN warm_started_at BIGINT; -- by the engine's clock; NULL: its agent was not told yet, -1: telling it began
