/* What nobody wishes: to see, and to remove before its time. Source: spec 02, section 17.3 E, J. */
#include "api/handlers.h"
#include "store/garbage.h"

#define STUCK_MAX   1000
#define PATIENCE_MS 15000 /* for one pass; it removes by the engine's own deadlines */

static void write_orphan(JsonOut *out, const ReconcilerOrphan *orphan)
{
    json_out_text(out, "kind", orphan->kind);
    json_out_text(out, "name", orphan->name);
    json_out_text(out, "ref", orphan->ref);
    json_out_text(out, "workspace_id", orphan->workspace_id);
    json_out_time(out, "first_seen_at", orphan->first_seen_us);
    json_out_text(out, "action", orphan->action);
    json_out_time(out, "due_at", orphan->due_us);
}

static void write_orphans(JsonOut *out, const GPtrArray *orphans)
{
    json_out_int(out, "count", orphans->len);
    json_out_array(out, "orphans");
    for (guint i = 0; i < orphans->len; i++) {
        json_out_object(out, NULL);
        write_orphan(out, orphans->pdata[i]);
        json_out_end(out);
    }
    json_out_end(out);
}

/* No orphans: each was deleted on purpose, and stays for a while on purpose. */
static void write_kept(JsonOut *out, const GPtrArray *kept)
{
    json_out_array(out, "kept");
    for (guint i = 0; i < kept->len; i++) {
        const ReconcilerOrphan *one = kept->pdata[i];

        json_out_object(out, NULL);
        json_out_text(out, "kind", one->kind);
        json_out_text(out, "name", one->name);
        json_out_text(out, "workspace_id", one->workspace_id);
        json_out_time(out, "since", one->first_seen_us);
        json_out_time(out, "due_at", one->due_us);
        json_out_end(out);
    }
    json_out_end(out);
}

/* Ours, wished away, and something is against it. */
static void write_stuck(JsonOut *out, const GPtrArray *stuck)
{
    json_out_array(out, "stuck");
    for (guint i = 0; i < stuck->len; i++) {
        const GarbageRow *one = stuck->pdata[i];

        json_out_object(out, NULL);
        json_out_text(out, "kind", garbage_kind_name(one->kind));
        json_out_text(out, "name", one->ref);
        json_out_text(out, "workspace_id", *one->workspace_id ? one->workspace_id : NULL);
        json_out_time(out, "since", one->created_at_us);
        json_out_int(out, "attempts", one->attempts);
        json_out_time(out, "next_attempt_at", one->not_before_us);
        json_out_text(out, "last_error", one->last_error);
        json_out_end(out);
    }
    json_out_end(out);
}

gboolean api_runtime_orphans(ApiCall *call, GError **error)
{
    g_autoptr(GPtrArray) orphans = reconciler_orphans(call->api->reconciler);
    g_autoptr(GPtrArray) kept = reconciler_kept(call->api->reconciler, error);
    g_autoptr(GPtrArray) stuck = store_garbage_list_tried(call->api->db, STUCK_MAX, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!kept || !stuck)
        return FALSE;
    json_out_object(&out, NULL);
    write_orphans(&out, orphans);
    write_kept(&out, kept);
    write_stuck(&out, stuck);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

static gboolean is_among(const GPtrArray *orphans, const ReconcilerOrphan *one)
{
    for (guint i = 0; i < orphans->len; i++) {
        const ReconcilerOrphan *other = orphans->pdata[i];

        if (g_strcmp0(other->kind, one->kind) == 0 && g_strcmp0(other->ref, one->ref) == 0)
            return TRUE;
    }
    return FALSE;
}

static void write_reaped(JsonOut *out, const GPtrArray *found, const GPtrArray *left)
{
    guint removed = 0;

    json_out_array(out, "orphans");
    for (guint i = 0; i < found->len; i++) {
        gboolean is_left = is_among(left, found->pdata[i]);

        json_out_object(out, NULL);
        write_orphan(out, found->pdata[i]);
        json_out_bool(out, "removed", !is_left);
        json_out_end(out);
        removed += !is_left;
    }
    json_out_end(out);
    json_out_int(out, "removed", removed);
}

gboolean api_runtime_reap(ApiCall *call, GError **error)
{
    ReconcilerReaping reaping = {.patience_ms = PATIENCE_MS};
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GPtrArray) left = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!api_query_boolean(call, "dry_run", &reaping.dry_run, error) ||
        !api_query_boolean(call, "kept", &reaping.with_kept, error) ||
        !reconciler_reap(call->api->reconciler, &reaping, &found, &left, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_bool(&out, "dry_run", reaping.dry_run);
    json_out_int(&out, "count", found->len);
    write_reaped(&out, found, left);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
