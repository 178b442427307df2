/* From a row to a container. */
#include "provision/container_spec.h"

#include <string.h>

#define ID "7c9e6679-7425-40de-944b-e07fc1f90ae7"

static void test_images_follow_runtime_and_row(void)
{
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);
    static const struct {
        const char *runtime, *image, *expected;
    } cases[] = {
        {"builtin", NULL, "base:1"},
        {NULL, NULL, "base:1"},
        {"builtin", "node:22", "node:22"},
        {"hermes", NULL, "ghcr.io/molecule-ai/workspace-template-hermes:latest"},
        {"hermes", "own/hermes:3", "own/hermes:3"},
        {"rocket", "own/rocket:3", "own/rocket:3"},
        {"rocket", NULL, NULL},
        {"external", NULL, NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        WorkspaceRow row = {
            .id = ID, .runtime = (char *)cases[i].runtime, .image = (char *)cases[i].image};
        g_autoptr(GError) error = NULL;
        g_autofree char *image = container_image_dup(&row, runtimes, "base:1", &error);

        g_assert_cmpstr(image, ==, cases[i].expected);
        g_assert_true(cases[i].expected || error_is(error, ERROR_INVALID));
    }
}

static void test_agent_is_injected_where_none_is(void)
{
    WorkspaceRow builtin = {.id = ID, .runtime = (char *)"builtin"};
    WorkspaceRow reference = {.id = ID, .runtime = (char *)"hermes"};
    WorkspaceRow with_executor = {
        .id = ID, .runtime = (char *)"hermes", .executor = (char *)"echo"};

    g_assert_true(container_has_builtin_agent(&builtin));
    g_assert_false(container_has_builtin_agent(&reference));
    g_assert_true(container_has_builtin_agent(&with_executor));
}

