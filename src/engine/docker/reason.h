/* What a daemon's sentence means, where it gives nothing else: its text is read here and in
 * docker/image.c, and nowhere else. Private to engine/docker. Thread: any. */
#pragma once

#include "base/reasons.h"

/* REASON_NONE: it says nothing that we know. `text` may be NULL. */
Reason docker_reason_of_text(const char *text);
/* Podman says with status 500 what Docker says with 409. */
gboolean docker_reason_is_name_taken(const char *text);
gboolean docker_reason_is_wrong_state(const char *text);
/* The same for a pull, whose stream has only the daemon's chain of Go errors. */
Reason docker_reason_of_pull(const char *text);
