/* Settings: where they come from, what is refused; the grammar of .env files (spec 02 section 4).
 */
#include "base/config.h"
#include "base/dotenv.h"

#include <glib/gstdio.h>
#include <string.h>

static void test_every_line_of_the_grammar(void)
{
    static const struct {
        const char *line, *key, *value; /* key NULL: ignored */
    } cases[] = {
        {"", NULL, NULL},
        {"   ", NULL, NULL},
        {"# c", NULL, NULL},
        {"   # c", NULL, NULL},
        {"FOO", NULL, NULL},
        {"=BAR", NULL, NULL},
        {"FOO=bar", "FOO", "bar"},
        {"  FOO=bar", "FOO", "bar"},
        {"FOO=bar  ", "FOO", "bar"},
        {"FOO  =bar", "FOO", "bar"},
        {"FOO=bar # c", "FOO", "bar"},
        {"FOO=bar\t# c", "FOO", "bar"},
        {"FOO=bar      # c", "FOO", "bar"},
        {"FOO=bar#nocomment", "FOO", "bar#nocomment"},
        {"URL=postgres://u:p@h:5432/db?sslmode=disable", "URL",
         "postgres://u:p@h:5432/db?sslmode=disable"},
        {"TOKEN=aaa.bbb.ccc=", "TOKEN", "aaa.bbb.ccc="},
        {"FOO=", "FOO", ""},
        {"ADMIN_TOKEN=", "ADMIN_TOKEN", ""},
        {"CONFIGS_DIR=      # text", "CONFIGS_DIR", ""},
        {"FOO=    # c", "FOO", ""},
        {"FOO=\t# c", "FOO", ""},
        {"export FOO=bar", "FOO", "bar"},
        {"  export FOO=bar", "FOO", "bar"},
        {"export DATABASE_URL=postgres://x", "DATABASE_URL", "postgres://x"},
        {"FOO=\"hello world\"", "FOO", "hello world"},
        {"FOO='hello world'", "FOO", "hello world"},
        {"FOO=\"value # not a comment\"", "FOO", "value # not a comment"},
        {"FOO=  \"padded\"", "FOO", "padded"},
        {"FOO=\"unterminated", "FOO", "\"unterminated"},
        {"FOO=bar\r", "FOO", "bar"},
        {"\xEF\xBB\xBF"
         "FOO=bar",
         "FOO", "bar"},
        {"FOO=\"\"", "FOO", ""},
        {"FOO=\"", "FOO", "\""},
        {"FOO=\"a\"b", "FOO", "a"},
        {"FOO=\"a\\\"b\"", "FOO", "a\\"},
        {"export\tFOO=1", NULL, NULL},
        {"A-B=1", NULL, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GHashTable) values = dotenv_parse(cases[i].line, strlen(cases[i].line));
        g_assert_cmpuint(g_hash_table_size(values), ==, cases[i].key ? 1 : 0);
        if (cases[i].key)
            g_assert_cmpstr(g_hash_table_lookup(values, cases[i].key), ==, cases[i].value);
    }
}

static void test_the_first_assignment_wins_and_long_lines_are_skipped(void)
{
    g_autofree char *long_value = g_strnfill(70000, 'x');
    g_autofree char *text = g_strconcat("A=1\nLONG=", long_value, "\nA=2\nB=3", NULL);
    g_autoptr(GHashTable) values = dotenv_parse(text, strlen(text));

    g_assert_cmpstr(g_hash_table_lookup(values, "A"), ==, "1");
    g_assert_cmpstr(g_hash_table_lookup(values, "B"), ==, "3");
    g_assert_false(g_hash_table_contains(values, "LONG"));
}

typedef struct {
    char *root, *deep, *file;
} Folders;

static void folders_set_up(Folders *folders, gconstpointer with_marker)
{
    g_autofree char *marker = NULL;

    folders->root = g_dir_make_tmp("config-XXXXXX", NULL);
    folders->deep = g_build_filename(folders->root, "a", "b", "c", NULL);
    g_assert_cmpint(g_mkdir_with_parents(folders->deep, 0700), ==, 0);
    if (with_marker) {
        g_autofree char *module = g_build_filename(folders->root, "workspace-server", NULL);
        g_mkdir(module, 0700);
        marker = g_build_filename(module, "go.mod", NULL);
        g_assert_true(g_file_set_contents(marker, "", 0, NULL));
    }
    folders->file = g_build_filename(folders->root, ".env", NULL);
    g_assert_true(g_file_set_contents(folders->file, "PORT=1234\nDEFAULT_TIER=1\n", -1, NULL));
}

