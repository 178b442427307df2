#include "auth/access.h"

#define MINE   "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#define OTHERS "11111111-1111-4111-8111-111111111111"

static void assert_bearer(const char *header, const char *expected)
{
    g_autofree char *token = access_bearer_dup(header);

    g_assert_cmpstr(token, ==, expected);
}

static void test_reading_a_bearer(void)
{
    assert_bearer(NULL, NULL);
    assert_bearer("", NULL);
    assert_bearer("xyz", NULL);
    assert_bearer("bearer x", NULL);
    assert_bearer("Bearer ", NULL);
    assert_bearer("Bearer abc123", "abc123");
    assert_bearer("Bearer   spaced  ", "spaced");
}

static Caller workspace_caller(const char *id)
{
    Caller caller = {.kind = CALLER_WORKSPACE, .has_bearer = TRUE};

    g_strlcpy(caller.workspace.workspace_id, id, ID_SIZE);
    return caller;
}

static void test_admin_class(void)
{
    Caller nobody = {0};
    Caller admin = {.kind = CALLER_ADMIN, .has_bearer = TRUE};
    Caller org = {.kind = CALLER_ORG, .has_bearer = TRUE};
    Caller open = {.kind = CALLER_NOBODY, .has_bearer = TRUE, .at_open_door = TRUE};
    Caller workspace = workspace_caller(MINE);
    g_autoptr(GError) error = NULL;

    g_assert_true(access_check_admin(&admin, NULL));
    g_assert_true(access_check_admin(&org, NULL));
    g_assert_true(
        access_check_admin(&open, NULL)); /* even with a wrong bearer; spec 03, 4.4 row 3 */
    g_assert_false(access_check_admin(&workspace, NULL));
    g_assert_false(access_check_admin(&nobody, &error));
    g_assert_cmpstr(error->message, ==, "admin auth required");
}

static void test_workspace_class(void)
{
    Caller nobody = {0};
    Caller wrong = {.has_bearer = TRUE, .at_open_door = TRUE};
    Caller open = {.kind = CALLER_OPEN, .at_open_door = TRUE};
    Caller workspace = workspace_caller(MINE);
    g_autoptr(GError) error = NULL;

    g_assert_true(access_check_workspace(&workspace, MINE, NULL));
    g_assert_false(access_check_workspace(&workspace, OTHERS, NULL));
    g_assert_true(access_check_workspace(&open, MINE, NULL));
    g_assert_false(access_check_workspace(&wrong, MINE, NULL));
    g_assert_false(access_check_workspace(&nobody, MINE, &error));
    g_assert_cmpstr(error->message, ==, "missing workspace auth token");
}

static gboolean talks_to_others(const char *caller, const char *target, void *data)
{
    (void)caller;
    (void)data;
    return g_str_equal(target, OTHERS);
}

static void test_read_class(void)
{
    Config config = {0};
    g_autoptr(Access) access = access_new(&config, "secret", NULL, NULL);
    Caller workspace = workspace_caller(MINE);
    Caller nobody = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(access_check_read(access, &workspace, OTHERS, talks_to_others, NULL, NULL));
    g_assert_false(access_check_read(access, &workspace, "x", talks_to_others, NULL, &error));
    g_assert_true(error_is(error, ERROR_FORBIDDEN));
    g_assert_false(access_check_read(access, &nobody, OTHERS, talks_to_others, NULL, NULL));
    config.public_workspace_get = TRUE;
    g_assert_true(access_check_read(access, &nobody, OTHERS, talks_to_others, NULL, NULL));
}

static void test_the_administrator_needs_no_database(void)
{
    Config config = {0};
    g_autoptr(Access) access = access_new(&config, "secret", NULL, NULL);
    Caller caller;

    g_assert_true(access_identify(access, "secret", FALSE, &caller, NULL));
    g_assert_cmpint(caller.kind, ==, CALLER_ADMIN);
    g_assert_true(access_identify(access, NULL, TRUE, &caller, NULL));
    g_assert_cmpint(caller.kind, ==, CALLER_NOBODY);
    config.open_access = TRUE;
    g_assert_true(access_identify(access, NULL, TRUE, &caller, NULL));
    g_assert_cmpint(caller.kind, ==, CALLER_OPEN);
    g_assert_true(access_identify(access, NULL, FALSE, &caller, NULL));
    g_assert_cmpint(caller.kind, ==, CALLER_NOBODY);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/access/reading-a-bearer", test_reading_a_bearer);
    g_test_add_func("/access/admin-class", test_admin_class);
    g_test_add_func("/access/workspace-class", test_workspace_class);
    g_test_add_func("/access/read-class", test_read_class);
    g_test_add_func("/access/the-administrator-needs-no-database",
                    test_the_administrator_needs_no_database);
    return g_test_run();
}
