/* Cuts a stream of JSON values, one a line, into values: events, progress of pulls and imports.
 *
 * A line over its limit breaks the stream rather than growing without bound.
 * Private to engine/docker. Thread: one. */
#pragma once

#include "base/json_view.h"

#define DOCKER_LINE_MAX (1024 * 1024)

typedef void (*DockerLineFunction)(JsonView value, void *data);

typedef struct {
    DockerLineFunction function;
    void *data;
    GString *rest; /* the unfinished line, owned */
} DockerLines;

DockerLines docker_lines_start(DockerLineFunction function, void *data);
void docker_lines_clear(DockerLines *lines);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DockerLines, docker_lines_clear)

/* FALSE: a line that is no JSON, or too long; the stream is of no use from here on. */
gboolean docker_lines_push(DockerLines *lines, const char *bytes, gsize length);
gboolean docker_lines_end(DockerLines *lines); /* the last line may lack its end */

/* ---- Progress of a pull or an import ---- */

typedef struct {
    void (*line)(const char *text, gsize length, void *data); /* see engine.h; may be NULL */
    void *data;
    guint64 values;      /* seen so far */
    char *failure;       /* the daemon's sentence when the work failed; owned */
    gint64 failure_code; /* status the daemon names beside it; 0: none */
    gint percent;        /* of all layers known so far, never falling; -1: no layer yet */
    GHashTable *seen;    /* layer -> how far it is: a bar says it a thousand times; owned */
} DockerProgress;
DockerProgress docker_progress_start(void (*line)(const char *, gsize, void *), void *data);
void docker_progress_clear(DockerProgress *progress);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DockerProgress, docker_progress_clear)
/* A DockerLineFunction; `data` is a DockerProgress. */
void docker_progress_take(JsonView value, void *data);
