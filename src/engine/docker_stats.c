/* What a running container uses. Memory is counted as the Docker CLI does: without the page cache
 * that the kernel would give up. */
#include "engine/docker.h"
#include "engine/docker_json.h"

static gint64 reclaimable(JsonView memory)
{
    JsonView details;
    gint64 bytes;

    if (!docker_json_child(memory, "stats", &details))
        return 0;
    bytes = docker_json_int(details, "total_inactive_file"); /* cgroup v1 */
    return bytes > 0 ? bytes : docker_json_int(details, "inactive_file");
}

static void read_memory(JsonView document, EngineStats *stats)
{
    JsonView memory;
    gint64 cache;

    if (!docker_json_child(document, "memory_stats", &memory))
        return;
    stats->memory_bytes = docker_json_int(memory, "usage");
    stats->memory_limit_bytes = docker_json_int(memory, "limit");
    cache = reclaimable(memory);
    if (cache < stats->memory_bytes)
        stats->memory_bytes -= cache;
}

static void read_others(JsonView document, EngineStats *stats)
{
    JsonView cpu, usage, pids;

    if (docker_json_child(document, "cpu_stats", &cpu) &&
        docker_json_child(cpu, "cpu_usage", &usage))
        stats->cpu_total_ns = docker_json_int(usage, "total_usage");
    if (docker_json_child(document, "pids_stats", &pids))
        stats->pids = docker_json_int(pids, "current");
}

gboolean docker_stats(Engine *self, const char *ref, EngineStats *stats, GError **error)
{
    g_autofree char *path = docker_path("containers", ref, "/stats?stream=0&one-shot=1");
    g_auto(DockerAnswer) answer = {0};
    EngineStats read = {0};
    JsonView document;

    if (!docker_get(docker_engine(self), path, 0, "container", &answer, &document, error))
        return FALSE;
    read_memory(document, &read);
    read_others(document, &read);
    if (read.cpu_total_ns == 0) /* the answer for a stopped one: everything empty, and no refusal */
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    *stats = read;
    return TRUE;
}
