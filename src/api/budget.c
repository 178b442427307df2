/* The budget of a workspace, in US cents. Source: spec 01, section 17.1. */
#include "api/handlers.h"
#include "base/clock.h"
#include "lifecycle/settings.h"
#include "org/spend.h"

#include <math.h>

static gboolean reply_budget(ApiCall *call, GError **error)
{
    g_autoptr(OrgNode) node = api_live_workspace(call, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    const WorkspaceRow *row = NULL;
    gint64 spend = 0;

    if (!node)
        return FALSE;
    row = org_node_row(node);
    spend = spend_cents(row, clock_now_us());
    json_out_object(&out, NULL);
    if (row->budget_limit < 0) {
        json_out_null(&out, "budget_limit");
        json_out_null(&out, "budget_remaining");
    } else {
        json_out_int(&out, "budget_limit", row->budget_limit);
        json_out_int(&out, "budget_remaining", row->budget_limit - spend);
    }
    json_out_int(&out, "monthly_spend", spend);
    json_out_int(&out, "budget_used", spend);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_budget_get(ApiCall *call, GError **error)
{
    return reply_budget(call, error);
}

/* A whole number of cents in any form (500.0 is 500), or null for "no limit". */
static gboolean read_limit(ApiCall *call, gint64 *limit, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    JsonView object, value;
    double number = 0;

    if (!json_view_parse(text, length, JSON_FIRST_VALUE, &object, error))
        return FALSE;
    if (!json_view_member(object, "budget_limit", JSON_KEYS_EXACT, &value))
        return error_set(error, ERROR_INVALID,
                         "the body must be a JSON object with the member budget_limit");
    *limit = -1;
    if (json_view_is_null(value))
        return TRUE;
    if (!json_view_double(value, &number) || number < 0 || number != floor(number) ||
        number > (double)BUDGET_LIMIT_MAX)
        return error_set(error, ERROR_INVALID,
                         "budget_limit must be a whole number of cents from 0 to %" G_GINT64_FORMAT
                         ", or null",
                         BUDGET_LIMIT_MAX);
    *limit = (gint64)number;
    return TRUE;
}

gboolean api_budget_patch(ApiCall *call, GError **error)
{
    gint64 limit = -1;

    return read_limit(call, &limit, error) &&
           lifecycle_budget_set(call->api->lifecycle, call->id, limit, error) &&
           reply_budget(call, error);
}
