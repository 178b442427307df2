-- Labels that an object cannot carry any more, because an engine gives them at creation only: containers and volumes of a former
-- installation, or without labels, that an administrator gave to a workspace of ours.

CREATE TABLE adopted_objects (
    kind         TEXT NOT NULL CHECK (kind IN ('container', 'volume')),
    ref          TEXT NOT NULL,   -- id of the container, name of the volume
    workspace_id TEXT NOT NULL,
    label        TEXT NOT NULL,   -- as workspaced.kind would say it: 'workspace', 'volume-configs' ...
    generation   BIGINT NOT NULL, -- of the wish that a container answers; 0 for a volume
    adopted_at   BIGINT NOT NULL,
    PRIMARY KEY (kind, ref)
);
CREATE INDEX idx_adopted_objects_workspace ON adopted_objects (workspace_id);
