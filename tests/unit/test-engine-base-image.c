/* The base image: the same bytes each time, and all that a workspace needs in it. */
#include "engine/base_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

static void make(const char *agent, GBytes **tar, char **name)
{
    g_autoptr(GError) error = NULL;

    base_image_make(agent, tar, name, &error);
    g_assert_no_error(error);
}

static void test_same_content_same_name(void)
{
    g_autoptr(GBytes) first = NULL, second = NULL;
    g_autofree char *name = NULL, *again = NULL;

    make(NULL, &first, &name);
    make(NULL, &second, &again);
    g_assert_true(g_bytes_equal(first, second));
    g_assert_cmpstr(name, ==, again);
    g_assert_true(g_str_has_prefix(name, "workspaced/base:"));
    g_assert_cmpuint(strlen(name), ==, strlen("workspaced/base:") + 12);
}

/* "mode owner target" of each path. */
static GHashTable *read_all(GBytes *tar)
{
    GHashTable *found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    struct archive *in = archive_read_new();
    struct archive_entry *entry = NULL;

    archive_read_support_format_tar(in);
    g_assert_cmpint(
        archive_read_open_memory(in, g_bytes_get_data(tar, NULL), g_bytes_get_size(tar)), ==,
        ARCHIVE_OK);
    while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
        char *path = g_strdup(archive_entry_pathname(entry));
        const char *target = archive_entry_symlink(entry);

        if (g_str_has_suffix(path, "/"))
            path[strlen(path) - 1] = '\0';
        g_assert_false(g_hash_table_contains(found, path)); /* each one once */
        g_hash_table_insert(found, path,
                            g_strdup_printf("%o %d %s", archive_entry_perm(entry),
                                            (int)archive_entry_uid(entry), target ? target : ""));
        g_assert_cmpint(archive_entry_mtime(entry), ==, 0);
    }
    archive_read_free(in);
    return found;
}

static void test_all_is_there(void)
{
    static const char *const expected[][2] = {
        {"bin/busybox", "755 0 "},
        {"bin/sh", "777 0 busybox"},
        {"bin/ls", "777 0 busybox"},
        {"sbin", "777 0 bin"},
        {"tmp", "1777 0 "},
        {"home/agent", "755 1000 "},
        {"configs", "755 1000 "},
        {"workspace", "755 1000 "},
        {"etc/passwd", "644 0 "},
        {"etc/group", "644 0 "},
        {"etc/resolv.conf", "644 0 "},
        {"proc", "755 0 "},
        {"dev", "755 0 "},
        {"usr/bin/env", "777 0 ../../bin/busybox"},
        {"workspaced/agent", "755 0 "},
    };
    g_autoptr(GBytes) tar = NULL;
    g_autofree char *name = NULL;
    g_autoptr(GHashTable) found = NULL;

    make("/bin/true", &tar, &name);
    found = read_all(tar);
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpstr(g_hash_table_lookup(found, expected[i][0]), ==, expected[i][1]);
    g_assert_cmpint(g_hash_table_contains(found, "etc/ssl/certs/ca-certificates.crt"), ==,
                    g_file_test("/etc/ssl/certs/ca-certificates.crt", G_FILE_TEST_EXISTS));
}

/* Another agent is another image, and none is none. */
static void test_the_agent_is_part_of_it(void)
{
    g_autoptr(GBytes) none = NULL, one = NULL, other = NULL;
    g_autofree char *name = NULL, *one_name = NULL, *other_name = NULL;
    g_autoptr(GHashTable) found = NULL;
    g_autoptr(GError) error = NULL;

    make(NULL, &none, &name);
    make("/bin/true", &one, &one_name);
    make("/bin/sh", &other, &other_name);
    g_assert_cmpstr(name, !=, one_name);
    g_assert_cmpstr(one_name, !=, other_name);
    found = read_all(none);
    g_assert_false(g_hash_table_contains(found, BASE_IMAGE_AGENT));
    g_clear_pointer(&none, g_bytes_unref);
    g_assert_false(base_image_make("/nowhere", &none, &name, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INTERNAL);
    g_assert_null(none);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base-image/same-content-same-name", test_same_content_same_name);
    g_test_add_func("/base-image/all-is-there", test_all_is_there);
    g_test_add_func("/base-image/the-agent-is-part-of-it", test_the_agent_is_part_of_it);
    return g_test_run();
}
