/* The table of routes: the map of the house. One line each, in the order of the specification (spec
 * 03, section 1). */
#include "api/handlers.h"

#define KIB (gsize)1024
#define MIB (1024 * KIB)

/* A body of a message may be exactly 1 MiB (spec 04, 5.1); so may every other unless a line says
 * otherwise (spec 03, F38). */
const Route api_routes[] = {
    {"GET", "/health", AUTH_OPEN, ROUTE_HEAD | ROUTE_IN_PLACE | ROUTE_UNLIMITED, 4 * KIB,
     api_health},
    {"GET", "/ready", AUTH_OPEN, ROUTE_HEAD | ROUTE_UNLIMITED, 4 * KIB, api_ready},
    {"GET", "/metrics", AUTH_OPEN, ROUTE_HEAD | ROUTE_UNLIMITED, 4 * KIB, api_metrics},
    {"GET", "/admin/liveness", AUTH_ADMIN, 0, 4 * KIB, api_liveness},
    {"GET", "/admin/runtime", AUTH_ADMIN, 0, 4 * KIB, api_runtime_list},
    {"POST", "/admin/runtime/confirm", AUTH_ADMIN, 0, 64 * KIB, api_runtime_confirm},
    {"GET", "/admin/runtime/orphans", AUTH_ADMIN, 0, 4 * KIB, api_runtime_orphans},
    {"POST", "/admin/runtime/reap", AUTH_ADMIN, 0, 4 * KIB, api_runtime_reap},
    {"POST", "/admin/workspace-images/refresh", AUTH_ADMIN, 0, 64 * KIB, api_image_refresh},
    {"GET", "/ws", AUTH_IN_HANDLER, 0, 4 * KIB, api_socket},
    {"GET", "/events", AUTH_ADMIN, 0, 4 * KIB, api_event_list},
    {"GET", "/events/:workspaceId", AUTH_ADMIN, 0, 4 * KIB, api_event_list_of},
    {"GET", "/org/tokens", AUTH_ADMIN, 0, 4 * KIB, api_org_token_list},
    {"POST", "/org/tokens", AUTH_ADMIN, ROUTE_MINT | ROUTE_PRIVATE, 64 * KIB, api_org_token_create},
    {"DELETE", "/org/tokens/:tokenId", AUTH_ADMIN, 0, 64 * KIB, api_org_token_revoke},
    {"GET", "/admin/workspaces/:id/test-token", AUTH_IN_HANDLER, ROUTE_PRIVATE | ROUTE_BAD_ID_404,
     4 * KIB, api_test_token},
    {"GET", "/admin/github-installation-token", AUTH_ADMIN, ROUTE_PRIVATE, 4 * KIB,
     api_github_token},
    {"POST", "/admin/workspaces/:id/bootstrap-failed", AUTH_ADMIN, 0, MIB, api_bootstrap_failed},
    {"POST", "/registry/register", AUTH_IN_HANDLER, ROUTE_PRIVATE, MIB, api_register},
    {"POST", "/registry/heartbeat", AUTH_IN_HANDLER, 0, MIB, api_heartbeat},
    {"POST", "/registry/update-card", AUTH_IN_HANDLER, 0, MIB, api_update_card},
    {"GET", "/registry/discover/:id", AUTH_IN_HANDLER, 0, 4 * KIB, api_discover},
    {"GET", "/registry/:id/peers", AUTH_IN_HANDLER, 0, 4 * KIB, api_peers},
    {"POST", "/registry/check-access", AUTH_ANYBODY, 0, MIB, api_check_access},

    {"GET", "/canvas/viewport", AUTH_ANYBODY, 0, 4 * KIB, api_viewport_get},
    {"PUT", "/canvas/viewport", AUTH_ANYBODY, 0, 64 * KIB, api_viewport_put},

    {"GET", "/workspaces", AUTH_ADMIN, 0, 4 * KIB, api_workspace_list},
    {"POST", "/workspaces", AUTH_ADMIN, ROUTE_PRIVATE, 4 * MIB, api_workspace_create},
    {"GET", "/workspaces/:id", AUTH_READ, 0, 4 * KIB, api_workspace_get},
    {"PATCH", "/workspaces/:id", AUTH_WORKSPACE, 0, MIB, api_workspace_patch},
    {"DELETE", "/workspaces/:id", AUTH_ADMIN, 0, MIB, api_workspace_delete},
    {"GET", "/workspaces/:id/state", AUTH_IN_HANDLER, 0, 4 * KIB, api_workspace_state},
    {"GET", "/workspaces/:id/github-installation-token", AUTH_WORKSPACE, ROUTE_PRIVATE, 4 * KIB,
     api_github_token_of},
    {"POST", "/workspaces/:id/expand", AUTH_WORKSPACE, 0, MIB, api_team_expand},
    {"POST", "/workspaces/:id/collapse", AUTH_WORKSPACE, 0, MIB, api_team_collapse},
    {"POST", "/workspaces/:id/agent", AUTH_WORKSPACE, 0, 64 * KIB, api_agent_assign},
    {"PATCH", "/workspaces/:id/agent", AUTH_WORKSPACE, 0, 64 * KIB, api_agent_replace},
    {"DELETE", "/workspaces/:id/agent", AUTH_WORKSPACE, 0, 64 * KIB, api_agent_remove},
    {"POST", "/workspaces/:id/agent/move", AUTH_ADMIN, 0, 64 * KIB, api_agent_move},
    {"GET", "/workspaces/:id/config", AUTH_WORKSPACE, 0, 4 * KIB, api_config_get},
    {"PATCH", "/workspaces/:id/config", AUTH_WORKSPACE, 0, 256 * KIB, api_config_patch},
    {"GET", "/workspaces/:id/budget", AUTH_WORKSPACE, 0, 4 * KIB, api_budget_get},
    {"PATCH", "/workspaces/:id/budget", AUTH_ADMIN, 0, 64 * KIB, api_budget_patch},
    {"GET", "/workspaces/:id/tokens", AUTH_WORKSPACE, ROUTE_BAD_ID_404, 4 * KIB, api_token_list},
    {"POST", "/workspaces/:id/tokens", AUTH_WORKSPACE, ROUTE_PRIVATE | ROUTE_BAD_ID_404, MIB,
     api_token_create},
    {"DELETE", "/workspaces/:id/tokens/:tokenId", AUTH_WORKSPACE, ROUTE_BAD_ID_404, MIB,
     api_token_revoke},
    {"GET", "/workspaces/:id/metrics", AUTH_WORKSPACE, ROUTE_BAD_ID_404, 4 * KIB,
     api_workspace_usage},
    {"POST", "/workspaces/:id/a2a", AUTH_IN_HANDLER, 0, MIB, api_a2a},
    {"GET", "/workspaces/:id/activity", AUTH_WORKSPACE, 0, 4 * KIB, api_activity_list},
    {"GET", "/workspaces/:id/events/stream", AUTH_WORKSPACE, 0, 4 * KIB, api_event_stream},
    {"GET", "/workspaces/:id/logs", AUTH_WORKSPACE, 0, 4 * KIB, api_workspace_logs},

    {"GET", "/", AUTH_OPEN, ROUTE_HEAD | ROUTE_IN_PLACE | ROUTE_PAGE, 4 * KIB, api_web_page},
    {"GET", "/app.js", AUTH_OPEN, ROUTE_HEAD | ROUTE_IN_PLACE | ROUTE_PAGE, 4 * KIB, api_web_asset},
    {"GET", "/app.css", AUTH_OPEN, ROUTE_HEAD | ROUTE_IN_PLACE | ROUTE_PAGE, 4 * KIB,
     api_web_asset},
    {"GET", "/favicon.svg", AUTH_OPEN, ROUTE_HEAD | ROUTE_IN_PLACE | ROUTE_PAGE, 4 * KIB,
     api_web_asset},
};
const guint api_route_count = G_N_ELEMENTS(api_routes);
