/* Telling the server that we are here: register once, then a heartbeat every period and soon
 * after a task begins or ends.
 *
 * Invariants: at most one call is under way. A server that is away is tried again with growing
 * pauses (retry.h) while everything else goes on. A refused token (401) is read anew from its file
 * and tried at once when it changed; a token refused for good, or a workspace that no longer
 * exists (410), ends the agent through `ended`. Source: spec 04, sections 7.1, 7.2, 17. */
#pragma once

#include "config.h"
#include "http_client.h"
#include "task.h"
#include "token.h"

struct event_base;

typedef struct Registry Registry;

typedef enum { REGISTRY_TOKEN_REFUSED, REGISTRY_WORKSPACE_GONE } RegistryEnd;

typedef struct {
    struct event_base *base;
    const Config *config;
    HttpClient *http;
    Token *token;
    const TaskStore *tasks;
    const char *url; /* to register */
    void (*ended)(void *argument, RegistryEnd end);
    void *argument;
} RegistrySpec;

/* Begins to register at once. What `spec` points at must outlive the registry. */
Registry *registry_new(const RegistrySpec *spec);

/* Ends a call that is under way; says nothing to the server. */
void registry_free(Registry *registry);

/* A task began or ended: the server will hear of it within REGISTRY_COALESCE_MS. */
void registry_note_change(Registry *registry);

#define REGISTRY_COALESCE_MS 100
