/* Why a workspace does not run: one list for the whole product.
 *
 * A reason is a fixed word for programs (API key `failure.reason`, the event's `reason`, column
 * workspace_runtime.reason), a sentence for people, and what they can do about it. Words are part
 * of the interface: new ones may come, none changes its meaning. Classified by what an engine
 * states (status codes, exit codes, its out-of-memory mark); its text counts only inside the
 * engine's own files, where it says nothing else. Source: spec 02, 8.13, 9, 13.4 and 17.3 F.
 * Thread: any. */
#pragma once

#include <glib.h>

typedef enum {
    REASON_NONE, /* nothing failed */

    /* The image. */
    REASON_IMAGE_NOT_FOUND,      /* neither here nor at its registry */
    REASON_IMAGE_PULL_DENIED,    /* its registry refuses */
    REASON_REGISTRY_UNREACHABLE, /* the registry does not answer */
    REASON_IMAGE_PULL_FAILED,    /* any other end of a pull */
    REASON_NO_BASE_IMAGE,        /* ours cannot be made here */

    /* The container cannot be made or started. */
    REASON_COMMAND_NOT_FOUND,
    REASON_COMMAND_NOT_EXECUTABLE,
    REASON_MOUNT_REFUSED,
    REASON_PORT_UNAVAILABLE,
    REASON_NAME_TAKEN,
    REASON_SETTINGS_REFUSED, /* the engine takes its limits or names for wrong */
    REASON_DISK_FULL,
    REASON_REFUSED_BY_POLICY,
    REASON_CONFIGURATION_MISSING,
    REASON_VARIABLES_MISSING,
    REASON_SECRETS_UNREADABLE,

    /* It ran, and ended or does not answer. */
    REASON_OUT_OF_MEMORY,
    REASON_EXIT_CODE,
    REASON_KILLED,         /* by a signal that we did not send */
    REASON_CRASH_LOOP,     /* again and again, for no more special reason */
    REASON_CONTAINER_LOST, /* somebody removed it */
    REASON_UNHEALTHY,      /* it runs, and its agent is silent */
    REASON_NEVER_REGISTERED,
    REASON_HEALTH_CHECK_FAILED, /* it runs, and the image's own check says that it is not well */

    /* The engine. */
    REASON_ENGINE_DOWN,
    REASON_NO_ENGINE,
    REASON_REMOVAL_FAILED, /* what is not wished any more cannot be taken away */

    REASON_START_FAILED, /* none of these; the server's log has more */

    REASON_COUNT,
} Reason;

/* "out_of_memory"; "" for REASON_NONE. Borrowed. */
const char *reason_word(Reason reason);
/* REASON_NONE for NULL, "" and words that are not in the list. */
Reason reason_parse(const char *word);
/* One sentence without its full stop, for when nothing more special is known. Borrowed. */
const char *reason_sentence(Reason reason);
/* What to do about it. Borrowed. */
const char *reason_hint(Reason reason);

/* What the end of a container's first process means. `out_of_memory`: the engine says so. 126 and
 * 127 are what shells and engines give for a command that cannot be run; above 128 stands a signal.
 */
Reason reason_of_exit(gint64 exit_code, gboolean out_of_memory);
/* The sentence of such an end, with its number. Caller owns it. */
char *reason_exit_sentence_dup(Reason reason, gint64 exit_code);
