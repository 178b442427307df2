/* A program started in a container that runs already: the part that exec and attach share.
 *
 * The daemon has no call to end such a program, and closing its connection does not. So each gets a
 * random word in its environment, and ending it means to run a small script in the container that
 * kills every process whose environment holds that word: the program and what it started. This
 * needs a shell and grep in the image; without them the program lives on, which is logged. Private
 * to engine/docker. Thread: one at a time. Source: spec 02, 8.13 and 8.14. */
#pragma once

#include "engine/docker/docker.h"
#include "engine/docker/pipe.h"

typedef struct {
    const char *ref;
    const char *const *argv;
    const char *user, *working_dir; /* NULL: the container's own */
    const char *mark;               /* the random word; NULL: none, it cannot be ended */
    gboolean has_input;
    gboolean is_terminal;
    guint16 columns, rows; /* of the terminal */
} DockerExecPlan;

char *docker_exec_mark_new(void);

/* Starts the program. `id` is the daemon's name for it; `pipe` carries its streams.
 * ERROR_NOT_FOUND, ERROR_CONFLICT: not running. */
gboolean docker_exec_start(DockerEngine *docker, const DockerExecPlan *plan, char **id,
                           DockerPipe **pipe, GError **error);

/* Ends what carries `mark`, within kill_ms. A failure is logged. */
void docker_exec_kill(DockerEngine *docker, const char *ref, const char *user, const char *mark);
