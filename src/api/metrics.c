/* GET /metrics: the Prometheus text form. Names of the reference are kept, so that dashboards work.
 * Source: spec 03 sections 8.1, 8.2, F15. */
#include "api/handlers.h"
#include "base/clock.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void head(GString *text, const char *name, const char *type, const char *help)
{
    g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(GString *text, const char *name, const char *type, const char *help, double value)
{
    head(text, name, type, help);
    g_string_append_printf(text, "%s %.15g\n", name, value);
}

/* ---- Process ---- */

static double resident_bytes(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;

    if (!g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        return 0;
    parts = g_strsplit(text, " ", 3);
    return parts[0] && parts[1] ? g_ascii_strtod(parts[1], NULL) * (double)sysconf(_SC_PAGESIZE)
                                : 0;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_process(GString *text, ApiCall *call)
{
    struct mallinfo2 heap = mallinfo2();
    HttpServerStats server;

    http_server_stats(call->api->server, &server);
    one(text, "go_goroutines", "gauge", "Handlers running and requests waiting for one.",
        server.workers_busy + server.queued);
    one(text, "go_memstats_alloc_bytes", "gauge", "Live heap bytes.", (double)heap.uordblks);
    one(text, "go_memstats_sys_bytes", "gauge", "Bytes obtained from the system.",
        (double)(heap.arena + heap.hblkhd));
    one(text, "go_memstats_heap_inuse_bytes", "gauge", "Heap bytes in use.", (double)heap.uordblks);
    one(text, "go_gc_duration_seconds_total", "counter", "There is no collector here.", 0);
    one(text, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    one(text, "process_cpu_seconds_total", "counter", "Processor time used.", cpu_seconds());
    one(text, "process_uptime_seconds", "gauge", "Time since the start.",
        (double)(clock_monotonic_us() - call->api->started_us) / 1e6);
}

/* ---- Requests ---- */

static void write_sample_labels(GString *text, const char *name, const CounterSample *sample)
{
    const char *path =
        sample->route < api_route_count ? api_routes[sample->route].path : "unmatched";

    g_string_append_printf(text, "%s{method=\"%s\",path=\"%s\",status=\"%u\"} ", name,
                           sample->method, path, sample->status);
}

static void write_requests(GString *text, ApiCall *call)
{
    g_autoptr(GArray) samples = counters_samples(call->api->counters);

    head(text, "molecule_http_requests_total", "counter", "Finished requests.");
    for (guint i = 0; i < samples->len; i++) {
        const CounterSample *sample = &g_array_index(samples, CounterSample, i);
        write_sample_labels(text, "molecule_http_requests_total", sample);
        g_string_append_printf(text, "%" G_GUINT64_FORMAT "\n", sample->count);
    }
    head(text, "molecule_http_request_duration_seconds_total", "counter", "Summed latency.");
    for (guint i = 0; i < samples->len; i++) {
        const CounterSample *sample = &g_array_index(samples, CounterSample, i);
        write_sample_labels(text, "molecule_http_request_duration_seconds_total", sample);
        g_string_append_printf(text, "%g\n", (double)sample->duration_us / 1e6);
    }
}

static void write_histogram(GString *text, ApiCall *call)
{
    guint64 buckets[COUNTERS_BUCKETS];
    guint64 count = 0;
    double sum = 0;

    counters_histogram(call->api->counters, buckets, &count, &sum);
    head(text, "workspaced_http_request_duration_seconds", "histogram", "Latency of all requests.");
    for (guint i = 0; i < COUNTERS_BUCKETS; i++)
        g_string_append_printf(text,
                               "workspaced_http_request_duration_seconds_bucket{le=\"%g\"} "
                               "%" G_GUINT64_FORMAT "\n",
                               counters_bucket_seconds[i], buckets[i]);
    g_string_append_printf(text,
                           "workspaced_http_request_duration_seconds_bucket{le=\"+Inf\"} "
                           "%" G_GUINT64_FORMAT
                           "\nworkspaced_http_request_duration_seconds_sum %g\n"
                           "workspaced_http_request_duration_seconds_count %" G_GUINT64_FORMAT "\n",
                           count, sum, count);
}

/* ---- The house ---- */

static void write_queues(GString *text, ApiCall *call)
{
    HttpServerStats server;
    ProxyStats proxy;

    http_server_stats(call->api->server, &server);
    proxy_stats(call->api->proxy, &proxy);
    one(text, "molecule_websocket_connections_active", "gauge", "Open /ws connections.",
        hub_sockets(call->api->hub));
    one(text, "workspaced_event_streams_active", "gauge", "Open server-sent event streams.",
        hub_streams(call->api->hub));
    one(text, "workspaced_http_connections", "gauge", "Open client connections.",
        server.connections);
    one(text, "workspaced_http_queue", "gauge", "Requests waiting for a worker.", server.queued);
    one(text, "workspaced_http_refused_total", "counter", "Requests refused with a full queue.",
        (double)server.refused);
    one(text, "workspaced_forwards_active", "gauge", "Messages under way to agents.", proxy.active);
    one(text, "workspaced_messages_parked", "gauge",
        "Messages that wait for a workspace to wake up.", proxy.parked);
    one(text, "workspaced_forwards_total", "counter", "Messages forwarded.",
        (double)proxy.forwarded);
    one(text, "workspaced_forwards_refused_total", "counter", "Messages over the limit.",
        (double)proxy.refused);
    one(text, "workspaced_activity_unwritten", "gauge", "Results waiting to be written.",
        proxy.unwritten);
}

static void write_deletions(GString *text, ApiCall *call)
{
    g_autoptr(GArray) deletions = reconciler_deletions(call->api->reconciler);

    head(text, "workspaced_deletions_total", "counter", "Containers and volumes removed, and why.");
    for (guint i = 0; i < deletions->len; i++) {
        const ReconcilerDeletions *of = &g_array_index(deletions, ReconcilerDeletions, i);

        g_string_append_printf(text,
                               "workspaced_deletions_total{kind=\"%s\",reason=\"%s\"} "
                               "%" G_GUINT64_FORMAT "\n",
                               of->kind, of->reason, of->count);
    }
}

/* Absent while the database is away: no figure is better than a wrong one. */
static void write_garbage(GString *text, ApiCall *call)
{
    gint64 pending = 0, oldest_us = 0, kept = 0, next_due_us = 0;

    if (!reconciler_garbage(call->api->reconciler, &pending, &oldest_us, NULL) ||
        !reconciler_kept_count(call->api->reconciler, &kept, &next_due_us, NULL))
        return;
    one(text, "workspaced_volumes_kept", "gauge",
        "Volumes of deleted workspaces, kept by WORKSPACED_VOLUME_RETENTION_HOURS.", (double)kept);
    one(text, "workspaced_garbage_pending", "gauge", "Removals not yet verified.", (double)pending);
    one(text, "workspaced_garbage_oldest_seconds", "gauge", "Age of the oldest of them.",
        oldest_us ? (double)(clock_now_us() - oldest_us) / 1e6 : 0);
}

static void write_reconciler(GString *text, ApiCall *call)
{
    ReconcilerStatus status;

    reconciler_status(call->api->reconciler, &status);
    one(text, "workspaced_workspaces", "gauge", "Live workspaces.", org_tree_size(call->api->tree));
    one(text, "workspaced_engine_up", "gauge", "Whether the engine answers.", status.engine_up);
    one(text, "workspaced_managed_containers", "gauge", "Containers of this installation.",
        status.managed_containers);
    one(text, "workspaced_managed_volumes", "gauge", "Volumes of this installation.",
        status.managed_volumes);
    one(text, "workspaced_orphans", "gauge", "Containers and volumes that nobody wishes.",
        status.orphans);
    one(text, "workspaced_quarantined_volumes", "gauge",
        "Of the orphans: volumes kept for a day before they are removed.", status.quarantined);
    write_garbage(text, call);
    one(text, "workspaced_reconcile_operations", "gauge", "Starts and stops under way.",
        status.operations_running);
    one(text, "workspaced_reconcile_pass_seconds", "gauge", "Duration of the last pass.",
        (double)status.pass_duration_us / 1e6);
    if (status.last_pass_us)
        one(text, "workspaced_reconcile_last_success_seconds", "gauge",
            "Time since the last complete pass.",
            (double)(clock_monotonic_us() - status.last_pass_us) / 1e6);
    one(text, "workspaced_reconcile_leads", "gauge",
        "Whether this one of several servers on a database does the passes.", status.leads);
    one(text, "workspaced_reconcile_held", "gauge",
        "Whether installation or engine are in dispute and nothing is started or removed.",
        status.held);
    write_deletions(text, call);
    one(text, "workspaced_warm_wished", "gauge", "Started agents that WARM_POOL asks for.",
        status.warm_wished);
    one(text, "workspaced_warm_ready", "gauge", "Started agents that no workspace has taken yet.",
        status.warm_ready);
    one(text, "workspaced_warm_handed_over_total", "counter", "Workspaces that took one.",
        (double)status.warm_handed_over);
    one(text, "workspaced_warm_missed_total", "counter", "Workspaces that found none.",
        (double)status.warm_missed);
    one(text, "workspaced_warm_refused_total", "counter",
        "Hand-overs that did not work; the workspace was started anew.",
        (double)status.warm_refused);
}

gboolean api_metrics(ApiCall *call, GError **error)
{
    g_autoptr(GString) text = g_string_sized_new(8192);
    g_autoptr(GBytes) bytes = NULL;

    (void)error;
    write_process(text, call);
    write_requests(text, call);
    write_histogram(text, call);
    write_queues(text, call);
    write_reconciler(text, call);
    bytes = g_string_free_to_bytes(g_steal_pointer(&text));
    http_reply_bytes(call->request, 200, "text/plain; version=0.0.4; charset=utf-8", bytes);
    return TRUE;
}
