#include "auth/access.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/org_tokens.h"

#include <string.h>

struct _Access {
    const Config *config;
    const char *admin_token;
    Db *db;
    Tokens *tokens;
};

Access *access_new(const Config *config, const char *admin_token, Db *db, Tokens *tokens)
{
    Access *access = g_new0(Access, 1);

    access->config = config;
    access->admin_token = admin_token;
    access->db = db;
    access->tokens = tokens;
    return access;
}

void access_free(Access *access)
{
    g_free(access);
}

char *access_bearer_dup(const char *header)
{
    g_autofree char *token = NULL;

    if (!header || !g_str_has_prefix(header, "Bearer "))
        return NULL;
    token = g_strstrip(g_strdup(header + strlen("Bearer ")));
    return *token ? g_steal_pointer(&token) : NULL;
}

gboolean access_is_admin_token(const Access *access, const char *bearer)
{
    return bearer && crypto_equal(bearer, access->admin_token);
}

gboolean access_is_open(const Access *access)
{
    return access->config->open_access;
}

/* ---- Who is it? ---- */

static gboolean identify_org(Access *access, const char *bearer, Caller *caller, GError **error)
{
    g_autoptr(StoreOrgToken) row = NULL;
    g_autoptr(GError) touch_error = NULL;
    guint8 hash[CRYPTO_HASH_SIZE];
    gint64 now_us = clock_now_us();

    crypto_sha256(bearer, strlen(bearer), hash);
    if (!store_org_token_find(access->db, hash, &row, error))
        return FALSE;
    if (!row)
        return TRUE;
    caller->kind = CALLER_ORG;
    g_strlcpy(caller->org_prefix, row->prefix, sizeof caller->org_prefix);
    g_strlcpy(caller->org_id, row->org_id, sizeof caller->org_id);
    if (now_us - row->last_used_at_us >= CLOCK_MINUTE_US &&
        !store_org_token_touch(access->db, row->id, now_us, &touch_error))
        log_debug("the use of an organisation token was not recorded", LOG_CAUSE(touch_error));
    return TRUE;
}

static gboolean identify_bearer(Access *access, const char *bearer, Caller *caller, GError **error)
{
    gboolean found = FALSE;

    if (access_is_admin_token(access, bearer)) {
        caller->kind = CALLER_ADMIN;
        return TRUE;
    }
    if (!tokens_check(access->tokens, bearer, &caller->workspace, &found, error))
        return FALSE;
    if (found) {
        caller->kind = CALLER_WORKSPACE;
        return TRUE;
    }
    return identify_org(access, bearer, caller, error);
}

gboolean access_identify(Access *access, const char *bearer, gboolean is_near, Caller *caller,
                         GError **error)
{
    *caller = (Caller){
        .kind = CALLER_NOBODY,
        .has_bearer = bearer != NULL,
        .at_open_door = access->config->open_access && is_near,
    };
    if (bearer)
        return identify_bearer(access, bearer, caller, error);
    if (caller->at_open_door)
        caller->kind = CALLER_OPEN;
    return TRUE;
}

gboolean caller_is_operator(const Caller *caller)
{
    return caller->kind == CALLER_ADMIN || caller->kind == CALLER_ORG ||
           caller->kind == CALLER_OPEN;
}

/* ---- The classes ---- */

gboolean access_check_admin(const Caller *caller, GError **error)
{
    if (caller_is_operator(caller) || caller->at_open_door)
        return TRUE;
    if (!caller->has_bearer)
        return error_set(error, ERROR_UNAUTHENTICATED, "admin auth required");
    return error_set(error, ERROR_UNAUTHENTICATED, "invalid admin auth token");
}

gboolean access_check_workspace(const Caller *caller, const char *workspace_id, GError **error)
{
    if (caller_is_operator(caller))
        return TRUE;
    if (!caller->has_bearer)
        return error_set(error, ERROR_UNAUTHENTICATED, "missing workspace auth token");
    if (caller->kind == CALLER_WORKSPACE &&
        strcmp(caller->workspace.workspace_id, workspace_id) == 0)
        return TRUE;
    return error_set(error, ERROR_UNAUTHENTICATED, "invalid workspace auth token");
}

gboolean access_check_read(const Access *access, const Caller *caller, const char *workspace_id,
                           gboolean (*may_talk)(const char *caller, const char *target, void *data),
                           void *data, GError **error)
{
    if (access->config->public_workspace_get || access->config->open_access)
        return TRUE;
    if (caller->kind != CALLER_WORKSPACE)
        return access_check_workspace(caller, workspace_id, error);
    if (may_talk(caller->workspace.workspace_id, workspace_id, data))
        return TRUE;
    return error_set(error, ERROR_FORBIDDEN, "this workspace is outside the caller's reach");
}
