#include "api/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>

#define UNMATCHED_BODY_MAX (64 * 1024)

/* ---- Finding the route ---- */

Router *dispatch_router_new(void)
{
    g_autofree RouterRow *rows = g_new0(RouterRow, api_route_count);

    for (guint i = 0; i < api_route_count; i++)
        rows[i] = (RouterRow){
            .method = api_routes[i].method,
            .path = api_routes[i].path,
            .head = (api_routes[i].flags & ROUTE_HEAD) != 0,
        };
    return router_new(rows, api_route_count);
}

static void call_free(void *data)
{
    ApiCall *call = data;

    g_free(call->bearer);
    g_free(call);
}

HttpAdmission dispatch_route(HttpRequest *request, void *data)
{
    Api *api = data;
    ApiCall *call = g_new0(ApiCall, 1);

    call->api = api;
    call->request = request;
    call->started_us = http_request_started_us(request);
    router_match(api->router, http_request_method(request), http_request_path(request),
                 &call->match);
    if (call->match.outcome == ROUTER_FOUND)
        call->route = &api_routes[call->match.index];
    http_request_attach(request, call, call_free);
    return (HttpAdmission){
        .max_body_bytes = call->route ? call->route->max_body : UNMATCHED_BODY_MAX,
        .in_place = call->route && (call->route->flags & ROUTE_IN_PLACE),
    };
}

/* ---- What a handler reads ---- */

char *api_parameter_dup(const ApiCall *call, const char *name)
{
    for (guint i = 0; i < call->match.parameter_count; i++) {
        const RouterParameter *parameter = &call->match.parameters[i];
        if (strcmp(parameter->name, name) == 0)
            return g_strndup(parameter->value, parameter->length);
    }
    return NULL;
}

gboolean api_parameter_id(const ApiCall *call, const char *name, const char *what, char id[ID_SIZE],
                          GError **error)
{
    g_autofree char *text = api_parameter_dup(call, name);

    if (id_fold(text, id))
        return TRUE;
    return error_set(error, ERROR_INVALID, "invalid %s", what);
}

gboolean api_query_flag(const ApiCall *call, const char *name)
{
    return g_strcmp0(http_request_query(call->request, name), "true") == 0;
}

/* Whoever writes dry_run=1 wants nothing done: what is not understood must not do it. */
gboolean api_query_boolean(const ApiCall *call, const char *name, gboolean *value, GError **error)
{
    const char *text = http_request_query(call->request, name);

    *value = g_strcmp0(text, "true") == 0;
    return !text || *value || strcmp(text, "false") == 0 ||
           error_set(error, ERROR_INVALID, "%s must be true or false", name);
}

gint64 api_query_int(const ApiCall *call, const char *name, gint64 fallback, gint64 min, gint64 max)
{
    const char *text = http_request_query(call->request, name);
    gint64 value = 0;

    return text && text_parse_int(text, min, max, &value) ? value : fallback;
}

OrgNode *api_live_workspace(const ApiCall *call, GError **error)
{
    OrgNode *node = org_tree_find(call->api->tree, call->id);

    if (!node)
        error_set(error, ERROR_NOT_FOUND, "workspace not found");
    return node;
}

gboolean api_peer_is_near(HttpRequest *request)
{
    const char *peer = http_request_peer(request);
    guint8 bytes[16];

    if (http_request_peer_is_loopback(request) || strcmp(peer, "unix") == 0)
        return TRUE;
    if (inet_pton(AF_INET, peer, bytes) == 1)
        return bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xf0) == 16) ||
               (bytes[0] == 192 && bytes[1] == 168);
    return inet_pton(AF_INET6, peer, bytes) == 1 &&
           ((bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80));
}

gboolean api_is_strict(const ApiCall *call)
{
    return !call->caller.at_open_door;
}

/* ---- The chain ---- */

/* Each link returns TRUE to go on, FALSE after it has answered. */

static gboolean pass_cors(ApiCall *call)
{
    HttpRequest *request = call->request;
    const char *origin = http_request_header(request, "Origin");
    OriginVerdict verdict =
        origins_judge(call->api->origins, origin, http_request_header(request, "Host"));

    if (verdict == ORIGIN_REFUSED) {
        http_reply_empty(request, 403);
        return FALSE;
    }
    if (verdict != ORIGIN_ALLOWED)
        return TRUE;
    http_reply_header(request, "Access-Control-Allow-Origin", origin);
    http_reply_header(request, "Access-Control-Allow-Credentials", "true");
    http_reply_header(request, "Vary", "Origin");
    if (strcmp(http_request_method(request), "OPTIONS") != 0) {
        http_reply_header(
            request, "Access-Control-Expose-Headers",
            "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset");
        return TRUE;
    }
    http_reply_header(request, "Vary", "Access-Control-Request-Method");
    http_reply_header(request, "Vary", "Access-Control-Request-Headers");
    http_reply_header(request, "Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS");
    http_reply_header(request, "Access-Control-Allow-Headers",
                      "Origin,Content-Type,X-Workspace-Id,Authorization,X-Timeout,"
                      "X-Molecule-Org-Id,X-Molecule-Org-Slug,Mcp-Session-Id,Mcp-Protocol-Version");
    http_reply_header(request, "Access-Control-Max-Age", "600");
    http_reply_empty(request, 204);
    return FALSE;
}

