-- What the workspaces of an image shall run, while they are brought over to it, and what its registry last said.

CREATE TABLE image_wishes (
    image           TEXT NOT NULL PRIMARY KEY, -- the reference, as text
    digest          TEXT,                      -- id of the local image to run; NULL: nobody is brought over now
    registry_digest TEXT,                      -- of the manifest; NULL: never looked
    updated_at      BIGINT NOT NULL            -- of `digest`
);
