#include "api/workspace_json.h"

#include "base/clock.h"
#include "base/reasons.h"
#include "org/spend.h"

static void text_or_null(JsonOut *out, const char *key, const char *text)
{
    json_out_text(out, key, text && *text ? text : NULL);
}

static void text_or_empty(JsonOut *out, const char *key, const char *text)
{
    json_out_text(out, key, text ? text : "");
}

typedef struct {
    Reason reason;
    const char *message, *hint; /* NULL: the reason's own */
    gboolean has_exit_code;
    gint64 exit_code;
    gint64 at_us;
} Failure;

/* States in which something is wanted that does not run. */
static gboolean is_wanting(const WorkspaceRow *row)
{
    return row->status == WORKSPACE_PROVISIONING || row->status == WORKSPACE_OFFLINE;
}

/* It is offline because its agent fell silent: nothing was seen to fail. */
static Failure silence(const WorkspaceRow *row)
{
    gboolean is_external = g_strcmp0(row->runtime, "external") == 0;

    return (Failure){
        .reason = REASON_UNHEALTHY,
        .message = "its agent does not report any more",
        .hint = is_external ? "Start it again where it runs; it registers by itself." : NULL,
        .at_us = row->updated_at_us,
    };
}

static Failure find_failure(const WorkspaceRow *row, gint64 engine_down_since_us)
{
    Failure failure = {.reason = reason_parse(row->failure_reason)};

    if (engine_down_since_us && is_wanting(row) && g_strcmp0(row->runtime, "external") != 0)
        return (Failure){.reason = REASON_ENGINE_DOWN, .at_us = engine_down_since_us};
    if (!is_wanting(row) && row->status != WORKSPACE_FAILED &&
        (row->status != WORKSPACE_DEGRADED || failure.reason != REASON_HEALTH_CHECK_FAILED))
        return (Failure){0};
    if (failure.reason == REASON_NONE && row->status == WORKSPACE_OFFLINE)
        return silence(row);
    failure.message = row->failure_sentence;
    failure.has_exit_code = row->has_exit_code;
    failure.exit_code = row->exit_code;
    failure.at_us = row->failed_at_us;
    return failure;
}

static void write_failure(JsonOut *out, const Failure *failure)
{
    if (failure->reason == REASON_NONE) {
        json_out_null(out, "failure");
        return;
    }
    json_out_object(out, "failure");
    json_out_text(out, "reason", reason_word(failure->reason));
    json_out_text(out, "message",
                  failure->message ? failure->message : reason_sentence(failure->reason));
    json_out_text(out, "hint", failure->hint ? failure->hint : reason_hint(failure->reason));
    if (failure->has_exit_code)
        json_out_int(out, "exit_code", failure->exit_code);
    else
        json_out_null(out, "exit_code");
    json_out_time(out, "at", failure->at_us);
    json_out_end(out);
}

/* Keys that say more than the openly readable object may: absent there, not null. */
static void write_private(JsonOut *out, const WorkspaceRow *row)
{
    gint64 spend = spend_cents(row, clock_now_us());

    text_or_empty(out, "last_sample_error", row->last_sample_error);
    text_or_empty(out, "current_task", row->current_task);
    text_or_null(out, "workspace_dir", row->workspace_dir);
    json_out_int(out, "monthly_spend", spend);
    json_out_int(out, "budget_used", spend); /* what the page of the reference reads */
    if (row->budget_limit < 0)
        json_out_null(out, "budget_limit");
    else
        json_out_int(out, "budget_limit", row->budget_limit);
}

void workspace_json_write(JsonOut *out, const WorkspaceRow *row, WorkspaceView view,
                          gint64 engine_down_since_us)
{
    Failure failure = find_failure(row, engine_down_since_us);

    json_out_object(out, NULL);
    json_out_text(out, "id", row->id);
    json_out_text(out, "name", row->name);
    text_or_null(out, "role", row->role);
    json_out_int(out, "tier", row->tier);
    json_out_text(out, "status", workspace_status_name(row->status));
    json_out_raw(out, "agent_card", row->agent_card);
    text_or_empty(out, "url", row->url);
    text_or_null(out, "parent_id", row->parent_id);
    json_out_int(out, "active_tasks", row->active_tasks);
    json_out_int(out, "max_concurrent_tasks", row->max_concurrent_tasks);
    json_out_double(out, "last_error_rate", row->last_error_rate);
    json_out_int(out, "uptime_seconds", row->uptime_seconds);
    json_out_text(out, "runtime", row->runtime ? row->runtime : "langgraph");
    json_out_double(out, "x", row->x);
    json_out_double(out, "y", row->y);
    json_out_bool(out, "collapsed", row->collapsed);
    json_out_time(out, "last_heartbeat_at", row->last_heartbeat_at_us);
    json_out_time(out, "created_at", row->created_at_us);
    if (view == WORKSPACE_IN_LIST)
        write_private(out, row);
    else
        json_out_time(out, "last_outbound_at", row->last_outbound_at_us);
    if (view != WORKSPACE_ALONE)
        write_failure(out, &failure);
    json_out_end(out);
}
