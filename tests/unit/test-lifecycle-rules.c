#include "lifecycle/rules.h"

#include <string.h>

static void assert_refused(gboolean ok, GError **error)
{
    g_assert_false(ok);
    g_assert_true(error_is(*error, ERROR_INVALID));
    g_clear_error(error);
}

static void test_lengths_count_bytes(void)
{
    g_autofree char *fits = g_strnfill(RULE_NAME_MAX, 'a');
    g_autofree char *one_more = g_strnfill(RULE_NAME_MAX + 1, 'a');
    g_autofree char *role = g_strnfill(RULE_ROLE_MAX + 1, 'a');
    GError *error = NULL;

    g_assert_true(rule_name(fits, NULL));
    assert_refused(rule_name(one_more, &error), &error);
    assert_refused(rule_role(role, &error), &error);
}

static void test_marks_of_yaml_and_line_breaks_are_refused(void)
{
    static const char *const bad[] = {"a{b", "a}b", "[", "]",    ">",   "*",
                                      "&",   "!",   "|", "a\nb", "a\rb"};
    GError *error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_refused(rule_name(bad[i], &error), &error);
    g_assert_true(rule_name("back\\slash \"quote\" < : # \t", NULL));
    assert_refused(rule_model("a\rb", &error), &error);
    g_assert_true(rule_model("a{b}", NULL));
}

static void test_runtime_is_a_name(void)
{
    static const char *const bad[] = {"../../etc", "/etc", "a/b", "a b", "..", "a\nb", "ä"};
    GError *error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_refused(rule_runtime(bad[i], &error), &error);
    g_assert_true(rule_runtime("claude-code", NULL));
    g_assert_true(rule_runtime("", NULL));
}

static void test_templates_stay_inside(void)
{
    GError *error = NULL;

    assert_refused(rule_template("../x", &error), &error);
    assert_refused(rule_template("a/../../x", &error), &error);
    assert_refused(rule_template("/abs", &error), &error);
    g_assert_true(rule_template("org/a..b", NULL));
}

static void test_host_folders(void)
{
    static const char *const bad[] = {"a/b",   "/etc/x", "/etc",       "//etc",   "/data/../x",
                                      "/a..b", "/usr",   "/var/lib/x", "/proc/1", "/lib"};
    GError *error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_refused(rule_workspace_dir(bad[i], NULL, &error), &error);
    g_assert_true(rule_workspace_dir("/home/me/work", NULL, NULL));
    g_assert_true(rule_workspace_dir("/etcetera", NULL, NULL));
    g_assert_true(rule_workspace_dir("/srv/a", "/srv:/home", NULL));
    assert_refused(rule_workspace_dir("/opt/a", "/srv:/home", &error), &error);
    assert_refused(rule_workspace_dir("/srv2", "/srv", &error), &error);
}

static void test_access_needs_a_folder(void)
{
    GError *error = NULL;

    g_assert_true(rule_workspace_access("none", NULL, NULL));
    g_assert_true(rule_workspace_access("read_only", "/a", NULL));
    assert_refused(rule_workspace_access("read_write", NULL, &error), &error);
    assert_refused(rule_workspace_access("all", "/a", &error), &error);
}

static void test_images(void)
{
    GError *error = NULL;

    g_assert_true(rule_image("ghcr.io/a/b:1.2@sha256:00ff", NULL));
    assert_refused(rule_image("a b", &error), &error);
    assert_refused(rule_image("../a", &error), &error);
    assert_refused(rule_image("-v", &error), &error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules/lengths-count-bytes", test_lengths_count_bytes);
    g_test_add_func("/rules/marks-of-yaml-and-line-breaks-are-refused",
                    test_marks_of_yaml_and_line_breaks_are_refused);
    g_test_add_func("/rules/runtime-is-a-name", test_runtime_is_a_name);
    g_test_add_func("/rules/templates-stay-inside", test_templates_stay_inside);
    g_test_add_func("/rules/host-folders", test_host_folders);
    g_test_add_func("/rules/access-needs-a-folder", test_access_needs_a_folder);
    g_test_add_func("/rules/images", test_images);
    return g_test_run();
}
