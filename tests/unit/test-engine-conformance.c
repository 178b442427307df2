/* The contract of engine.h, the same cases on every engine.
 *
 * WORKSPACED_TEST_ENGINE=docker|podman|sandbox chooses one; unset: all. An engine that is not there
 * registers no case, with a note, unless WORKSPACED_TEST_REQUIRE_ENGINE=1. The cases are in the
 * files beside this one. */
#include "engine/base_image.h"
#include "engine/sandbox_tree.h"
#include "test-engine-conformance-world.h"

#include <string.h>

static char *sandbox_directory; /* NULL: not tried */

static Engine *open_docker(GError **error)
{
    g_autoptr(Engine) opened = engine_docker_new(NULL, error);

    if (!opened || !engine_ping(opened, error))
        return NULL;
    return g_steal_pointer(&opened);
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
    {"podman", open_podman, {.quick_network = "none"}},
    {"sandbox", open_sandbox, {0}},
};

static void add_cases(guint number, const CaseRow *rows)
{
    for (; rows->path; rows++) {
        g_autofree char *path = g_strdup_printf("/engine/%s/%s", engines[number].name, rows->path);
        g_test_add(path, Case, &engines[number].world, case_set_up, rows->function, case_tear_down);
    }
}

static gboolean prepare(guint number)
{
    World *world = &engines[number].world;
    g_autoptr(GError) error = NULL;

    world->engine = engines[number].open(&error);
    if (world->engine && base_image_ensure(world->engine, &world->image, &error)) {
        add_cases(number, life_cases);
        add_cases(number, inside_cases);
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
            is_missing |= !prepare(i);
    status = is_missing && is_required ? EXIT_FAILURE : g_test_run();
    for (guint i = 0; i < G_N_ELEMENTS(engines); i++) {
        engine_free(engines[i].world.engine);
        g_free(engines[i].world.image);
    }
    remove_sandbox();
    return status;
}