static void test_directories_follow_the_access(void)
{
    static const struct {
        const char *dir, *access, *fallback, *expected;
        gboolean read_only, valid;
    } cases[] = {
        {NULL, NULL, NULL, NULL, FALSE, TRUE},
        {NULL, "none", "/srv/all", NULL, FALSE, TRUE},
        {NULL, "read_write", "/srv/all", "/srv/all", FALSE, TRUE},
        {"/srv/x", "none", NULL, NULL, FALSE, TRUE},
        {"/srv/x", "read_only", NULL, "/srv/x", TRUE, TRUE},
        {"/srv/x", "read_write", NULL, "/srv/x", FALSE, TRUE},
        {"/srv/x", NULL, NULL, "/srv/x", FALSE, TRUE},
        {"/etc", "read_write", NULL, NULL, FALSE, FALSE},
        {"//etc/x", "read_write", NULL, NULL, FALSE, FALSE},
        {"/etcetera", "read_write", NULL, "/etcetera", FALSE, TRUE},
        {"/a..b", "read_write", NULL, NULL, FALSE, FALSE},
        {"relative", "read_write", NULL, NULL, FALSE, FALSE},
        {"/", "read_write", NULL, NULL, FALSE, FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        WorkspaceRow row = {.id = ID,
                            .workspace_dir = (char *)cases[i].dir,
                            .workspace_access = (char *)cases[i].access};
        const char *directory = NULL;
        gboolean read_only = FALSE;

        g_assert_cmpint(
            container_host_directory(&row, cases[i].fallback, &directory, &read_only, NULL), ==,
            cases[i].valid);
        if (cases[i].valid) {
            g_assert_cmpstr(directory, ==, cases[i].expected);
            g_assert_true(!directory || read_only == cases[i].read_only);
        }
    }
}

static void test_volumes_follow_tier_and_runtime(void)
{
    const Runtime plain = {.name = "x"}, coder = {.name = "claude-code", .has_sessions = TRUE};
    const TierCaps one = {.tier = 1, .configs_only = TRUE}, two = {.tier = 2};

    g_assert_cmpuint(container_volume_kinds(&coder, &one, FALSE), ==, 1u << VOLUME_CONFIGS);
    g_assert_cmpuint(container_volume_kinds(&plain, &two, FALSE), ==,
                     1u << VOLUME_CONFIGS | 1u << VOLUME_WORKSPACE);
    g_assert_cmpuint(container_volume_kinds(&plain, &two, TRUE), ==, 1u << VOLUME_CONFIGS);
    g_assert_cmpuint(container_volume_kinds(&coder, &two, FALSE), ==,
                     1u << VOLUME_CONFIGS | 1u << VOLUME_WORKSPACE | 1u << VOLUME_SESSIONS);
}

static ContainerPlan *plan_of(gint64 tier, const char *directory)
{
    WorkspaceRow row = {.id = ID, .tier = tier, .runtime = (char *)"builtin"};
    char *volumes[VOLUME_KINDS] = {[VOLUME_CONFIGS] = (char *)"vol-c"};
    g_autoptr(GHashTable) environment = g_hash_table_new(g_str_hash, g_str_equal);
    TierCaps caps;
    ContainerInput input = {
        .row = &row,
        .generation = 3,
        .installation = "inst",
        .name = "ws-7c9e6679-742",
        .image = "node:22",
        .network = "net",
        .volumes = volumes,
        .directory = directory,
        .directory_read_only = TRUE,
        .caps = &caps,
        .environment = environment,
        .agent_path = AGENT_PATH,
        .engine_has_socket = TRUE,
        .port = 8000,
    };

    g_assert_true(tier_caps(tier, &(TierOptions){0}, NULL, &caps, NULL));
    g_hash_table_insert(environment, (char *)"A", (char *)"1");
    if (tier > 1 && !directory)
        volumes[VOLUME_WORKSPACE] = (char *)"vol-w";
    return container_plan_new(&input);
}

static void test_tier_one_is_tight(void)
{
    g_autoptr(ContainerPlan) plan = plan_of(1, "/srv/x");
    const ContainerSpec *spec = &plan->spec;

    g_assert_true(spec->read_only_root && !spec->privileged && !spec->keep_capabilities);
    g_assert_cmpuint(spec->mount_count, ==, 2);
    g_assert_cmpstr(spec->mounts[0].target, ==, "/configs");
    g_assert_cmpint(spec->mounts[1].type, ==, ENGINE_MOUNT_TMPFS);
    g_assert_cmpstr(spec->mounts[1].target, ==, "/tmp");
}

static void test_tier_two_is_labelled_and_named(void)
{
    g_autoptr(ContainerPlan) plan = plan_of(2, NULL);
    const ContainerSpec *spec = &plan->spec;

    g_assert_cmpstr(spec->name, ==, "ws-7c9e6679-742");
    g_assert_cmpstr(spec->hostname, ==, "ws-7c9e6679-742");
    g_assert_cmpstr(spec->network, ==, "net");
    g_assert_cmpstr(spec->labels.installation, ==, "inst");
    g_assert_cmpstr(spec->labels.workspace, ==, ID);
    g_assert_cmpint(spec->labels.generation, ==, 3);
    g_assert_cmpstr(spec->entrypoint[0], ==, "/workspaced/agent");
    g_assert_null(spec->entrypoint[1]);
    g_assert_null(spec->user);
    g_assert_cmpstr(spec->environment[0], ==, "A=1");
    g_assert_cmpuint(spec->mount_count, ==, 2);
    g_assert_cmpstr(spec->mounts[1].source, ==, "vol-w");
}

static void test_tier_four_owns_the_host(void)
{
    g_autoptr(ContainerPlan) plan = plan_of(4, "/srv/x");
    const ContainerSpec *spec = &plan->spec;

    g_assert_true(spec->host_network && spec->privileged && spec->host_pid);
    g_assert_null(spec->network);
    g_assert_null(spec->hostname);
    g_assert_cmpuint(spec->mount_count, ==, 3);
    g_assert_true(spec->mounts[1].read_only);
    g_assert_cmpstr(spec->mounts[2].target, ==, ENGINE_SOCKET_PATH);
    g_assert_cmpuint(container_host_port(ID), >=, 20000);
    g_assert_cmpuint(container_host_port(ID), <, 30000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/provision/images-follow-runtime-and-row", test_images_follow_runtime_and_row);
    g_test_add_func("/provision/agent-is-injected-where-none-is",
                    test_agent_is_injected_where_none_is);
    g_test_add_func("/provision/directories-follow-the-access", test_directories_follow_the_access);
    g_test_add_func("/provision/volumes-follow-tier-and-runtime",
                    test_volumes_follow_tier_and_runtime);
    g_test_add_func("/provision/tier-one-is-tight", test_tier_one_is_tight);
    g_test_add_func("/provision/tier-two-is-labelled-and-named",
                    test_tier_two_is_labelled_and_named);
    g_test_add_func("/provision/tier-four-owns-the-host", test_tier_four_owns_the_host);
    return g_test_run();
}
