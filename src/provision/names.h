/* What a workspace's container and volumes are called.
 *
 * The short form uses the first 12 characters of the id (scripts and clients know it); the full
 * form is the way out when a foreign object, or a workspace with the same first 12 characters,
 * already has the short one. Source: spec 02, section 8.2, L25, L54. */
#pragma once

#include <glib.h>

typedef enum { VOLUME_CONFIGS, VOLUME_SESSIONS, VOLUME_WORKSPACE, VOLUME_KINDS } VolumeKind;

/* "configs", "sessions", "workspace": the key in workspace_runtime.volumes. Borrowed. */
const char *volume_kind_key(VolumeKind kind);
/* The value of the label workspaced.kind. Borrowed. */
const char *volume_kind_label(VolumeKind kind);
/* Where it is mounted. Borrowed. */
const char *volume_kind_target(VolumeKind kind);
/* FALSE when `key` names no kind. */
gboolean volume_kind_parse(const char *key, VolumeKind *kind);

/* "ws-<first 12>", or "ws-<id>" when `full`. Caller owns the results. */
char *container_name_dup(const char *id, gboolean full);
char *volume_name_dup(const char *id, VolumeKind kind, gboolean full);
