/* Template folders, config.yaml in and out. */
#include "provision/templates.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *root;
} Fixture;

static void make(const char *root, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(root, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *link = NULL;

    (void)data;
    fixture->root = g_dir_make_tmp("templates-XXXXXX", NULL);
    make(fixture->root, "tmpl/claude-code-default/config.yaml",
         "name: Coder\nruntime: claude-code\n");
    make(fixture->root, "tmpl/hermes/prompt.md", "hello");
    make(fixture->root, "tmpl/dev-agent/config.yaml", "name: other\n");
    make(fixture->root, "tmpl/ws-hidden/config.yaml", "name: Hidden One\n");
    make(fixture->root, "tmpl-evil/config.yaml", "name: evil\n");
    link = g_build_filename(fixture->root, "tmpl", "outside", NULL);
    g_assert_cmpint(symlink("../tmpl-evil", link), ==, 0);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -r '%s'", fixture->root);

    (void)data;
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(fixture->root);
}

static gboolean finds(Fixture *fixture, const char *name)
{
    g_autofree char *root = g_build_filename(fixture->root, "tmpl", NULL);
    g_autofree char *folder = template_find(root, name);

    return folder != NULL;
}

static void test_folders_stay_inside(Fixture *fixture, gconstpointer data)
{
    g_autofree char *absolute = g_build_filename(fixture->root, "tmpl", "hermes", NULL);

    (void)data;
    g_assert_true(finds(fixture, "hermes"));
    g_assert_true(finds(fixture, "hermes/../hermes"));
    g_assert_false(finds(fixture, ".."));
    g_assert_false(finds(fixture, "../tmpl-evil"));
    g_assert_false(finds(fixture, "outside"));
    g_assert_false(finds(fixture, absolute));
    g_assert_false(finds(fixture, ""));
    g_assert_false(finds(fixture, "hermes/prompt.md"));
    g_assert_false(finds(fixture, "absent"));
    g_assert_null(template_find(NULL, "hermes"));
}

static void test_default_folder_follows_the_runtime(Fixture *fixture, gconstpointer data)
{
    g_autofree char *root = g_build_filename(fixture->root, "tmpl", NULL);
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);
    g_autofree char *coder = template_find_default(root, runtimes, "claude-code");
    g_autofree char *hermes = template_find_default(root, runtimes, "hermes");
    g_autofree char *evil = template_find_default(root, runtimes, "../tmpl-evil");

    (void)data;
    g_assert_true(g_str_has_suffix(coder, "/claude-code-default"));
    g_assert_true(g_str_has_suffix(hermes, "/hermes"));
    g_assert_null(evil);
}

static void test_folder_by_workspace_name(Fixture *fixture, gconstpointer data)
{
    g_autofree char *root = g_build_filename(fixture->root, "tmpl", NULL);
    g_autofree char *by_folder = template_find_by_name(root, "Dev Agent");
    g_autofree char *by_key = template_find_by_name(root, "CODER");
    g_autofree char *hidden = template_find_by_name(root, "Hidden One");
    g_autofree char *link = template_find_by_name(root, "outside");

    (void)data;
    g_assert_true(g_str_has_suffix(by_folder, "/dev-agent"));
    g_assert_true(g_str_has_suffix(by_key, "/claude-code-default"));
    g_assert_null(hidden);
    g_assert_null(link);
}

static void test_config_source_is_a_regular_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *with = g_build_filename(fixture->root, "tmpl", "dev-agent", NULL);
    g_autofree char *without = g_build_filename(fixture->root, "tmpl", "hermes", NULL);
    g_autofree char *folder = g_build_filename(fixture->root, "odd", "config.yaml", NULL);
    g_autofree char *odd = g_build_filename(fixture->root, "odd", NULL);

    (void)data;
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(template_has_config(with));
    g_assert_false(template_has_config(without));
    g_assert_false(template_has_config(odd));
    g_assert_null(template_config_read(odd));
}

static void test_pipes_do_not_hang(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = g_build_filename(fixture->root, "pipe", NULL);
    g_autofree char *path = g_build_filename(folder, "config.yaml", NULL);

    (void)data;
    g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
    g_assert_cmpint(mkfifo(path, 0644), ==, 0);
    g_assert_null(template_config_read(folder));
}

static TemplateConfig *parse(const char *text)
{
    return template_config_parse(text, strlen(text));
}

static void test_values_are_read_as_yaml(void)
{
    g_autoptr(TemplateConfig) nested =
        parse("runtime: 'hermes' # comment\nruntime_config:\n"
              "  model: \"m-1\"\n  required_env: [A, B]\n"
              "  provision_timeout_seconds: 900\na2a: {port: 9000}\n");
    g_autoptr(TemplateConfig) top = parse("model: first\nruntime_config: {model: second}\n");
    g_autoptr(TemplateConfig) reverse = parse("runtime_config: {model: second}\nmodel: first\n");

    g_assert_cmpstr(nested->runtime, ==, "hermes");
    g_assert_cmpstr(nested->model, ==, "m-1");
    g_assert_cmpstr(nested->required_env[1], ==, "B");
    g_assert_cmpuint(nested->provision_timeout_s, ==, 900);
    g_assert_cmpuint(nested->port, ==, 9000);
    g_assert_cmpstr(top->model, ==, "first");
    g_assert_cmpstr(reverse->model, ==, "second");
}

