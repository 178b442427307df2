/* Runtimes, names, tiers and the wish's document. */
#include "base/ids.h"
#include "provision/names.h"
#include "provision/runtimes.h"
#include "provision/tiers.h"
#include "provision/wish_spec.h"

#include <glib/gstdio.h>
#include <string.h>

static void test_runtimes_know_their_images(void)
{
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);

    g_assert_cmpstr(runtimes_find(runtimes, "langgraph")->image, ==,
                    "ghcr.io/molecule-ai/workspace-template-langgraph:latest");
    g_assert_cmpstr(runtimes_find(runtimes, " gemini-cli ")->name, ==, "gemini-cli");
    g_assert_cmpstr(runtimes_find(runtimes, NULL)->name, ==, "builtin");
    g_assert_cmpstr(runtimes_find(runtimes, "  ")->name, ==, "builtin");
    g_assert_null(runtimes_find(runtimes, "builtin")->image);
    g_assert_null(runtimes_find(runtimes, "external")->image);
    g_assert_true(runtimes_find(runtimes, "claude-code")->has_sessions);
    g_assert_null(runtimes_find(runtimes, "../../etc"));
}

static void test_unknown_runtimes_are_called_langgraph(void)
{
    static const char *const unknown[] = {"not-a-runtime", "../../sensitive", "langgraph\nevil"};
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(unknown); i++)
        g_assert_cmpstr(runtimes_allowed_name(runtimes, unknown[i]), ==, "langgraph");
    g_assert_cmpstr(runtimes_allowed_name(runtimes, "hermes"), ==, "hermes");
}

static void test_manifest_names_join(void)
{
    g_autofree char *dir = g_dir_make_tmp("provision-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "manifest.json", NULL);
    g_autoptr(Runtimes) runtimes = NULL;

    g_assert_true(g_file_set_contents(
        path,
        "{\"workspace_templates\":[{\"name\":\"rocket-default\"},{\"name\":\"../x\"},{\"name\":7},"
        "{\"name\":\"hermes\"}]}",
        -1, NULL));
    runtimes = runtimes_new("registry.local/agents/", "v2", path);
    g_assert_cmpstr(runtimes_find(runtimes, "rocket")->image, ==,
                    "registry.local/agents/rocket:v2");
    g_assert_null(runtimes_find(runtimes, "../x"));
    g_assert_cmpuint(runtimes_find(runtimes, "hermes")->provision_timeout_s, ==, 1800);
    g_assert_cmpuint(g_strv_length((char **)runtimes_names(runtimes)), ==, 12);
    g_remove(path);
    g_rmdir(dir);
}

static void test_provision_timeouts(void)
{
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);
    const Runtime *hermes = runtimes_find(runtimes, "hermes");

    g_assert_cmpuint(runtime_provision_timeout_s(NULL, 0, 0), ==, 600);
    g_assert_cmpuint(runtime_provision_timeout_s(hermes, 0, 0), ==, 1800);
    g_assert_cmpuint(runtime_provision_timeout_s(hermes, 7, 0), ==, 7);
    g_assert_cmpuint(runtime_provision_timeout_s(hermes, 0, 100), ==, 1800);
    g_assert_cmpuint(runtime_provision_timeout_s(NULL, 0, 900), ==, 1200);
}

static void test_names_have_a_short_and_a_full_form(void)
{
    static const char id[] = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    g_autofree char *short_name = container_name_dup(id, FALSE);
    g_autofree char *full_name = container_name_dup(id, TRUE);
    g_autofree char *configs = volume_name_dup(id, VOLUME_CONFIGS, FALSE);
    g_autofree char *configs_full = volume_name_dup(id, VOLUME_CONFIGS, TRUE);
    g_autofree char *sessions = volume_name_dup(id, VOLUME_SESSIONS, FALSE);
    g_autofree char *workspace = volume_name_dup(id, VOLUME_WORKSPACE, FALSE);
    g_autofree char *pinned = container_name_dup("longer-than-twelve-characters", FALSE);
    g_autofree char *tiny = container_name_dup("abc", FALSE);

    g_assert_cmpstr(short_name, ==, "ws-7c9e6679-742");
    g_assert_cmpstr(full_name, ==, "ws-7c9e6679-7425-40de-944b-e07fc1f90ae7");
    g_assert_cmpstr(configs, ==, "ws-7c9e6679-742-configs");
    g_assert_cmpstr(configs_full, ==, "ws-7c9e6679-7425-40de-944b-e07fc1f90ae7-configs");
    g_assert_cmpstr(sessions, ==, "ws-7c9e6679-742-claude-sessions");
    g_assert_cmpstr(workspace, ==, "ws-7c9e6679-7425-40de-944b-e07fc1f90ae7-workspace");
    g_assert_cmpstr(pinned, ==, "ws-longer-than-");
    g_assert_cmpstr(tiny, ==, "ws-abc");
}

