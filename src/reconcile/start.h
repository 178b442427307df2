/* What one start works with; shared by start.c and seeding.c only. */
#pragma once

#include "provision/container_spec.h"
#include "provision/wish_spec.h"
#include "reconcile/internal.h"

typedef struct {
    Look *look;
    const Runtime *runtime; /* NULL: unknown name */
    TierCaps caps;
    gboolean has_agent;       /* ours is the entry point */
    gboolean is_agent_inside; /* of the image; else it is uploaded */
    gboolean is_local;        /* the engine gives containers the host's network (sandbox) */
    guint16 port;             /* where the agent listens inside */
    const char *directory;
    gboolean directory_read_only;
    WishSpec *wish;
    char *order;               /* what the unpacked template is remembered by */
    gboolean resets_each_wish; /* sessions, by a secret */
    GHashTable *secrets, *environment;
    char *platform_url;
} Start;

/* Reads row and secrets. Errors: ERROR_INVALID with a sentence for people. */
G_GNUC_WARN_UNUSED_RESULT gboolean start_prepare(Start *start, Look *look, GError **error);
void start_clear(Start *start);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Start, start_clear)

/* Fills a created container: our agent, /configs, the token. Repeatable. */
G_GNUC_WARN_UNUSED_RESULT gboolean start_seed(Start *start, const ContainerInfo *container,
                                              GError **error);
/* Fills a running container whose agent stands by: /configs, token, environment, and the mark that
 * it waits for. Once; see hand_over.c. */
G_GNUC_WARN_UNUSED_RESULT gboolean start_seed_running(Start *start, const ContainerInfo *container,
                                                      GError **error);
