/* What a running container uses. Memory is counted as the Docker CLI does: without the page cache
 * that the kernel would give up. */
#include "engine/docker/docker.h"
#include "engine/docker/json.h"

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

/* Podman answers for a container that is not there with 404 and no word, which could be anybody's;
 * its word on the container itself tells. Always FALSE. */
static gboolean explain_absent(Engine *self, const char *ref, const DockerAnswer *answer,
                               GError **error)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) cause = NULL;

    if (answer->is_podman && answer->status == 200 && answer->body && answer->body->len == 0) {
        /* And for one that does not run with 200 and an empty body. */
        g_clear_error(error);
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    }
    if (answer->status != 404 || docker_answer_is_own(answer) || !answer->is_podman ||
        docker_inspect(self, ref, &info, &cause) || !error_is(cause, ERROR_NOT_FOUND))
        return FALSE;
    g_clear_error(error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

gboolean docker_stats(Engine *self, const char *ref, EngineStats *stats, GError **error)
{
    g_autofree char *path = docker_path("containers", ref, "/stats?stream=0&one-shot=1");
    g_auto(DockerAnswer) answer = {0};
    EngineStats read = {0};
    JsonView document;

    if (!docker_get(docker_engine(self), path, 0, "container", &answer, &document, error))
        return explain_absent(self, ref, &answer, error);
    read_memory(document, &read);
    read_others(document, &read);
    if (read.cpu_total_ns == 0) /* the answer for a stopped one: everything empty, and no refusal */
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    *stats = read;
    return TRUE;
}
