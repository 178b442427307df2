#include "test-engine-conformance-world.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

Engine *engine;
const char *image;
const char *quick_network;

/* ---- Tar ---- */

static la_ssize_t write_bytes(struct archive *archive, void *data, const void *bytes, size_t length)
{
    (void)archive;
    g_byte_array_append(data, bytes, (guint)length);
    return (la_ssize_t)length;
}

GBytes *tar_of(const TarFile *files, guint count)
{
    GByteArray *bytes = g_byte_array_new();
    struct archive *archive = archive_write_new();

    archive_write_set_format_ustar(archive);
    g_assert_cmpint(archive_write_open(archive, bytes, NULL, write_bytes, NULL), ==, ARCHIVE_OK);
    for (guint i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        gsize length = files[i].content ? strlen(files[i].content) : 0;
        archive_entry_set_pathname(entry, files[i].name);
        archive_entry_set_filetype(entry, files[i].content ? AE_IFREG : AE_IFDIR);
        archive_entry_set_perm(entry, files[i].content ? 0644 : 0755);
        archive_entry_set_size(entry, (la_int64_t)length);
        g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
        archive_write_data(archive, files[i].content, length);
        archive_entry_free(entry);
    }
    g_assert_cmpint(archive_write_free(archive), ==, ARCHIVE_OK);
    return g_byte_array_free_to_bytes(bytes);
}

char *tar_find(GBytes *tar, const char *name)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    gsize length = 0;
    const void *bytes = g_bytes_get_data(tar, &length);
    char *content = NULL;

    archive_read_support_format_tar(archive);
    g_assert_cmpint(archive_read_open_memory(archive, bytes, length), ==, ARCHIVE_OK);
    while (!content && archive_read_next_header(archive, &entry) == ARCHIVE_OK)
        if (g_str_has_suffix(archive_entry_pathname(entry), name)) {
            content = g_malloc0((gsize)archive_entry_size(entry) + 1);
            archive_read_data(archive, content, (gsize)archive_entry_size(entry));
        }
    archive_read_free(archive);
    return content;
}

/* ---- A case's own installation ---- */

void case_set_up(Case *test, gconstpointer data)
{
    const World *world = data;

    engine = world->engine;
    image = world->image;
    quick_network = world->quick_network;
    id_make(test->installation);
    id_make(test->workspace);
    test->names = 0;
}

void case_tear_down(Case *test, gconstpointer data)
{
    g_autoptr(GPtrArray) containers = NULL;
    g_autoptr(GPtrArray) volumes = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    if (engine_is_hosted(engine)) /* it lists nothing */
        return;
    engine_list(engine, test->installation, &containers, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < containers->len; i++) {
        engine_remove(engine, ((ContainerInfo *)containers->pdata[i])->id, &error);
        g_assert_no_error(error);
    }
    engine_volume_list(engine, test->installation, &volumes, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < volumes->len; i++) {
        engine_volume_remove(engine, ((VolumeInfo *)volumes->pdata[i])->name, &error);
        g_assert_no_error(error);
    }
    g_clear_pointer(&containers, g_ptr_array_unref);
    g_clear_pointer(&volumes, g_ptr_array_unref);
    g_assert_true(engine_list(engine, test->installation, &containers, NULL));
    g_assert_true(engine_volume_list(engine, test->installation, &volumes, NULL));
    g_assert_cmpuint(containers->len + volumes->len, ==, 0);
}

char *new_name(Case *test)
{
    return g_strdup_printf("test-%.8s-%u", test->installation, ++test->names);
}

EngineLabels labels_of(Case *test, const char *kind, gint64 generation)
{
    return (EngineLabels){
        .installation = test->installation,
        .workspace = test->workspace,
        .kind = (char *)kind,
        .generation = generation,
    };
}

/* A spec for `sh -c script`; the caller fills in more. */
ContainerSpec spec_of(Case *test, const char *name, const char *const *argv)
{
    return (ContainerSpec){
        .name = name,
        .image = image,
        .command = argv,
        .network = quick_network,
        .labels = labels_of(test, ENGINE_KIND_HELPER, 7),
    };
}

char *create(const ContainerSpec *spec)
{
    g_autoptr(GError) error = NULL;
    char *id = NULL;

    engine_create(engine, spec, &id, &error);
    g_assert_no_error(error);
    g_assert_nonnull(id);
    return id;
}

void start(const char *id)
{
    g_autoptr(GError) error = NULL;

    engine_start(engine, id, &error);
    g_assert_no_error(error);
}

/* A running container of `script`; its id. */
char *run(Case *test, const char *script)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL(script));
    char *id = create(&spec);

    start(id);
    return id;
}

ContainerInfo *inspect(const char *id)
{
    g_autoptr(GError) error = NULL;
    ContainerInfo *info = NULL;

    engine_inspect(engine, id, &info, &error);
    g_assert_no_error(error);
    return info;
}

ContainerInfo *wait_for_state(const char *id, ContainerState state)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    for (;;) {
        g_autoptr(ContainerInfo) info = inspect(id);
        if (info->state == state)
            return g_steal_pointer(&info);
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(10000);
    }
}

ExecResult *exec_script(const char *id, const char *script)
{
    g_autoptr(GError) error = NULL;
    ExecResult *result = NULL;
    ExecSpec spec = {.argv = SHELL(script), .max_output_bytes = OUTPUT_MAX, .timeout_ms = 10000};

    engine_exec(engine, id, &spec, &result, &error);
    g_assert_no_error(error);
    return result;
}

void assert_output(const char *id, const char *script, const char *expected)
{
    g_autoptr(ExecResult) result = exec_script(id, script);

    g_assert_cmpstr(result->errors->str, ==, "");
    g_assert_cmpstr(result->output->str, ==, expected);
    g_assert_cmpint(result->exit_code, ==, 0);
}
