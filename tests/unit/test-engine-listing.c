/* Lists of the daemon's that are hardly ever new: what is handed out again, what is read, and that
 * a list which cannot be read changes nothing. */
#include "engine/docker/docker.h"
#include "engine/docker/info.h"

#include <string.h>

#define COUNT 50

/* ---- What the daemon says ---- */

static char *container_dup(guint number, const char *status)
{
    return g_strdup_printf(
        "{\"Id\":\"%064u\",\"Names\":[\"/ws-%u\"],\"Image\":\"base\",\"State\":\"running\","
        "\"Status\":\"%s\",\"Created\":%u,\"Labels\":{\"workspaced.installation\":\"%s\","
        "\"workspaced.workspace\":\"id-%u\",\"workspaced.generation\":\"1\"}}",
        number, number, status, 1000 + number, number % 10 == 9 ? "theirs" : "ours", number);
}

static GPtrArray *containers_new(void)
{
    GPtrArray *containers = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < COUNT; i++)
        g_ptr_array_add(containers, container_dup(i, "Up 1 minute"));
    return containers;
}

static GString *text_of(const GPtrArray *elements)
{
    GString *text = g_string_new("[");

    for (guint i = 0; i < elements->len; i++)
        g_string_append_printf(text, "%s%s", i ? "," : "", (const char *)elements->pdata[i]);
    return g_string_append(text, "]\n");
}

