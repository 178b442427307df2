#include "api/fields.h"
#include "base/ids.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    char *name;
    gint64 number;
    gboolean flag;
    char id[ID_SIZE];
    JsonView object;
} Body;

static const Field fields[] = {
    {"name", FIELD_TEXT, offsetof(Body, name), TRUE},
    {"number", FIELD_INT, offsetof(Body, number), FALSE},
    {"flag", FIELD_BOOL, offsetof(Body, flag), FALSE},
    {"id", FIELD_ID, offsetof(Body, id), FALSE},
    {"object", FIELD_OBJECT, offsetof(Body, object), FALSE},
};

static gboolean decode(const char *text, Body *body, GError **error)
{
    return fields_decode(text, strlen(text), fields, G_N_ELEMENTS(fields), body, error);
}

static void test_all_types(void)
{
    Body body = {.number = 7};

    g_assert_true(
        decode("{\"NAME\":\"x\",\"name\":\"y\",\"flag\":true,\"number\":null,\"object\":{},"
               "\"id\":\"7C9E6679-7425-40DE-944B-E07FC1F90AE7\",\"other\":[]} trailing",
               &body, NULL));
    g_assert_cmpstr(body.name, ==, "y");
    g_assert_cmpint(body.number, ==, 7);
    g_assert_true(body.flag);
    g_assert_cmpstr(body.id, ==, "7c9e6679-7425-40de-944b-e07fc1f90ae7");
    g_assert_nonnull(body.object.start);
    g_free(body.name);
}

static void test_faults_name_the_field(void)
{
    static const struct {
        const char *text, *field;
    } bad[] = {
        {"{}", "name"},
        {"{\"name\":\"\"}", "name"},
        {"{\"name\":5}", "name"},
        {"{\"name\":\"a\\u0000b\"}", "name"},
        {"{\"name\":\"a\",\"number\":1.0}", "number"},
        {"{\"name\":\"a\",\"number\":\"1\"}", "number"},
        {"{\"name\":\"a\",\"flag\":1}", "flag"},
        {"{\"name\":\"a\",\"id\":\"x\"}", "id"},
        {"{\"name\":\"a\",\"object\":[]}", "object"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        Body body = {0};
        g_assert_false(decode(bad[i].text, &body, &error));
        g_assert_true(error_is(error, ERROR_INVALID));
        g_assert_nonnull(strstr(error->message, bad[i].field));
        g_free(body.name);
    }
}

static void test_no_object_is_refused(void)
{
    static const char *const bad[] = {"", "[]", "5", "\"x\"", "{", "\xef\xbb\xbf{}"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        Body body = {0};
        g_assert_false(decode(bad[i], &body, NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fields/all-types", test_all_types);
    g_test_add_func("/fields/faults-name-the-field", test_faults_name_the_field);
    g_test_add_func("/fields/no-object-is-refused", test_no_object_is_refused);
    return g_test_run();
}
