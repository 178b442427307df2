/* container.json: everything a container is made from, as plain values; and volume.json's labels.
 * Pure but for the two that touch a file. Thread: any. */
#pragma once

#include "base/json_out.h"
#include "base/json_view.h"
#include "engine/engine.h"
#include "engine/sandbox/cgroup.h"

#define SANDBOX_RECORD_FILE      "container.json"
#define SANDBOX_RECORD_MAX_BYTES (4 * 1024 * 1024)

typedef struct {
    EngineMountType type;
    char *source, *target;
    gboolean read_only;
    gint64 size_bytes;
} SandboxMount;

typedef struct {
    char *id, *name, *image, *image_digest;
    char *hostname; /* NULL: the engine's default */
    char *user;     /* NULL: root */
    char **environment;
    char **command; /* entry point and command in one */
    GArray *mounts; /* SandboxMount */
    guint16 port;
    gboolean read_only_root, host_network, keep_capabilities;
    SandboxCaps caps;
    EngineLabels labels;
    gint64 created_at_us;
} SandboxRecord;
void sandbox_record_free(SandboxRecord *record); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SandboxRecord, sandbox_record_free)

/* Copies all it needs. Without id, digest and time. */
SandboxRecord *sandbox_record_new(const ContainerSpec *spec);

/* Into and out of JSON. Reading: ERROR_INTERNAL for what we cannot have written. */
void sandbox_record_write(const SandboxRecord *record, GString *text);
SandboxRecord *sandbox_record_parse(const char *text, gsize length, GError **error);

/* From a container's folder. ERROR_NOT_FOUND, ERROR_INTERNAL. */
SandboxRecord *sandbox_record_load(const char *folder, GError **error);

/* The members installation, workspace, kind, generation of the object that is open. */
void sandbox_labels_write(JsonOut *out, const EngineLabels *labels);
void sandbox_labels_read(JsonView object, EngineLabels *labels);
/* A text member; NULL when absent or null. Caller owns it. */
char *sandbox_json_text(JsonView object, const char *key);
gint64 sandbox_json_int(JsonView object, const char *key);

/* The value of KEY=value in a list, NULL when absent. Borrowed. */
const char *sandbox_environment_find(char *const *environment, const char *key);