static void number_header(HttpRequest *request, const char *name, gint64 number)
{
    char text[24];

    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, number);
    http_reply_header(request, name, text);
}

static void reply_over_limit(HttpRequest *request, gint64 seconds)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    number_header(request, "Retry-After", seconds);
    json_out_object(&out, NULL);
    json_out_text(&out, "error", "rate limit exceeded");
    json_out_int(&out, "retry_after", seconds);
    json_out_end(&out);
    http_reply_json(request, 429, g_steal_pointer(&json));
}

static gboolean pass_limit(ApiCall *call, RateLimit *limit, const char *key)
{
    RateVerdict verdict = rate_limit_take(limit, key);
    gint64 seconds = verdict.allowed ? verdict.reset_seconds : MAX(verdict.reset_seconds, 1);

    number_header(call->request, "X-RateLimit-Limit", verdict.limit);
    number_header(call->request, "X-RateLimit-Remaining", verdict.remaining);
    number_header(call->request, "X-RateLimit-Reset", seconds);
    if (verdict.allowed)
        return TRUE;
    reply_over_limit(call->request, seconds);
    return FALSE;
}

/* Agents of one machine share an address (its loopback, or the gateway of the containers' network),
 * so a call that carries a workspace's live token has a window of its own. */
static gboolean pass_rate_limit(ApiCall *call)
{
    TokenOwner owner;

    if (call->route && (call->route->flags & ROUTE_UNLIMITED))
        return TRUE;
    if (access_is_open(call->api->access) && api_peer_is_near(call->request)) {
        http_reply_header(call->request, "X-RateLimit-Limit", "unlimited");
        return TRUE;
    }
    if (call->bearer && !access_is_admin_token(call->api->access, call->bearer) &&
        tokens_peek(call->api->tokens, call->bearer, &owner))
        return pass_limit(call, call->api->rate_limit, owner.workspace_id);
    return pass_limit(call, call->api->rate_limit, http_request_peer(call->request));
}

static gboolean is_api_path(const char *path)
{
    static const char *const prefixes[] = {
        "/workspaces", "/registry",     "/health",   "/admin",  "/metrics",
        "/settings",   "/bundles",      "/org",      "/orgs",   "/templates",
        "/plugins",    "/webhooks",     "/channels", "/ws",     "/events",
        "/approvals",  "/instructions", "/ready",    "/canvas",
    };

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        gsize length = strlen(prefixes[i]);
        if (strncmp(path, prefixes[i], length) == 0 &&
            (path[length] == '\0' || path[length] == '/'))
            return TRUE;
    }
    return FALSE;
}

static void reply_no_route(ApiCall *call)
{
    static const char page[] = "404 page not found";
    g_autoptr(GBytes) bytes = NULL;

    if (call->match.outcome == ROUTER_WRONG_METHOD) {
        http_reply_header(call->request, "Allow", call->match.allow);
        http_reply_error(call->request, 405, "this path does not take that method");
    } else if (is_api_path(http_request_path(call->request))) {
        http_reply_json(call->request, 404,
                        g_string_new("{\"error\":\"no such route\",\"code\":\"no_route\"}"));
    } else {
        bytes = g_bytes_new_static(page, sizeof page - 1);
        http_reply_bytes(call->request, 404, "text/plain", bytes);
    }
}

static gboolean pass_route(ApiCall *call)
{
    if (call->route)
        return TRUE;
    reply_no_route(call);
    return FALSE;
}

/* ---- Credentials ---- */

static gboolean may_talk(const char *caller, const char *target, void *data)
{
    return org_tree_may_talk(data, caller, target);
}

static gboolean check_class(const ApiCall *call, const char *id, GError **error)
{
    switch (call->route->auth) {
    case AUTH_ADMIN:
        return access_check_admin(&call->caller, error);
    case AUTH_WORKSPACE:
        return access_check_workspace(&call->caller, id, error);
    case AUTH_READ:
        return access_check_read(call->api->access, &call->caller, id, may_talk, call->api->tree,
                                 error);
    case AUTH_ANYBODY:
        if (call->caller.kind != CALLER_NOBODY || !api_is_strict(call))
            return TRUE;
        return error_set(error, ERROR_UNAUTHENTICATED,
                         call->caller.has_bearer ? "invalid auth token" : "missing auth token");
    case AUTH_OPEN:
    case AUTH_IN_HANDLER:
        return TRUE;
    }
    return error_set(error, ERROR_INTERNAL, "route without a class");
}

