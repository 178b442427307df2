/* The configuration values that the A2A rooms need; read by main from base/config. Plain values.
 * Source: spec 04 sections 1.1, 5.6, 5.8, 7.5, 18. */
#pragma once

#include "http/guard.h"

typedef struct {
    gboolean strict;      /* D1: everything but (development and no ADMIN_TOKEN) */
    gboolean development; /* MOLECULE_ENV is development or dev, whatever ADMIN_TOKEN says: relaxes
                             addresses only */
    gboolean saas;        /* spec 04, 5.6 */
    /* This server runs in a container (MOLECULE_IN_DOCKER, else /.dockerenv). */
    gboolean in_container;
    guint idle_timeout_s;         /* A2A_IDLE_TIMEOUT_SECONDS; 0: 300 */
    guint max_forwards;           /* calls to agents at once; 0: 1024 */
    guint liveness_stale_after_s; /* containers; 0: 180 */
    guint remote_stale_after_s;   /* REMOTE_LIVENESS_STALE_AFTER; 0: 90 */
    guint provision_timeout_s; /* PROVISION_TIMEOUT_SECONDS; 0: 600 (a token-less first register is
                                  taken this long) */
    gboolean heartbeat_events; /* also broadcast WORKSPACE_HEARTBEAT; off by default (F84) */
} A2aOptions;

/* The address policy for URLs that agents give us. */
static inline GuardPolicy a2a_guard_policy(const A2aOptions *options)
{
    return (GuardPolicy){
        .allow_private = options->saas || options->development,
        .allow_loopback = options->development,
    };
}