static GPtrArray *read_all(DockerListing *listing, const GPtrArray *elements)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *values = NULL;

    g_assert_true(docker_info_from_list(listing, text_of(elements), NULL, &values, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(values->len, ==, elements->len);
    return values;
}

static const ContainerInfo *find(const GPtrArray *values, const char *name)
{
    for (guint i = 0; i < values->len; i++)
        if (strcmp(((ContainerInfo *)values->pdata[i])->name, name) == 0)
            return values->pdata[i];
    return NULL;
}

/* ---- Containers ---- */

static void test_the_same_list_is_not_read_again(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();
    g_autoptr(GPtrArray) first = read_all(listing, elements);
    g_autoptr(GPtrArray) again = NULL;

    g_assert_cmpuint(docker_listing_news(listing), ==, COUNT);
    again = read_all(listing, elements);
    g_assert_cmpuint(docker_listing_news(listing), ==, 0);
    for (guint i = 0; i < COUNT; i++)
        g_assert_true(first->pdata[i] == again->pdata[i]);
}

static void test_order_does_not_matter(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();
    g_autoptr(GPtrArray) first = read_all(listing, elements);

    for (guint round = 1; round < 5; round++) {
        g_autoptr(GPtrArray) again = NULL;

        for (guint i = 0; i < COUNT / 2; i++) {
            guint other = (i * 7 + round) % COUNT;
            gpointer text = elements->pdata[i];
            elements->pdata[i] = elements->pdata[other];
            elements->pdata[other] = text;
        }
        again = read_all(listing, elements);
        g_assert_cmpuint(docker_listing_news(listing), ==, 0);
        for (guint i = 0; i < COUNT; i++) {
            const ContainerInfo *info = again->pdata[i];

            g_assert_nonnull(strstr(elements->pdata[i], info->id));
            g_assert_true(find(first, info->name) == info);
        }
    }
}

/* One byte of one of them, in every place that matters; the others are known. */
static void test_what_changed_is_read(void)
{
    static const char *const other[] = {"Up 2 minutes", "Up 1 minute (unhealthy)",
                                        "Exited (137) 1 second ago"};
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();

    for (guint i = 0; i < COUNT; i++) {
        g_autoptr(GPtrArray) before = read_all(listing, elements);
        g_autoptr(GPtrArray) after = NULL;
        const ContainerInfo *info = NULL;

        g_free(elements->pdata[i]);
        elements->pdata[i] = container_dup(i, other[i % G_N_ELEMENTS(other)]);
        after = read_all(listing, elements);
        g_assert_cmpuint(docker_listing_news(listing), ==, 1);
        info = after->pdata[i];
        g_assert_true(info != before->pdata[i]);
        g_assert_cmpint(info->exit_code, ==, i % 3 == 2 ? 137 : 0);
        g_assert_cmpint(info->health == HEALTH_UNHEALTHY, ==, i % 3 == 1);
        g_assert_cmpstr(info->id, ==, ((ContainerInfo *)before->pdata[i])->id);
        for (guint k = 0; k < COUNT; k++)
            g_assert_true(k == i || after->pdata[k] == before->pdata[k]);
    }
}

static void test_what_comes_and_goes(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();
    g_autoptr(GPtrArray) before = read_all(listing, elements);
    g_autoptr(GPtrArray) more = NULL, fewer = NULL, back = NULL;
    char *gone = NULL;

    g_ptr_array_insert(elements, 0, container_dup(COUNT, "Up 1 second")); /* the daemon's way */
    more = read_all(listing, elements);
    g_assert_cmpuint(docker_listing_news(listing), ==, 1);
    g_assert_true(find(more, "ws-3") == find(before, "ws-3"));

    gone = g_ptr_array_steal_index(elements, 4); /* ws-3 */
    fewer = read_all(listing, elements);
    g_assert_cmpuint(docker_listing_news(listing), ==, 0);
    g_assert_null(find(fewer, "ws-3"));
    g_assert_cmpstr(find(before, "ws-3")->labels.workspace, ==, "id-3"); /* its holder keeps it */

    g_ptr_array_add(elements, gone);
    back = read_all(listing, elements);
    g_assert_cmpuint(docker_listing_news(listing), ==, 1); /* only the list before counts */
}

static void test_twice_the_same_element(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();
    g_autoptr(GPtrArray) first = NULL, again = NULL;

    g_ptr_array_add(elements, container_dup(0, "Up 1 minute"));
    first = read_all(listing, elements);
    again = read_all(listing, elements);
    g_assert_cmpuint(docker_listing_news(listing), ==, 0);
    g_assert_cmpstr(((ContainerInfo *)again->pdata[COUNT])->name, ==, "ws-0");
}

static void test_only_ours(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();

    for (guint round = 0; round < 2; round++) {
        g_autoptr(GPtrArray) ours = NULL;

        g_assert_true(docker_info_from_list(listing, text_of(elements), "ours", &ours, NULL));
        g_assert_cmpuint(ours->len, ==, COUNT - COUNT / 10);
        g_assert_null(find(ours, "ws-9"));
    }
    g_assert_cmpuint(docker_listing_news(listing), ==, 0);
}

static void assert_refused(DockerListing *listing, GString *text)
{
    g_autoptr(GPtrArray) values = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(docker_info_from_list(listing, text, NULL, &values, &error));
    g_assert_true(error_is(error, ERROR_INTERNAL));
    g_assert_null(values);
}

/* Cut after each byte: no list. What was known stays known. */
static void test_a_broken_list_changes_nothing(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();
    g_autoptr(GPtrArray) before = read_all(listing, elements);
    g_autoptr(GPtrArray) after = NULL;
    g_autoptr(GString) whole = text_of(elements);

    for (gsize length = 0; length + 2 <= whole->len; length += 1 + length % 7)
        assert_refused(listing, g_string_new_len(whole->str, (gssize)length));
    g_string_truncate(whole, whole->len - 1);
    assert_refused(listing, g_string_append(g_string_new(whole->str), "]"));
    assert_refused(listing, g_string_new("{}"));
    assert_refused(listing, g_string_new("[1]"));
    assert_refused(listing, g_string_new("[{}]"));
    assert_refused(listing, g_string_new("null"));
    after = read_all(listing, elements);
    g_assert_cmpuint(docker_listing_news(listing), ==, 0);
    g_assert_true(after->pdata[0] == before->pdata[0]);
}

/* What is changed by its holder is nobody else's. */
static void test_a_value_of_ones_own(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) elements = containers_new();
    g_autoptr(GPtrArray) values = read_all(listing, elements);
    g_autoptr(GPtrArray) again = NULL;
    ContainerInfo *shared = values->pdata[5];
    ContainerInfo *own = container_info_own(shared);

    values->pdata[5] = own;
    g_assert_true(own != shared);
    g_assert_true(container_info_own(own) == own);
    g_assert_cmpstr(own->id, ==, shared->id);
    g_assert_cmpstr(own->labels.workspace, ==, "id-5");
    g_assert_cmpint(own->created_at_us, ==, shared->created_at_us);
    engine_labels_clear(&own->labels);
    again = read_all(listing, elements);
    g_assert_cmpstr(((ContainerInfo *)again->pdata[5])->labels.workspace, ==, "id-5");
}

