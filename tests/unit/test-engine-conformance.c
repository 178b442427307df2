/* The contract of engine.h, the same cases on every engine.
 *
 * WORKSPACED_TEST_ENGINE=docker|sandbox chooses one; unset: docker. An engine that is not there
 * registers no case, with a note, unless WORKSPACED_TEST_REQUIRE_ENGINE=1. The cases are in the
 * files beside this one. */
#include "engine/base_image.h"
#include "engine/sandbox_tree.h"
#include "test-engine-conformance-world.h"

#include <string.h>

static char *sandbox_directory; /* NULL: another engine */

static Engine *open_docker(GError **error)
{
    g_autoptr(Engine) opened = engine_docker_new(NULL, error);

    if (!opened || !engine_ping(opened, error))
        return NULL;
    quick_network = "none"; /* its bridge costs each container a quarter of a second */
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

static void add_cases(const char *name, const CaseRow *rows)
{
    for (; rows->path; rows++) {
        g_autofree char *path = g_strdup_printf("/engine/%s/%s", name, rows->path);
        g_test_add(path, Case, NULL, case_set_up, rows->function, case_tear_down);
    }
}

int main(int argc, char **argv)
{
    const char *name = g_getenv("WORKSPACED_TEST_ENGINE");
    gboolean is_required = g_strcmp0(g_getenv("WORKSPACED_TEST_REQUIRE_ENGINE"), "1") == 0;
    g_autoptr(GError) error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    name = name && *name ? name : "docker";
    engine = strcmp(name, "sandbox") == 0 ? open_sandbox(&error) : open_docker(&error);
    if (!engine || !base_image_ensure(engine, &image, &error)) {
        g_test_message("no %s here: %s", name, error->message);
        engine_free(engine);
        remove_sandbox();
        return is_required ? EXIT_FAILURE : g_test_run();
    }
    add_cases(name, life_cases);
    add_cases(name, inside_cases);
    add_cases(name, around_cases);
    status = g_test_run();
    engine_free(engine);
    remove_sandbox();
    g_free(image);
    return status;
}
