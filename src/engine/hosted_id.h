/* The ids of machines that a platform hosts for us (engine/control_plane/control_plane.c).
 *
 * Such a machine is known by nothing but what is recorded about it, so its id says all that is
 * needed to find and to end it: workspace, generation, and the platform's own id, escaped so that
 * it passes as a container's id. Without the platform's id it stands for an order whose answer is
 * not known: recorded before the order is sent, it is how the machine is found again when the
 * answer gets lost (spec 02, L34). Pure. Thread: any. */
#pragma once

#include "base/ids.h"

#include <glib.h>

typedef struct {
    char workspace[ID_SIZE];
    gint64 generation; /* 0: not known */
    char *instance;    /* owned; "": the order's answer is not known */
} HostedId;
void hosted_id_clear(HostedId *id);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostedId, hosted_id_clear)

/* Caller owns it. NULL when `instance` is longer than an id can carry. */
char *hosted_id_dup(const char *workspace, gint64 generation, const char *instance);
/* FALSE, and nothing written, when `text` is no such id. */
gboolean hosted_id_parse(const char *text, HostedId *id);
