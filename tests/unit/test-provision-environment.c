/* A container's environment. */
#include "provision/environment.h"

#include <string.h>

static WorkspaceRow row(void)
{
    return (WorkspaceRow){
        .id = "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        .name = (char *)"Frontend Engineer",
        .tier = 2,
        .runtime = (char *)"builtin",
    };
}

static const char *value_of(GHashTable *environment, const char *name)
{
    return g_hash_table_lookup(environment, name);
}

static void test_base_variables_are_there(void)
{
    WorkspaceRow workspace = row();
    const EnvironmentInput input = {.row = &workspace, .platform_url = "http://p:1"};
    g_autoptr(GHashTable) environment = environment_make(&input);

    g_assert_cmpstr(value_of(environment, "WORKSPACE_ID"), ==, workspace.id);
    g_assert_cmpstr(value_of(environment, "PLATFORM_URL"), ==, "http://p:1");
    g_assert_cmpstr(value_of(environment, "MOLECULE_URL"), ==, "http://p:1");
    g_assert_cmpstr(value_of(environment, "TIER"), ==, "2");
    g_assert_cmpstr(value_of(environment, "WORKSPACE_CONFIG_PATH"), ==, "/configs");
    g_assert_null(value_of(environment, "PARENT_ID"));
    g_assert_null(value_of(environment, "AWARENESS_NAMESPACE"));
    g_assert_null(value_of(environment, "WORKSPACE_NAME"));
}

static void test_secrets_win_except_over_reserved_names(void)
{
    WorkspaceRow workspace = row();
    g_autoptr(GHashTable) secrets = g_hash_table_new(g_str_hash, g_str_equal);
    EnvironmentInput input = {.row = &workspace, .platform_url = "http://p:1", .secrets = secrets};
    g_autoptr(GHashTable) environment = NULL;

    g_hash_table_insert(secrets, (char *)"PYTHONPATH", (char *)"/mine");
    g_hash_table_insert(secrets, (char *)"WORKSPACE_ID", (char *)"x");
    g_hash_table_insert(secrets, (char *)"PLATFORM_URL", (char *)"http://evil");
    g_hash_table_insert(secrets, (char *)"TIER", (char *)"4");
    g_hash_table_insert(secrets, (char *)"GIT_AUTHOR_NAME", (char *)"");
    g_hash_table_insert(secrets, (char *)"BAD=NAME", (char *)"x");
    g_hash_table_insert(secrets, (char *)"", (char *)"x");
    environment = environment_make(&input);
    g_assert_cmpstr(value_of(environment, "PYTHONPATH"), ==, "/mine");
    g_assert_cmpstr(value_of(environment, "WORKSPACE_ID"), ==, workspace.id);
    g_assert_cmpstr(value_of(environment, "PLATFORM_URL"), ==, "http://p:1");
    g_assert_cmpstr(value_of(environment, "TIER"), ==, "2");
    g_assert_cmpstr(value_of(environment, "GIT_AUTHOR_NAME"), ==, "");
    g_assert_cmpstr(value_of(environment, "GIT_COMMITTER_NAME"), ==,
                    "Molecule AI Frontend Engineer");
    g_assert_false(g_hash_table_contains(environment, "BAD=NAME"));
    g_assert_false(g_hash_table_contains(environment, ""));
}

