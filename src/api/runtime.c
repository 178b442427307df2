/* What is wished, what is so, and what an administrator can do about the difference. Source: spec
 * 02, section 17.3 A, J. */
#include "store/runtime.h"

#include "a2a/body_fields.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "store/adopted.h"

#include <string.h>

#define LIST_DEFAULT 1000
#define LIST_MAX     10000
#define ID_MAX_BYTES 128 /* of an engine's id */

/* ---- The state of the house ---- */

static void time_or_null(JsonOut *out, const char *key, gint64 time_us)
{
    if (time_us)
        json_out_time(out, key, time_us);
    else
        json_out_null(out, key);
}

static const char *cap_word(gboolean is_enforced)
{
    return is_enforced ? "enforced" : "not enforced";
}

/* A cap that the machine cannot keep is never silently dropped (D19). */
static void write_caps(JsonOut *out, const ReconcilerStatus *status)
{
    if (!status->knows_caps) {
        json_out_null(out, "caps");
        return;
    }
    json_out_object(out, "caps");
    json_out_text(out, "memory", cap_word(status->limits_memory));
    json_out_text(out, "cpu", cap_word(status->limits_cpu));
    json_out_text(out, "pids", cap_word(status->limits_pids));
    json_out_end(out);
}

static void write_engine(JsonOut *out, ApiCall *call, const ReconcilerStatus *status)
{
    g_autofree char *id = reconciler_engine_id_dup(call->api->reconciler);

    json_out_object(out, "engine");
    json_out_text(out, "kind", call->api->engine_name);
    json_out_text(out, "id", id);
    json_out_bool(out, "up", status->engine_up);
    time_or_null(out, "down_since", status->engine_down_since_us);
    write_caps(out, status);
    json_out_end(out);
}

static void write_held(JsonOut *out, const ReconcilerStatus *status)
{
    if (!status->held) {
        json_out_null(out, "held");
        return;
    }
    json_out_object(out, "held");
    json_out_text(out, "why", status->held_why);
    json_out_time(out, "since", status->held_since_us);
    json_out_end(out);
}

static gboolean write_house(JsonOut *out, ApiCall *call, GError **error)
{
    ReconcilerStatus status;
    gint64 pending = 0, oldest_us = 0, adopted = 0, kept = 0, next_due_us = 0;

    if (!reconciler_garbage(call->api->reconciler, &pending, &oldest_us, error) ||
        !reconciler_kept_count(call->api->reconciler, &kept, &next_due_us, error) ||
        !store_adopted_count(call->api->db, &adopted, error))
        return FALSE;
    reconciler_status(call->api->reconciler, &status);
    json_out_text(out, "version", WORKSPACED_VERSION);
    json_out_text(out, "installation", reconciler_installation(call->api->reconciler));
    write_engine(out, call, &status);
    write_held(out, &status);
    json_out_bool(out, "leads", status.leads);
    json_out_int(out, "operations", status.operations_running);
    json_out_int(out, "managed_containers", status.managed_containers);
    json_out_int(out, "managed_volumes", status.managed_volumes);
    json_out_int(out, "adopted", adopted);
    json_out_int(out, "orphans", status.orphans);
    json_out_int(out, "quarantined", status.quarantined);
    json_out_int(out, "removals_pending", pending);
    time_or_null(out, "removals_pending_since", oldest_us);
    json_out_int(out, "volumes_kept", kept);
    time_or_null(out, "volumes_kept_until", next_due_us);
    if (status.last_pass_us)
        json_out_time(out, "last_pass_at",
                      clock_now_us() - (clock_monotonic_us() - status.last_pass_us));
    else
        json_out_null(out, "last_pass_at");
    return TRUE;
}

/* ---- Each workspace ---- */

/* Whether, by the row alone, the wish has come true. */
static gboolean is_so(const RuntimeRow *row)
{
    switch (row->desired) {
    case RUNTIME_RUNNING:
        return row->phase == RUNTIME_STARTED || row->phase == RUNTIME_READY;
    case RUNTIME_FROZEN:
        return row->phase == RUNTIME_PHASE_FROZEN;
    case RUNTIME_STOPPED:
        return row->phase == RUNTIME_GONE;
    case RUNTIME_ABSENT:
        break; /* what is gone has no row */
    }
    return FALSE;
}