static TierCaps caps_of(gint64 tier, const TierOptions *options, const EngineInfo *info)
{
    TierCaps caps = {0};

    g_assert_true(tier_caps(tier, options, info, &caps, NULL));
    return caps;
}

static void test_tiers_have_their_caps(void)
{
    const TierOptions none = {0};
    TierCaps one = caps_of(1, &none, NULL), two = caps_of(2, &none, NULL);
    TierCaps three = caps_of(3, &none, NULL), four = caps_of(4, &none, NULL);

    g_assert_true(one.read_only_root && one.configs_only && !one.privileged);
    g_assert_cmpint(one.temporary_bytes, ==, 64 << 20);
    g_assert_cmpint(one.memory_bytes, ==, 512 << 20);
    g_assert_cmpint(two.memory_bytes, ==, 512 << 20);
    g_assert_cmpint(two.nano_cpus, ==, 1000000000);
    g_assert_cmpint(two.pids_limit, >, 0);
    g_assert_true(three.privileged && three.host_pid && !three.host_network);
    g_assert_cmpint(three.memory_bytes, ==, G_GINT64_CONSTANT(2048) << 20);
    g_assert_true(four.host_network && four.has_engine_socket);
    for (gint64 odd = -1; odd <= 99; odd += 100)
        g_assert_cmpint(caps_of(odd, &none, NULL).memory_bytes, ==, two.memory_bytes);
}

static void test_tiers_take_overrides_and_are_clamped(void)
{
    const TierOptions options = {.memory_mb = {[3] = 8192, [2] = -5}, .cpu_shares = {[3] = 4096}};
    const EngineInfo info = {.cpus = 2,
                             .memory_bytes = G_GINT64_CONSTANT(4) << 30,
                             .limits_memory = TRUE,
                             .limits_cpu = TRUE};

    g_assert_cmpint(caps_of(3, &options, NULL).memory_bytes, ==, G_GINT64_CONSTANT(8) << 30);
    g_assert_cmpint(caps_of(3, &options, NULL).nano_cpus, ==, G_GINT64_CONSTANT(4000000000));
    g_assert_true(caps_of(3, &options, NULL).privileged);
    g_assert_cmpint(caps_of(2, &options, NULL).memory_bytes, ==, 512 << 20);
    g_assert_cmpint(caps_of(3, &options, &info).memory_bytes, ==, info.memory_bytes);
    g_assert_cmpint(caps_of(4, &options, &info).nano_cpus, ==, G_GINT64_CONSTANT(2000000000));
    g_assert_true(caps_of(2, &options, &info).pids_unenforced);
    g_assert_false(caps_of(2, &options, &info).memory_unenforced);
}

static void test_privileged_tiers_can_be_forbidden(void)
{
    const TierOptions options = {.forbid_privileged = TRUE};
    g_autoptr(GError) error = NULL;
    TierCaps caps;

    g_assert_false(tier_caps(3, &options, NULL, &caps, &error));
    g_assert_true(error_is(error, ERROR_INVALID));
    g_assert_true(tier_caps(2, &options, NULL, &caps, NULL));
}

