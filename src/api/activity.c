/* GET /workspaces/:id/activity. Source: spec 04 section 10.2. */
#include "store/activity.h"

#include "api/handlers.h"

#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     500

static void id_or_null(JsonOut *out, const char *key, const char *id)
{
    json_out_text(out, key, *id ? id : NULL);
}

static void write_entry(JsonOut *out, const ActivityRow *row)
{
    json_out_object(out, NULL);
    json_out_text(out, "id", row->id);
    json_out_text(out, "workspace_id", row->workspace_id);
    json_out_text(out, "activity_type", row->activity_type);
    id_or_null(out, "source_id", row->source_id);
    id_or_null(out, "target_id", row->target_id);
    json_out_text(out, "method", row->method);
    json_out_text(out, "summary", row->summary);
    if (row->duration_ms < 0)
        json_out_null(out, "duration_ms");
    else
        json_out_int(out, "duration_ms", row->duration_ms);
    json_out_text(out, "status", row->status);
    json_out_text(out, "error_detail", row->error_detail);
    json_out_time(out, "created_at", row->created_at_us);
    /* Bodies only where there are any: absent, not null. */
    if (row->request_body)
        json_out_raw(out, "request_body", row->request_body);
    if (row->response_body)
        json_out_raw(out, "response_body", row->response_body);
    if (row->tool_trace)
        json_out_raw(out, "tool_trace", row->tool_trace);
    json_out_end(out);
}

static gboolean read_source(const ApiCall *call, ActivityFilter *filter, GError **error)
{
    const char *source = http_request_query(call->request, "source");

    if (!source || !*source)
        filter->source = ACTIVITY_FROM_ANYONE;
    else if (strcmp(source, "canvas") == 0)
        filter->source = ACTIVITY_FROM_CANVAS;
    else if (strcmp(source, "agent") == 0)
        filter->source = ACTIVITY_FROM_AGENT;
    else
        return error_set(error, ERROR_INVALID, "source must be canvas or agent");
    return TRUE;
}

gboolean api_activity_list(ApiCall *call, GError **error)
{
    const char *type = http_request_query(call->request, "type");
    ActivityFilter filter = {.activity_type = type && *type ? type : NULL};
    gint64 limit = api_query_int(call, "limit", LIMIT_DEFAULT, G_MININT64, G_MAXINT64);
    g_autoptr(GPtrArray) rows = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    filter.limit = (guint)CLAMP(limit > 0 ? limit : LIMIT_DEFAULT, 1, LIMIT_MAX);
    if (!read_source(call, &filter, error))
        return FALSE;
    rows = store_activity_list(call->api->db, call->id, &filter, error);
    if (!rows)
        return FALSE;
    json_out_array(&out, NULL);
    for (guint i = 0; i < rows->len; i++)
        write_entry(&out, rows->pdata[i]);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