/* Every field: what one of ones own lacks would be a lie of the engine's. */
static void test_a_value_of_ones_own_is_whole(void)
{
    ContainerInfo *info = g_new0(ContainerInfo, 1);
    g_autoptr(ContainerInfo) shared = container_info_ref(info);
    g_autoptr(ContainerInfo) own = NULL;

    info->id = g_strdup("id");
    info->name = g_strdup("name");
    info->image = g_strdup("image");
    info->image_digest = g_strdup("digest");
    info->user = g_strdup("user");
    info->state = CONTAINER_RUNNING;
    info->exit_code = 137;
    info->failure = g_strdup("failure");
    info->address = g_strdup("address");
    info->restart_count = 7;
    info->health = HEALTH_UNHEALTHY;
    info->probe_output = g_strdup("probe");
    info->labels.workspace = g_strdup("workspace");
    own = container_info_own(info);
    g_assert_true(own != shared);
    g_assert_cmpstr(own->image, ==, "image");
    g_assert_cmpstr(own->image_digest, ==, "digest");
    g_assert_cmpstr(own->user, ==, "user");
    g_assert_cmpint(own->state, ==, CONTAINER_RUNNING);
    g_assert_cmpint(own->exit_code, ==, 137);
    g_assert_cmpstr(own->failure, ==, "failure");
    g_assert_cmpstr(own->address, ==, "address");
    g_assert_cmpint(own->restart_count, ==, 7);
    g_assert_cmpint(own->health, ==, HEALTH_UNHEALTHY);
    g_assert_cmpstr(own->probe_output, ==, "probe");
    g_assert_cmpstr(own->labels.workspace, ==, "workspace");
}

/* ---- Volumes ---- */

static gboolean read_volumes(DockerListing *listing, const char *text, GPtrArray **volumes,
                             GError **error)
{
    return docker_volume_list_read(listing, g_string_new(text), "ours", volumes, error);
}

#define VOLUME(name_, owner_)                                                                      \
    "{\"Driver\":\"local\",\"Labels\":{\"workspaced.installation\":\"" owner_                      \
    "\"},\"Name\":\"" name_ "\"}"

static void test_volumes(void)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_volume_element);
    g_autoptr(GPtrArray) first = NULL, again = NULL, none = NULL;

    g_assert_true(read_volumes(listing,
                               "{\"Volumes\":[" VOLUME("a", "ours") "," VOLUME(
                                   "b", "theirs") "," VOLUME("c", "ours") "],\"Warnings\":null}",
                               &first, NULL));
    g_assert_cmpuint(first->len, ==, 2);
    g_assert_true(read_volumes(listing,
                               " { \"Warnings\" : [] , \"Volumes\" : [ " VOLUME(
                                   "c", "ours") " , " VOLUME("a", "ours") " ] } ",
                               &again, NULL));
    g_assert_cmpuint(docker_listing_news(listing), ==, 0);
    g_assert_true(again->pdata[0] == first->pdata[1] && again->pdata[1] == first->pdata[0]);
    g_assert_true(read_volumes(listing, "{\"Volumes\":null}", &none, NULL));
    g_assert_cmpuint(none->len, ==, 0);
}

static void test_volumes_that_are_no_list(void)
{
    static const struct {
        const char *text;
        ErrorCode code;
    } cases[] = {
        {"", ERROR_INTERNAL},
        {"[]", ERROR_INTERNAL},
        {"{}", ERROR_INTERNAL},
        {"{\"Volumes\":{}}", ERROR_INTERNAL},
        {"{\"Volumes\":[{}]}", ERROR_INTERNAL},
        {"{\"Volumes\":[7]}", ERROR_INTERNAL},
        {"{\"Volumes\":[]", ERROR_INTERNAL},
        {"{\"Volumes\":[],}", ERROR_INTERNAL},
        {"{\"Volumes\":[]} x", ERROR_INTERNAL},
        {"{\"Volumes\":[],\"Warnings\":[\"a driver is silent\"]}", ERROR_UNAVAILABLE},
        {"{\"Warnings\":[\"a driver is silent\"],\"Volumes\":[]}", ERROR_UNAVAILABLE},
    };
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_volume_element);

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) volumes = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_false(read_volumes(listing, cases[i].text, &volumes, &error));
        g_assert_true(error_is(error, cases[i].code));
        g_assert_null(volumes);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/listing/same", test_the_same_list_is_not_read_again);
    g_test_add_func("/engine/listing/order", test_order_does_not_matter);
    g_test_add_func("/engine/listing/changed", test_what_changed_is_read);
    g_test_add_func("/engine/listing/comes-and-goes", test_what_comes_and_goes);
    g_test_add_func("/engine/listing/twice", test_twice_the_same_element);
    g_test_add_func("/engine/listing/ours", test_only_ours);
    g_test_add_func("/engine/listing/broken", test_a_broken_list_changes_nothing);
    g_test_add_func("/engine/listing/own", test_a_value_of_ones_own);
    g_test_add_func("/engine/listing/own-whole", test_a_value_of_ones_own_is_whole);
    g_test_add_func("/engine/listing/volumes", test_volumes);
    g_test_add_func("/engine/listing/no-volumes", test_volumes_that_are_no_list);
    return g_test_run();
}