static void write_progress(JsonOut *out, const RuntimeRow *row)
{
    json_out_int(out, "attempts", row->attempts);
    time_or_null(out, "next_attempt_at", row->next_attempt_at_us);
    json_out_text(out, "last_error", row->last_error);
    json_out_text(out, "reason", row->reason);
    if (row->has_exit_code)
        json_out_int(out, "exit_code", row->exit_code);
    else
        json_out_null(out, "exit_code");
    json_out_text(out, "container", row->container_id);
    json_out_text(out, "address", row->address);
    json_out_text(out, "image_digest", row->image_digest);
    if (row->volumes && *row->volumes)
        json_out_raw(out, "volumes", row->volumes); /* our own, as it was written */
    else
        json_out_null(out, "volumes");
    time_or_null(out, "since", row->updated_at_us);
}

static void write_row(JsonOut *out, ApiCall *call, const RuntimeRow *row)
{
    g_autoptr(OrgNode) node = org_tree_find(call->api->tree, row->workspace_id);

    json_out_object(out, NULL);
    json_out_text(out, "workspace_id", row->workspace_id);
    json_out_text(out, "name", node ? org_node_row(node)->name : NULL);
    json_out_text(out, "status", node ? workspace_status_name(org_node_row(node)->status) : NULL);
    json_out_text(out, "wish", runtime_desired_name(row->desired));
    json_out_text(out, "phase", runtime_phase_name(row->phase));
    json_out_bool(out, "as_wished", is_so(row));
    json_out_int(out, "generation", row->generation);
    if (row->warm_key) /* a started agent that no workspace has taken yet */
        json_out_text(out, "warm_key", row->warm_key);
    write_progress(out, row);
    json_out_end(out);
}

/* ---- Filters ---- */

typedef struct {
    const char *wish, *phase, *reason, *as_wished, *workspace, *after;
} Filter;

static gboolean fits(const char *wanted, const char *value)
{
    return !wanted || !*wanted || g_strcmp0(wanted, value) == 0;
}

static gboolean is_wanted(const Filter *filter, const RuntimeRow *row)
{
    return fits(filter->wish, runtime_desired_name(row->desired)) &&
           fits(filter->phase, runtime_phase_name(row->phase)) &&
           fits(filter->reason, row->reason) &&
           fits(filter->as_wished, is_so(row) ? "true" : "false") &&
           fits(filter->workspace, row->workspace_id) &&
           (!filter->after || strcmp(row->workspace_id, filter->after) > 0);
}

static Filter read_filter(ApiCall *call)
{
    return (Filter){
        .wish = http_request_query(call->request, "wish"),
        .phase = http_request_query(call->request, "phase"),
        .reason = http_request_query(call->request, "reason"),
        .as_wished = http_request_query(call->request, "as_wished"),
        .workspace = http_request_query(call->request, "workspace_id"),
        .after = http_request_query(call->request, "after"),
    };
}

/* The id to go on after, or NULL: that was all. Rows come by id. */
static const char *write_rows(JsonOut *out, ApiCall *call, const GPtrArray *rows)
{
    Filter filter = read_filter(call);
    gint64 left = api_query_int(call, "limit", LIST_DEFAULT, 1, LIST_MAX);
    const char *last = NULL;

    json_out_array(out, "workspaces");
    for (guint i = 0; i < rows->len; i++) {
        const RuntimeRow *row = rows->pdata[i];

        if (!is_wanted(&filter, row))
            continue;
        if (left-- == 0) {
            json_out_end(out);
            return last;
        }
        write_row(out, call, row);
        last = row->workspace_id;
    }
    json_out_end(out);
    return NULL;
}

gboolean api_runtime_list(ApiCall *call, GError **error)
{
    g_autoptr(GPtrArray) rows = store_runtime_list(call->api->db, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    const char *next = NULL;

    if (!rows)
        return FALSE;
    json_out_object(&out, NULL);
    if (!write_house(&out, call, error))
        return FALSE;
    next = write_rows(&out, call, rows);
    json_out_text(&out, "next", next);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

/* ---- Confirming ---- */

static gboolean read_confirmation(ApiCall *call, char **installation, char **engine_id,
                                  GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    JsonView object;

    return length == 0 ||
           (body_parse(text, length, &object, error) &&
            body_text(object, "installation", BODY_OPTIONAL, ID_MAX_BYTES, installation, error) &&
            body_text(object, "engine_id", BODY_OPTIONAL, ID_MAX_BYTES, engine_id, error));
}

gboolean api_runtime_confirm(ApiCall *call, GError **error)
{
    g_autofree char *installation = NULL;
    g_autofree char *engine_id = NULL;
    ReconcilerConfirmation confirmation = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!read_confirmation(call, &installation, &engine_id, error))
        return FALSE;
    confirmation = (ReconcilerConfirmation){.installation = installation, .engine_id = engine_id};
    if (!reconciler_confirm(call->api->reconciler, &confirmation, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_text(&out, "status", "confirmed");
    json_out_text(&out, "installation", reconciler_installation(call->api->reconciler));
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