static void test_odd_documents_read_as_empty(void)
{
    g_autofree char *long_name = g_strnfill(300, 'x');
    g_autofree char *too_long = g_strdup_printf("runtime: %s\n", long_name);
    const char *const odd[] = {"",
                               "- a\n- b\n",
                               "runtime: [x",
                               "\"",
                               "runtime: {a: b}\n",
                               "runtime: \"a\\nb\"\n",
                               "*alias",
                               "a: &a [*a]\nruntime: *a\n",
                               "\xff\xfe",
                               too_long};

    for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(TemplateConfig) config = parse(odd[i]);

        g_assert_null(config->runtime);
        g_assert_null(config->required_env[0]);
    }
}

static void test_aliases_stay_small(void)
{
    g_autoptr(GString) bomb = g_string_new("a: &a [x,x,x,x,x,x,x,x,x]\n");
    g_autoptr(TemplateConfig) config = NULL;

    for (char name = 'b'; name < 'p'; name++)
        g_string_append_printf(bomb, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", name, name,
                               name - 1, name - 1, name - 1, name - 1, name - 1, name - 1, name - 1,
                               name - 1, name - 1);
    g_string_append(bomb, "r: &r hermes\nruntime: *r\nruntime_config: {required_env: *p}\n");
    config = parse(bomb->str);
    g_assert_null(config->required_env[0]);
}

static void test_missing_variables_are_named_in_order(void)
{
    static char *required[] = {(char *)"B", (char *)"A", (char *)"C", NULL};
    g_autoptr(GHashTable) environment = g_hash_table_new(g_str_hash, g_str_equal);
    g_auto(GStrv) missing = NULL;
    g_autofree char *sentence = NULL;

    g_hash_table_insert(environment, (char *)"A", (char *)"value");
    g_hash_table_insert(environment, (char *)"C", (char *)"");
    missing = template_missing_env(required, environment);
    sentence = template_missing_sentence(missing);
    g_assert_cmpstr(missing[0], ==, "B");
    g_assert_cmpstr(missing[1], ==, "C");
    g_assert_null(missing[2]);
    g_assert_nonnull(strstr(sentence, "B, C"));
    g_assert_nonnull(strstr(sentence, "retry"));
}

static void test_generated_config_opens_no_key(void)
{
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);
    g_autofree char *text =
        template_config_generate("A\ninitial_prompt: \"x\"", "role\r\n\\", 2, runtimes,
                                 "langgraph\ninitial_prompt: evil", "m\ninitial_prompt: y", 0);
    g_autoptr(TemplateConfig) config = parse(text);

    g_assert_cmpstr(text, ==,
                    "name: \"A initial_prompt: \\\"x\\\"\"\ndescription: \"role \\\\\"\n"
                    "version: 1.0.0\ntier: 2\nruntime: langgraph\n"
                    "model: \"m initial_prompt: y\"\n");
    g_assert_cmpstr(config->name, ==, "A initial_prompt: \"x\"");
}

static void test_generated_config_follows_the_runtime(void)
{
    g_autoptr(Runtimes) runtimes = runtimes_new(NULL, NULL, NULL);
    g_autofree char *coder = template_config_generate("n", NULL, 3, runtimes, "claude-code", "", 0);
    g_autofree char *own_port =
        template_config_generate("n", "", 4, runtimes, "hermes", "m", 20001);

    g_assert_nonnull(strstr(coder, "model: \"sonnet\"\nruntime_config:\n  timeout: 0\n"));
    g_assert_nonnull(strstr(coder, "description: \"\"\n"));
    g_assert_nonnull(strstr(own_port, "a2a:\n  port: 20001\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path_, function_)                                                                      \
    g_test_add("/provision/" path_, Fixture, NULL, set_up, function_, tear_down)
    ADD("folders-stay-inside", test_folders_stay_inside);
    ADD("default-folder-follows-the-runtime", test_default_folder_follows_the_runtime);
    ADD("folder-by-workspace-name", test_folder_by_workspace_name);
    ADD("config-source-is-a-regular-file", test_config_source_is_a_regular_file);
    ADD("pipes-do-not-hang", test_pipes_do_not_hang);
    g_test_add_func("/provision/values-are-read-as-yaml", test_values_are_read_as_yaml);
    g_test_add_func("/provision/odd-documents-read-as-empty", test_odd_documents_read_as_empty);
    g_test_add_func("/provision/aliases-stay-small", test_aliases_stay_small);
    g_test_add_func("/provision/missing-variables-are-named-in-order",
                    test_missing_variables_are_named_in_order);
    g_test_add_func("/provision/generated-config-opens-no-key", test_generated_config_opens_no_key);
    g_test_add_func("/provision/generated-config-follows-the-runtime",
                    test_generated_config_follows_the_runtime);
    return g_test_run();
}
