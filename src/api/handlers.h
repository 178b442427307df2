/* Every handler of the route table; each is described by its row and its section of the
 * specification. */
#pragma once

#include "api/api.h"

/* health.c: is it alive, is it ready, what does it count? spec 03 section 8 */
gboolean api_health(ApiCall *call, GError **error);
gboolean api_ready(ApiCall *call, GError **error);
gboolean api_liveness(ApiCall *call, GError **error);
gboolean api_metrics(ApiCall *call, GError **error);

/* runtime.c, runtime_adopt.c, runtime_orphans.c: spec 02 section 17.3 A, J */
gboolean api_runtime_list(ApiCall *call, GError **error);
gboolean api_runtime_confirm(ApiCall *call, GError **error);
gboolean api_runtime_adopt(ApiCall *call, GError **error);
gboolean api_runtime_orphans(ApiCall *call, GError **error);
gboolean api_runtime_reap(ApiCall *call, GError **error);

/* web.c: the page, kept inside the program */
gboolean api_web_page(ApiCall *call, GError **error);
gboolean api_web_asset(ApiCall *call, GError **error);

/* workspaces.c, workspace_create.c: spec 01 sections 5 to 8 */
gboolean api_workspace_create(ApiCall *call, GError **error);
gboolean api_workspace_list(ApiCall *call, GError **error);
gboolean api_workspace_get(ApiCall *call, GError **error);
gboolean api_workspace_patch(ApiCall *call, GError **error);
gboolean api_workspace_delete(ApiCall *call, GError **error);
gboolean api_workspace_state(ApiCall *call, GError **error);
gboolean api_workspace_usage(ApiCall *call, GError **error); /* spec 03, 8.4 */

/* images.c: spec 02 section 15 */
gboolean api_image_refresh(ApiCall *call, GError **error);

/* workspace_actions.c: spec 01 sections 9.1, 9.3 to 9.5 */
gboolean api_workspace_restart(ApiCall *call, GError **error);
gboolean api_workspace_pause(ApiCall *call, GError **error);
gboolean api_workspace_resume(ApiCall *call, GError **error);
gboolean api_workspace_hibernate(ApiCall *call, GError **error);

/* workspace_console.c: spec 01, section 18.2 */
gboolean api_workspace_console(ApiCall *call, GError **error);
/* workspace_logs.c: ours */
gboolean api_workspace_logs(ApiCall *call, GError **error);

/* agents.c, canvas.c, workspace_config.c, budget.c: spec 01 sections 14 to 17 */
gboolean api_agent_assign(ApiCall *call, GError **error);
gboolean api_agent_replace(ApiCall *call, GError **error);
gboolean api_agent_remove(ApiCall *call, GError **error);
gboolean api_agent_move(ApiCall *call, GError **error);
gboolean api_viewport_get(ApiCall *call, GError **error);
gboolean api_viewport_put(ApiCall *call, GError **error);
gboolean api_config_get(ApiCall *call, GError **error);
gboolean api_config_patch(ApiCall *call, GError **error);
gboolean api_budget_get(ApiCall *call, GError **error);
gboolean api_budget_patch(ApiCall *call, GError **error);

/* teams.c, bootstrap.c: spec 01 sections 13 and 18.1 */
gboolean api_team_expand(ApiCall *call, GError **error);
gboolean api_team_collapse(ApiCall *call, GError **error);
gboolean api_bootstrap_failed(ApiCall *call, GError **error);

/* github_token.c: spec 02, section 12 */
gboolean api_github_token(ApiCall *call, GError **error);
gboolean api_github_token_of(ApiCall *call, GError **error);

/* tokens.c: spec 03 sections 5.2, 5.5 */
gboolean api_token_list(ApiCall *call, GError **error);
gboolean api_token_create(ApiCall *call, GError **error);
gboolean api_token_revoke(ApiCall *call, GError **error);
gboolean api_test_token(ApiCall *call, GError **error);

/* org_tokens.c: spec 03 section 5.4 */
gboolean api_org_token_list(ApiCall *call, GError **error);
gboolean api_org_token_create(ApiCall *call, GError **error);
gboolean api_org_token_revoke(ApiCall *call, GError **error);

/* registry.c, discovery.c: spec 04 sections 7, 8 */
gboolean api_register(ApiCall *call, GError **error);
gboolean api_heartbeat(ApiCall *call, GError **error);
gboolean api_update_card(ApiCall *call, GError **error);
gboolean api_discover(ApiCall *call, GError **error);
gboolean api_peers(ApiCall *call, GError **error);
gboolean api_check_access(ApiCall *call, GError **error);

/* messages.c: spec 04 section 5 */
gboolean api_a2a(ApiCall *call, GError **error);

/* activity.c, events.c: spec 04 sections 10.2, 11.3, 13, 14 */
gboolean api_activity_list(ApiCall *call, GError **error);
gboolean api_event_list(ApiCall *call, GError **error);
gboolean api_event_list_of(ApiCall *call, GError **error);
gboolean api_event_stream(ApiCall *call, GError **error);
gboolean api_socket(ApiCall *call, GError **error);