static void test_wish_document_is_read_back(void)
{
    g_autofree char *text = wish_spec_text("researcher", TRUE);
    g_autoptr(WishSpec) spec = wish_spec_parse(text);
    g_autoptr(WishSpec) nothing = wish_spec_parse(WISH_SPEC_NOTHING);
    g_autoptr(WishSpec) broken = wish_spec_parse("{\"template\":7,\"reset_sessions\":\"x\"");
    g_autoptr(WishSpec) absent = wish_spec_parse(NULL);

    g_autofree char *again = wish_spec_text("researcher", TRUE);
    g_autofree char *empty = wish_spec_text(NULL, FALSE);

    g_assert_cmpstr(spec->template_name, ==, "researcher");
    g_assert_true(spec->reset_sessions);
    g_assert_cmpuint(strlen(spec->order), ==, ID_SIZE - 1);
    g_assert_cmpstr(again, !=, text); /* the same asked for twice is two orders */
    g_assert_cmpstr(empty, ==, WISH_SPEC_NOTHING);
    g_assert_cmpstr(nothing->order, ==, "");
    g_assert_cmpstr(absent->order, ==, "");
    g_assert_true(!nothing->template_name && !nothing->reset_sessions);
    g_assert_true(!broken->template_name && !broken->reset_sessions);
    g_assert_null(absent->template_name);
}

/* A reset that is still to be done outlives an order for a template, and the other way round. */
static void test_orders_stand_side_by_side(void)
{
    g_autofree char *reset = wish_spec_text(NULL, TRUE);
    g_autofree char *both = wish_spec_join(reset, "researcher", FALSE);
    g_autofree char *renewed = wish_spec_join(both, NULL, TRUE);
    g_autoptr(WishSpec) first = wish_spec_parse(reset);
    g_autoptr(WishSpec) second = wish_spec_parse(both);
    g_autoptr(WishSpec) third = wish_spec_parse(renewed);

    g_assert_true(second->reset_sessions);
    g_assert_cmpstr(second->reset_order, ==, first->reset_order);
    g_assert_cmpstr(second->template_name, ==, "researcher");
    g_assert_cmpstr(third->template_name, ==, "researcher");
    g_assert_cmpstr(third->order, ==, second->order);
    g_assert_cmpstr(third->reset_order, !=, second->reset_order);
}

static void test_wish_document_of_before_is_understood(void)
{
    static const char id[] = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    g_autofree char *text = g_strdup_printf("{\"reset_sessions\":true,\"order\":\"%s\"}", id);
    g_autofree char *joined = wish_spec_join(text, "researcher", FALSE);
    g_autoptr(WishSpec) spec = wish_spec_parse(joined);

    g_assert_true(spec->reset_sessions);
    g_assert_cmpstr(spec->reset_order, ==, id);
    g_assert_cmpstr(spec->order, !=, id);
}

static void test_volume_names_are_read_back(void)
{
    char *names[VOLUME_KINDS] = {[VOLUME_CONFIGS] = (char *)"a", [VOLUME_WORKSPACE] = (char *)"b"};
    g_autofree char *text = volume_names_text(names);
    char **read = volume_names_parse(text);

    g_assert_cmpstr(text, ==, "{\"configs\":\"a\",\"workspace\":\"b\"}");
    g_assert_cmpstr(read[VOLUME_CONFIGS], ==, "a");
    g_assert_null(read[VOLUME_SESSIONS]);
    g_assert_cmpstr(read[VOLUME_WORKSPACE], ==, "b");
    volume_names_free(read);
    g_assert_null(volume_names_parse(NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/provision/runtimes-know-their-images", test_runtimes_know_their_images);
    g_test_add_func("/provision/unknown-runtimes-are-called-langgraph",
                    test_unknown_runtimes_are_called_langgraph);
    g_test_add_func("/provision/manifest-names-join", test_manifest_names_join);
    g_test_add_func("/provision/timeouts", test_provision_timeouts);
    g_test_add_func("/provision/names-have-a-short-and-a-full-form",
                    test_names_have_a_short_and_a_full_form);
    g_test_add_func("/provision/tiers-have-their-caps", test_tiers_have_their_caps);
    g_test_add_func("/provision/tiers-take-overrides-and-are-clamped",
                    test_tiers_take_overrides_and_are_clamped);
    g_test_add_func("/provision/privileged-tiers-can-be-forbidden",
                    test_privileged_tiers_can_be_forbidden);
    g_test_add_func("/provision/wish-document-is-read-back", test_wish_document_is_read_back);
    g_test_add_func("/provision/orders-stand-side-by-side", test_orders_stand_side_by_side);
    g_test_add_func("/provision/wish-document-of-before-is-understood",
                    test_wish_document_of_before_is_understood);
    g_test_add_func("/provision/volume-names-are-read-back", test_volume_names_are_read_back);
    return g_test_run();
}
