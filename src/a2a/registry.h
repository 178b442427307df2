/* How agents announce themselves and stay alive: register, heartbeat, update-card.
 *
 * Each body has a typed struct and a decode function that names the faulty field. The heartbeat's
 * fast path touches memory only (token cache, org tree); a query runs only when it changes a
 * status. Every change of a status is one guarded update, and its event goes out only when a row
 * changed. Who may call is decided here (the order "URL, credential, row" is part of the contract);
 * the caller only says what it found in the request. Source: spec 04 sections 1.1 (BOOT), 7.1
 * to 7.4; spec 01 section 10.2; spec 02 F12. Thread: workers. */
#pragma once

#include "a2a/forwards.h"
#include "a2a/options.h"
#include "auth/tokens.h"
#include "base/ids.h"
#include "events/events.h"
#include "org/tree.h"

typedef struct _Registry Registry;

typedef struct {
    Db *db;
    OrgTree *tree;
    Tokens *tokens;
    Events *events;
    Forwards *forwards; /* NULL: nobody is waiting for signs of life */
    A2aOptions options;
    /* Machines get no token along: the first registration of each generation is given one, bound to
     * that generation. */
    gboolean is_hosted;
} RegistryOptions;

/* Pointers are borrowed until registry_free. */
Registry *registry_new(const RegistryOptions *options);
void registry_free(Registry *registry); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_free)

/* What the request brought. */
typedef struct {
    const char *bearer; /* parsed Authorization, NULL when there is none */
    gboolean is_admin;  /* the request carries ADMIN_TOKEN, an org token, a verified session
                           (update-card: also dev mode) */
} RegistryCaller;

/* BOOT(x) of spec 04 section 1.1: when workspace x has a live token, the bearer must be one of
 * them; else anybody passes. owner     out, may be NULL: the token's owner; owner->id is "" when
 * nobody had to be checked Errors: ERROR_UNAUTHENTICATED with the pinned texts "missing <who> auth
 * token" and "invalid <who> auth token", where `who` is "workspace" or "caller"; ERROR_UNAVAILABLE
 * (D10: a failed look-up never lets a call through). Also for /ws and for the proxy's caller. */
gboolean registry_boot_check(Tokens *tokens, const char *workspace_id, const char *bearer,
                             const char *who, TokenOwner *owner, GError **error);

/* ---- POST /registry/register ---- */

typedef struct {
    char id[ID_SIZE];
    char *url;
    char *agent_card; /* compact JSON, "null" included */
} RegisterBody;
/* ERROR_INVALID. `out` is written on success only; clear it afterwards. */
gboolean register_body_decode(const char *body, gsize length, RegisterBody *out, GError **error);
void register_body_clear(RegisterBody *body);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RegisterBody, register_body_clear)

/* Stores address and card, brings the workspace online, issues a token when it has none.
 *   token   out: the new token, shown once; "" when none was issued
 * Errors: ERROR_INVALID (why the URL is refused), ERROR_UNAUTHENTICATED (also, in strict mode: a
 * first register without a token outside its window, F37), ERROR_GONE (removed), ERROR_NOT_FOUND
 * (strict mode: unknown id and not an admin), ERROR_CONFLICT (the token is that of an older
 * container), those of the database. */
gboolean registry_register(Registry *registry, const RegisterBody *body,
                           const RegistryCaller *caller, char token[CRYPTO_TOKEN_SIZE],
                           GError **error);

/* ---- POST /registry/heartbeat ---- */

typedef struct {
    char workspace_id[ID_SIZE];
    double error_rate;
    char *sample_error;                                 /* NULL: "" ; at most 8 KiB */
    gint64 active_tasks, uptime_seconds, monthly_spend; /* clamped */
    char *current_task;                                 /* NULL: ""; at most 8 KiB */
    gboolean wedged;                                    /* runtime_state is "wedged" */
    gboolean has_runtime_state;                         /* runtime_state is not empty */
    Declared declared;
} HeartbeatBody;
/* ERROR_INVALID. Allocates only for texts that are not empty. */
gboolean heartbeat_body_decode(const char *body, gsize length, HeartbeatBody *out, GError **error);
void heartbeat_body_clear(HeartbeatBody *body);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HeartbeatBody, heartbeat_body_clear)

/* What a heartbeat does to a status: a pure function of the table in spec 04 section 7.3 with its
 * "Ours". `fails_check`: the image's own health check says that it is not well; no heartbeat lifts
 * that. */
typedef struct {
    gboolean changes;
    WorkspaceStatus to;
    enum {
        HEARTBEAT_NO_EVENT,
        HEARTBEAT_WEDGED,    /* WORKSPACE_DEGRADED {runtime_state, sample_error} */
        HEARTBEAT_ERRORS,    /* WORKSPACE_DEGRADED {error_rate, sample_error} */
        HEARTBEAT_RECOVERED, /* WORKSPACE_ONLINE {} or {recovered_from} */
    } event;
    const char *recovered_from; /* NULL: payload {} */
} HeartbeatDecision;
HeartbeatDecision heartbeat_decide(WorkspaceStatus status, gboolean fails_check,
                                   const HeartbeatBody *body);

/* Takes a heartbeat; success without effect for unknown and removed workspaces.
 * Errors: ERROR_UNAUTHENTICATED, those of the database (only when a status changes). */
gboolean registry_heartbeat(Registry *registry, const HeartbeatBody *body,
                            const RegistryCaller *caller, GError **error);

/* ---- POST /registry/update-card ---- */

typedef struct {
    char workspace_id[ID_SIZE];
    char *agent_card; /* compact JSON */
} CardBody;
gboolean card_body_decode(const char *body, gsize length, CardBody *out, GError **error);
void card_body_clear(CardBody *body);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CardBody, card_body_clear)

/* Replaces the card. Errors: ERROR_UNAUTHENTICATED, ERROR_NOT_FOUND (unknown or removed), those of
 * the database. */
gboolean registry_update_card(Registry *registry, const CardBody *body,
                              const RegistryCaller *caller, GError **error);