static gboolean has_id(const ApiCall *call)
{
    for (guint i = 0; i < call->match.parameter_count; i++)
        if (strcmp(call->match.parameters[i].name, "id") == 0)
            return TRUE;
    return FALSE;
}

static gboolean check_caller(ApiCall *call, GError **error)
{
    g_autofree char *given = api_parameter_dup(call, "id");
    gboolean is_id = id_fold(given, call->id);

    if (!access_identify(call->api->access, call->bearer, api_peer_is_near(call->request),
                         &call->caller, error))
        return FALSE;
    call->identified = TRUE;
    /* An id that is no id belongs to nobody: the class is checked first, with the text as it came.
     */
    if (!check_class(call, is_id ? call->id : given ? given : "", error))
        return FALSE;
    if (is_id || !has_id(call))
        return TRUE;
    if (call->route->flags & ROUTE_BAD_ID_404)
        return error_set(error, ERROR_NOT_FOUND, "not found");
    return error_set(error, ERROR_INVALID, "invalid workspace ID");
}

static gboolean pass_mint_limit(ApiCall *call)
{
    if (!(call->route->flags & ROUTE_MINT) || call->caller.at_open_door)
        return TRUE;
    return pass_limit(call, call->api->mint_limit, http_request_peer(call->request));
}

static void run_handler(ApiCall *call)
{
    g_autoptr(GError) error = NULL;

    if (!(call->route->flags & ROUTE_IN_PLACE) && !check_caller(call, &error)) {
        api_reply_error(call, error);
        return;
    }
    if (!pass_mint_limit(call))
        return;
    if (!call->route->handler(call, &error))
        api_reply_error(call, error);
}

void dispatch_serve(HttpRequest *request, void *data)
{
    ApiCall *call = http_request_attached(request);

    (void)data;
    log_request_set(http_request_id(request));
    call->bearer = access_bearer_dup(http_request_header(request, "Authorization"));
    if (pass_cors(call) && pass_rate_limit(call) && pass_route(call))
        run_handler(call);
    log_request_set(NULL);
}

/* ---- The end ---- */

static void add_security_headers(const ApiCall *call)
{
    HttpRequest *request = call->request;
    gboolean is_page = call->route ? (call->route->flags & ROUTE_PAGE) != 0
                                   : !is_api_path(http_request_path(request));

    http_reply_header(request, "X-Content-Type-Options", "nosniff");
    http_reply_header(request, "X-Frame-Options", "DENY");
    http_reply_header(request, "Strict-Transport-Security", "max-age=31536000; includeSubDomains");
    http_reply_header(request, "Referrer-Policy", "strict-origin-when-cross-origin");
    http_reply_header(request, "Permissions-Policy", "camera=(), microphone=(), geolocation=()");
    http_reply_header(request, "Content-Security-Policy",
                      is_page ? "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src "
                                "'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src "
                                "'self' ws: wss:; font-src 'self' data:"
                              : "default-src 'self'");
    if (call->route && (call->route->flags & ROUTE_PRIVATE))
        http_reply_header(request, "Cache-Control", "no-store");
}

static void log_access(const ApiCall *call, guint status, gint64 duration_us)
{
    const char *method = http_request_method(call->request);
    LogLevel level = status >= 500                                 ? LOG_LEVEL_WARNING
                     : strcmp(method, "GET") == 0 || status == 200 ? LOG_LEVEL_DEBUG
                                                                   : LOG_LEVEL_INFO;

    log_at(level, "request", LOG_TEXT("method", method),
           LOG_TEXT("path", http_request_path(call->request)), LOG_INT("status", status),
           LOG_INT("duration_us", duration_us), LOG_TEXT("peer", http_request_peer(call->request)));
}

void dispatch_finish(HttpRequest *request, void *data)
{
    Api *api = data;
    ApiCall *call = http_request_attached(request);
    guint status = http_reply_status(request);
    gint64 duration_us = clock_monotonic_us() - http_request_started_us(request);

    if (!call)
        return;
    if (status != 101)
        add_security_headers(call);
    http_reply_header(request, "X-Request-Id", http_request_id(request));
    counters_add(api->counters, call->route ? call->match.index : api_route_count,
                 http_request_method(request), status, duration_us);
    log_access(call, status, duration_us);
}