static void folders_tear_down(Folders *folders, gconstpointer unused)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folders->root);

    (void)unused;
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(folders->root);
    g_free(folders->deep);
    g_free(folders->file);
}

static void test_file_is_found_from_below(Folders *folders, gconstpointer unused)
{
    static const char *const none[] = {NULL};
    static const char *const environment[] = {"DEFAULT_TIER=", "HOME=/home/x", NULL};
    g_autoptr(Config) config = config_load(none, environment, folders->deep, NULL);

    (void)unused;
    g_assert_nonnull(config);
    g_assert_cmpint(config->port, ==, 1234);
    g_assert_cmpint(config->default_tier, ==,
                    2); /* set but empty in the process: the file does not change it */
    g_assert_nonnull(config->env_file);
}

static void test_file_without_marker_is_ignored(Folders *folders, gconstpointer unused)
{
    g_autofree char *found = dotenv_find(folders->deep);

    (void)unused;
    g_assert_null(found);
}

static Config *load(const char *const *argv, const char *const *environment, GError **error)
{
    return config_load(argv, environment, "/", error);
}

static void test_flags_win_over_variables(void)
{
    static const char *const argv[] = {"--port", "9", "--engine=none", NULL};
    static const char *const environment[] = {"PORT=8", "RATE_LIMIT=nope", "MOLECULE_ENV= Dev ",
                                              NULL};
    g_autoptr(Config) config = load(argv, environment, NULL);

    g_assert_nonnull(config);
    g_assert_cmpint(config->port, ==, 9);
    g_assert_cmpstr(config->engine, ==, "none");
    g_assert_cmpint(config->rate_limit, ==, 600);
    g_assert_true(config->development);
    g_assert_true(config->open_access);
}

static void test_bad_settings_are_named(void)
{
    static const struct {
        const char *flag, *variable, *needle;
    } cases[] = {
        {"--nope=1", "A=1", "--nope"},
        {"--port=x", "A=1", "PORT"},
        {"--port=65536", "A=1", "PORT"},
        {"--port", "A=1", "needs a value"},
        {"--admin-token=x", "A=1", "unknown option"},
        {NULL, "WORKSPACED_ENGINE=lxc", "WORKSPACED_ENGINE"},
        {NULL, "PUBLIC_WORKSPACE_GET=maybe", "true or false"},
        {NULL, "WORKSPACED_LOG_LEVEL=loud", "WORKSPACED_LOG_LEVEL"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *argv[] = {cases[i].flag, NULL};
        const char *environment[] = {cases[i].variable, NULL};
        g_autoptr(GError) error = NULL;
        g_assert_null(load(argv, environment, &error));
        g_assert_true(error_is(error, ERROR_INVALID));
        g_assert_nonnull(strstr(error->message, cases[i].needle));
    }
}

static void test_saas_mode(void)
{
    static const struct {
        const char *mode, *org;
        gboolean saas;
    } cases[] = {
        {"MOLECULE_DEPLOY_MODE= SaaS ", "A=1", TRUE},
        {"MOLECULE_DEPLOY_MODE=self-hosted", "MOLECULE_ORG_ID=o", FALSE},
        {"MOLECULE_DEPLOY_MODE=prod", "MOLECULE_ORG_ID=o", FALSE},
        {"MOLECULE_DEPLOY_MODE=", "MOLECULE_ORG_ID=o", TRUE},
        {"A=1", "MOLECULE_ORG_ID= ", FALSE},
        {"A=1", "B=1", FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const char *const none[] = {NULL};
        const char *environment[] = {cases[i].mode, cases[i].org, NULL};
        g_autoptr(Config) config = load(none, environment, NULL);
        g_assert_nonnull(config);
        g_assert_cmpint(config->saas, ==, cases[i].saas);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dotenv/every-line-of-the-grammar", test_every_line_of_the_grammar);
    g_test_add_func("/dotenv/the-first-assignment-wins-and-long-lines-are-skipped",
                    test_the_first_assignment_wins_and_long_lines_are_skipped);
    g_test_add("/dotenv/file-is-found-from-below", Folders, "marker", folders_set_up,
               test_file_is_found_from_below, folders_tear_down);
    g_test_add("/dotenv/file-without-marker-is-ignored", Folders, NULL, folders_set_up,
               test_file_without_marker_is_ignored, folders_tear_down);
    g_test_add_func("/config/flags-win-over-variables", test_flags_win_over_variables);
    g_test_add_func("/config/bad-settings-are-named", test_bad_settings_are_named);
    g_test_add_func("/config/saas-mode", test_saas_mode);
    return g_test_run();
}
