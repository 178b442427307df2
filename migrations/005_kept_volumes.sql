-- A removal that waits because its administrator wants it so (WORKSPACED_VOLUME_RETENTION_HOURS) is no garbage yet, and nobody's orphan:
-- unlike a volume in quarantine, whose removal stands in the same table, it was deleted on purpose and can be had back until then.

ALTER TABLE runtime_gc ADD COLUMN kept BIGINT NOT NULL DEFAULT 0; -- 1: a deleted workspace's volume, kept until not_before
