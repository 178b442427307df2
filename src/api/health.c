/* Is it alive, is it ready, does every loop turn? Source: spec 03 section 8.3, spec 02 section 7.
 */
#include "api/handlers.h"
#include "base/clock.h"
#include "base/pulse.h"

gboolean api_health(ApiCall *call, GError **error)
{
    static const char ok[] = "{\"status\":\"ok\"}";
    g_autoptr(GBytes) bytes = g_bytes_new_static(ok, sizeof ok - 1);

    (void)error;
    http_reply_bytes(call->request, 200, "application/json; charset=utf-8", bytes);
    return TRUE;
}

/* 200 only when a new piece of work could be taken and finished: database and engine answer and are
 * the ones we know, and it is not shutting down. */
gboolean api_ready(ApiCall *call, GError **error)
{
    ReconcilerStatus reconciler;
    g_autoptr(GError) database_error = NULL;
    gboolean database = db_ping(call->api->db, &database_error);
    gboolean stopping = atomic_load(call->api->is_stopping);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    gboolean engine = FALSE;

    (void)error;
    reconciler_status(call->api->reconciler, &reconciler);
    engine = !reconciler.has_engine || (reconciler.engine_up && !reconciler.held);
    json_out_object(&out, NULL);
    json_out_text(&out, "status", database && engine && !stopping ? "ready" : "not_ready");
    json_out_text(&out, "database", database ? "up" : "down");
    json_out_text(&out, "engine",
                  !reconciler.has_engine ? "none"
                  : reconciler.engine_up ? "up"
                                         : "unreachable");
    if (reconciler.held) /* POST /admin/runtime/confirm, or a corrected setting, ends it */
        json_out_text(&out, "held", reconciler.held_why);
    if (stopping)
        json_out_bool(&out, "stopping", TRUE);
    json_out_end(&out);
    api_reply(call, database && engine && !stopping ? 200 : 503, g_steal_pointer(&json));
    return TRUE;
}

/* ---- Loops ---- */

static void write_loop(JsonOut *out, const PulseReading *loop)
{
    gint64 ago_us = clock_monotonic_us() - loop->tick_us;

    json_out_object(out, loop->name);
    json_out_time(out, "last_tick_at", clock_now_us() - ago_us);
    json_out_int(out, "seconds_ago", ago_us / CLOCK_SECOND_US);
    json_out_int(out, "expected_interval_s", loop->interval_s);
    json_out_bool(out, "healthy", loop->is_healthy);
    /* A loop without work may be silent for as long as it likes. */
    json_out_text(out, "state", loop->is_resting ? "waiting" : "running");
    json_out_end(out);
}

gboolean api_liveness(ApiCall *call, GError **error)
{
    g_autoptr(GPtrArray) loops = pulse_readings();
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    (void)error;
    json_out_object(&out, NULL);
    json_out_object(&out, "subsystems");
    for (guint i = 0; i < loops->len; i++)
        write_loop(&out, loops->pdata[i]);
    json_out_end(&out);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
