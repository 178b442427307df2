/* Where an agent is called, and whether its state allows it now: decisions on rows. Pure.
 * Source: spec 04 sections 5.4, 5.5, 8.1. */
#pragma once

#include "a2a/options.h"
#include "store/workspace_row.h"

/* Workspaces whose agent runs where we do not start it. */
gboolean address_is_external(const WorkspaceRow *row);
/* "http://ws-<12>:8000", or with the whole id: how containers of one network call each other.
 * Caller owns it. */
char *address_container_dup(const WorkspaceRow *row);
/* A URL that can be called: not NULL, not "", not "remote://no-inbound". */
gboolean address_is_callable(const char *url);

typedef enum {
    ADDRESS_FOUND,
    ADDRESS_PAUSED,     /* 503 with the status */
    ADDRESS_HIBERNATED, /* or about to be: wake it */
    ADDRESS_NONE,       /* 503 "workspace has no URL" with the status */
    ADDRESS_BAD,        /* neither http nor https: 502 */
} AddressOutcome;

/* `url` (owned by the caller) and `trusted` (our own engine made the address: no guard) are set
 * when found. */
AddressOutcome address_of(const WorkspaceRow *row, const A2aOptions *options, char **url,
                          gboolean *trusted);

/* The URL with a host of 127.0.0.1 or localhost replaced by host.docker.internal; only the host.
 * Caller owns it. */
char *address_from_container_dup(const char *url);
/* Whether this URL names the workspace's own container ("http://ws-<12>:<port>", or
 * with the whole id), or is the one our
 * engine made. */
gboolean address_is_own(const WorkspaceRow *row, const char *url);
