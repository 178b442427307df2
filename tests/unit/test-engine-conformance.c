/* The contract of engine.h, the same cases on every engine.
 *
 * WORKSPACED_TEST_ENGINE=docker|docker-newer|podman|sandbox|control-plane chooses one; unset: all.
 * An engine that is not there registers no case, with a note, unless
 * WORKSPACED_TEST_REQUIRE_ENGINE=1. The cases are in the files beside this one. */
#include "engine/base_image.h"
#include "engine/sandbox/tree.h"
#include "test-engine-conformance-world.h"
#include "test-engine-docker-daemon.h"
#include "test-engine-docker-newer.h"

#include <string.h>

static char *sandbox_directory;   /* NULL: not tried */
static NewerDaemon *newer_daemon; /* the same */
extern FakeDaemon *hosted_platform;

static Engine *open_docker(GError **error)
{
    g_autoptr(Engine) opened = engine_docker_new(NULL, error);

    if (!opened || !engine_ping(opened, error))
        return NULL;
    return g_steal_pointer(&opened);
}

/* The same daemon as a newer one: minimum API version 1.44 (ARCHITECTURE D22). */
static Engine *open_docker_newer(GError **error)
{
    const char *host = g_getenv("DOCKER_HOST");
    const char *socket = host && g_str_has_prefix(host, "unix://") ? host + strlen("unix://")
                                                                   : "/var/run/docker.sock";
    DockerSettings settings = {0};
    g_autoptr(Engine) opened = NULL;
    g_autoptr(EngineInfo) info = NULL;

    if (!g_file_test(socket, G_FILE_TEST_EXISTS)) {
        error_set(error, ERROR_UNAVAILABLE, "%s is not there", socket);
        return NULL;
    }
    newer_daemon = newer_daemon_new(socket);
    settings.host = newer_daemon_host(newer_daemon);
    opened = engine_docker_open(&settings, error);
    if (!opened || !engine_info(opened, &info, error))
        return NULL;
    g_assert_cmpstr(info->version, ==, "1.47");
    g_assert_cmpuint(newer_daemon_refused(newer_daemon), ==, 0);
    g_assert_cmpuint(newer_daemon_taken(newer_daemon), >, 0);
    return g_steal_pointer(&opened);
}

static Engine *open_control_plane(GError **error)
{
    g_autofree char *url = NULL;
    ControlPlaneSettings settings = {.org_id = "org-1", .installation = "test"};

    hosted_platform = fake_daemon_new(TRUE);
    url = g_strconcat("http", strchr(hosted_platform->host, ':'), NULL);
    settings.base_url = url;
    return engine_control_plane_open(&settings, error);
}

/* The one that tests/support/podman started. */
static Engine *open_podman(GError **error)
{
    const char *socket = g_getenv("WORKSPACED_TEST_PODMAN_SOCKET");
    g_autofree char *host = socket ? g_strconcat("unix://", socket, NULL) : NULL;
    DockerSettings settings = {.host = host};
    g_autoptr(Engine) opened = NULL;

    if (!socket) {
        error_set(error, ERROR_UNAVAILABLE, "WORKSPACED_TEST_PODMAN_SOCKET is not set");
        return NULL;
    }
    opened = engine_docker_open(&settings, error);
    if (!opened || !engine_ping(opened, error))
        return NULL;
    return g_steal_pointer(&opened);
}

/* In a directory of its own, which goes with the program. */
static Engine *open_sandbox(GError **error)
{
    sandbox_directory = g_dir_make_tmp("workspaced-sandbox-XXXXXX", error);
    if (!sandbox_directory)
        return NULL;
    return engine_sandbox_new(sandbox_directory, error);
}

static void remove_sandbox(void)
{
    g_autoptr(GError) error = NULL;

    if (sandbox_directory && !sandbox_tree_remove(sandbox_directory, &error))
        g_error("%s", error->message);
    g_clear_pointer(&sandbox_directory, g_free);
}

static struct {
    const char *name;
    Engine *(*open)(GError **);
    World world;
} engines[] = {
    /* Docker's bridge costs each container a quarter of a second. */
    {"docker", open_docker, {.quick_network = "none"}},
    {"docker-newer", open_docker_newer, {.quick_network = "none"}},
    {"podman", open_podman, {.quick_network = "none"}},
    {"sandbox", open_sandbox, {0}},
    {"control-plane", open_control_plane, {0}},
};

static void add_cases(guint number, const CaseRow *rows)
{
    for (; rows->path; rows++) {
        g_autofree char *path = g_strdup_printf("/engine/%s/%s", engines[number].name, rows->path);
        g_test_add(path, Case, &engines[number].world, case_set_up, rows->function, case_tear_down);
    }
}

/* `is_brief`: what differs between versions on the wire, and no more. */
static gboolean prepare(guint number, gboolean is_brief)
{
    World *world = &engines[number].world;
    g_autoptr(GError) error = NULL;

    world->engine = engines[number].open(&error);
    if (world->engine && engine_is_hosted(world->engine)) {
        add_cases(number, hosted_cases);
        return TRUE;
    }
    if (world->engine && base_image_ensure(world->engine, NULL, &world->image, &error)) {
        add_cases(number, inside_cases);
        if (is_brief)
            return TRUE;
        add_cases(number, life_cases);
        add_cases(number, around_cases);
        return TRUE;
    }
    g_test_message("no %s here: %s", engines[number].name, error->message);
    return FALSE;
}

int main(int argc, char **argv)
{
    const char *name = g_getenv("WORKSPACED_TEST_ENGINE");
    gboolean is_required = g_strcmp0(g_getenv("WORKSPACED_TEST_REQUIRE_ENGINE"), "1") == 0;
    gboolean is_missing = FALSE;
    int status;

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(engines); i++)
        if (!name || !*name || strcmp(name, engines[i].name) == 0)
            is_missing |= !prepare(i, !(name && *name) && engines[i].open == open_docker_newer);
    status = is_missing && is_required ? EXIT_FAILURE : g_test_run();
    for (guint i = 0; i < G_N_ELEMENTS(engines); i++) {
        engine_free(engines[i].world.engine);
        g_free(engines[i].world.image);
    }
    newer_daemon_free(newer_daemon);
    if (hosted_platform)
        fake_daemon_free(hosted_platform);
    remove_sandbox();
    return status;
}