static void test_git_mail_is_a_slug(void)
{
    static const struct {
        const char *name, *mail;
    } cases[] = {
        {"Frontend Engineer", "frontend-engineer@agents.moleculesai.app"},
        {"  Extra  Spaces  ", "extra-spaces@agents.moleculesai.app"},
        {"Role (with parens)", "role-with-parens@agents.moleculesai.app"},
        {"em—dash", "em-dash@agents.moleculesai.app"},
        {"---weird---", "weird@agents.moleculesai.app"},
        {"日本", "agent-7c9e6679@agents.moleculesai.app"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        WorkspaceRow workspace = row();
        g_autofree char *mail = NULL;

        workspace.name = (char *)cases[i].name;
        mail = environment_git_mail(&workspace);
        g_assert_cmpstr(mail, ==, cases[i].mail);
    }
}

static void test_role_parent_and_model_come_from_the_row(void)
{
    WorkspaceRow workspace = row();
    g_autoptr(GHashTable) secrets = g_hash_table_new(g_str_hash, g_str_equal);
    EnvironmentInput input = {.row = &workspace, .platform_url = "http://p:1", .secrets = secrets};
    g_autoptr(GHashTable) first = NULL;
    g_autoptr(GHashTable) second = NULL;

    workspace.role = (char *)"tester";
    workspace.model = (char *)"m-row";
    workspace.runtime = (char *)"hermes";
    strcpy(workspace.parent_id, "aaaaaaaa-7425-40de-944b-e07fc1f90ae7");
    first = environment_make(&input);
    g_assert_cmpstr(value_of(first, "MOLECULE_AGENT_ROLE"), ==, "tester");
    g_assert_cmpstr(value_of(first, "PARENT_ID"), ==, workspace.parent_id);
    g_assert_cmpstr(value_of(first, "HERMES_DEFAULT_MODEL"), ==, "m-row");
    g_assert_null(value_of(first, "MODEL_PROVIDER"));
    g_hash_table_insert(secrets, (char *)"MODEL_PROVIDER", (char *)"m-secret");
    second = environment_make(&input);
    g_assert_cmpstr(value_of(second, "HERMES_DEFAULT_MODEL"), ==, "m-secret");
}

static void test_builtin_agent_is_told_what_to_run(void)
{
    WorkspaceRow workspace = row();
    const EnvironmentInput input = {.row = &workspace,
                                    .platform_url = "http://p:1",
                                    .has_builtin_agent = TRUE,
                                    .agent_port = 20007};
    g_autoptr(GHashTable) environment = NULL;

    workspace.executor = (char *)"command";
    workspace.command = (char *)"[\"cat\"]";
    environment = environment_make(&input);
    g_assert_cmpstr(value_of(environment, "WORKSPACE_NAME"), ==, "Frontend Engineer");
    g_assert_cmpstr(value_of(environment, "WORKSPACE_AGENT_EXECUTOR"), ==, "command");
    g_assert_cmpstr(value_of(environment, "WORKSPACE_AGENT_COMMAND"), ==, "[\"cat\"]");
    g_assert_cmpstr(value_of(environment, "WORKSPACE_AGENT_PORT"), ==, "20007");
}

static void test_list_is_sorted_and_unique(void)
{
    WorkspaceRow workspace = row();
    const EnvironmentInput input = {
        .row = &workspace, .platform_url = "http://p:1", .awareness_url = "http://aware"};
    g_autoptr(GHashTable) environment = environment_make(&input);
    g_auto(GStrv) list = environment_list(environment);

    g_assert_cmpuint(g_strv_length(list), ==, g_hash_table_size(environment));
    for (guint i = 1; list[i]; i++)
        g_assert_cmpstr(list[i - 1], <, list[i]);
    g_assert_true(g_strv_contains((const char *const *)list,
                                  "AWARENESS_NAMESPACE=workspace:"
                                  "7c9e6679-7425-40de-944b-e07fc1f90ae7"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/provision/base-variables-are-there", test_base_variables_are_there);
    g_test_add_func("/provision/secrets-win-except-over-reserved-names",
                    test_secrets_win_except_over_reserved_names);
    g_test_add_func("/provision/git-mail-is-a-slug", test_git_mail_is_a_slug);
    g_test_add_func("/provision/role-parent-and-model-come-from-the-row",
                    test_role_parent_and_model_come_from_the_row);
    g_test_add_func("/provision/builtin-agent-is-told-what-to-run",
                    test_builtin_agent_is_told_what_to_run);
    g_test_add_func("/provision/list-is-sorted-and-unique", test_list_is_sorted_and_unique);
    return g_test_run();
}
