/* Archives for /configs and the agent. */
#include "provision/seed.h"

#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "name mode uid:gid content|->target" of each entry, in order. */
static char *describe(GBytes *tar)
{
    GString *text = g_string_new(NULL);
    struct archive *in = archive_read_new();
    struct archive_entry *entry = NULL;

    archive_read_support_format_tar(in);
    g_assert_cmpint(
        archive_read_open_memory(in, g_bytes_get_data(tar, NULL), g_bytes_get_size(tar)), ==,
        ARCHIVE_OK);
    while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
        char content[256];
        la_ssize_t got = archive_read_data(in, content, sizeof content - 1);

        content[MAX(got, 0)] = '\0';
        g_string_append_printf(
            text, "%s %o %d:%d %s\n", archive_entry_pathname(entry), archive_entry_perm(entry),
            (int)archive_entry_uid(entry), (int)archive_entry_gid(entry),
            archive_entry_symlink(entry) ? archive_entry_symlink(entry) : content);
    }
    archive_read_free(in);
    return g_string_free(text, FALSE);
}

static char *finish(Seed *seed)
{
    g_autoptr(GBytes) tar = seed_finish(seed, NULL);

    return describe(tar);
}

static void test_files_bring_their_folders(void)
{
    g_autoptr(Seed) seed = seed_new(NULL, 1000, 1000);
    g_autofree char *text = NULL;

    g_assert_true(seed_add_file(seed, "a/b/x.txt", "1\r\n", 3, 0644, NULL));
    g_assert_true(seed_add_file(seed, "a/y.sh", "1\r\n2\r3\n", 7, 0755, NULL));
    g_assert_true(seed_add_file(seed, SEED_TOKEN, "secret", 6, 0600, NULL));
    text = finish(seed);
    g_assert_cmpstr(text, ==,
                    "./ 755 1000:1000 \na/ 755 1000:1000 \na/b/ 755 1000:1000 \n"
                    "a/b/x.txt 644 1000:1000 1\r\n\n"
                    "a/y.sh 755 1000:1000 1\n2\r3\n\n"
                    ".auth_token 600 1000:1000 secret\n");
}

static void test_unsafe_names_are_refused(void)
{
    static const char *const unsafe[] = {"",     "/etc/passwd", "../x", "a/../../x",
                                         "a//b", "./a",         "."};
    g_autoptr(Seed) seed = seed_new(NULL, 0, 0);

    for (guint i = 0; i < G_N_ELEMENTS(unsafe); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(seed_add_file(seed, unsafe[i], "x", 1, 0644, &error));
        g_assert_true(error_is(error, ERROR_INVALID));
    }
}

static void test_trees_keep_links_inside_only(void)
{
    g_autofree char *root = g_dir_make_tmp("seed-XXXXXX", NULL);
    g_autofree char *command = g_strdup_printf(
        "/bin/sh -c 'cd %s && mkdir sub .hidden && printf \"x\\r\\n\" >sub/a.py && "
        "printf 1 >.hidden/b && chmod 600 .hidden/b && ln -s sub/a.py good && ln -s ../../etc bad "
        "&& "
        "ln -s /etc/passwd worse && mkfifo pipe && ln -s ../good sub/up && ln -s ../../x sub/over'",
        root);
    g_autofree char *clean = g_strdup_printf("rm -r '%s'", root);
    g_autoptr(Seed) seed = seed_new(NULL, 7, 8);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gboolean added = FALSE;
    int status = 0;

    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    added = seed_add_tree(seed, root, &error);
    g_assert_true(g_spawn_command_line_sync(clean, NULL, NULL, NULL, NULL));
    g_assert_no_error(error);
    g_assert_true(added);
    text = finish(seed);
    g_assert_cmpstr(text, ==,
                    "./ 755 7:8 \n.hidden/ 755 7:8 \n.hidden/b 600 7:8 1\ngood 777 7:8 sub/a.py\n"
                    "sub/ 755 7:8 \nsub/a.py 644 7:8 x\n\nsub/up 777 7:8 ../good\n");
}

static void test_other_tars_are_taken_over(void)
{
    g_autoptr(Seed) inner = seed_new(NULL, 0, 0);
    g_autoptr(Seed) outer = seed_new(NULL, 1000, 1000);
    g_autoptr(GBytes) tar = NULL;
    g_autoptr(GBytes) config = NULL;
    g_autofree char *text = NULL;

    g_assert_true(seed_add_file(inner, "config.yaml", "name: x\n", 8, 0644, NULL));
    g_assert_true(seed_add_file(inner, "d/e", "1", 1, 0644, NULL));
    tar = seed_finish(inner, NULL);
    g_assert_true(seed_add_file(outer, "config.yaml", "old", 3, 0644, NULL));
    g_assert_true(seed_add_tar(outer, tar, NULL));
    config = seed_dup_config(outer);
    g_assert_cmpmem(g_bytes_get_data(config, NULL), g_bytes_get_size(config), "name: x\n", 8);
    text = finish(outer);
    g_assert_cmpstr(
        text, ==,
        "./ 755 1000:1000 \nconfig.yaml 644 1000:1000 old\n"
        "config.yaml 644 1000:1000 name: x\n\nd/ 755 1000:1000 \nd/e 644 1000:1000 1\n");
}

static void test_broken_tars_are_refused(void)
{
    g_autoptr(Seed) seed = seed_new(NULL, 0, 0);
    g_autofree char *noise = g_strnfill(2048, 'x');
    g_autoptr(GBytes) tar = g_bytes_new_static(noise, 2048);
    g_autoptr(GError) error = NULL;

    g_assert_false(seed_add_tar(seed, tar, &error));
    g_assert_true(error_is(error, ERROR_INVALID));
    g_assert_null(seed_read_file(tar, 100));
}

static void test_too_much_is_refused(void)
{
    g_autoptr(Seed) seed = seed_new(NULL, 0, 0);
    g_autofree char *big = g_malloc0(SEED_MAX_BYTES);
    g_autoptr(GError) error = NULL;

    g_assert_true(seed_add_file(seed, "a", big, SEED_MAX_BYTES - 1, 0644, NULL));
    g_assert_false(seed_add_file(seed, "b", big, 2, 0644, &error));
    g_assert_true(error_is(error, ERROR_TOO_LARGE));
}

static void test_agent_and_configs_share_an_archive(void)
{
    g_autofree char *dir = g_dir_make_tmp("seed-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "agent", NULL);
    g_autoptr(Seed) seed = seed_new("configs", 7, 8);
    g_autoptr(GBytes) tar = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    g_assert_true(g_file_set_contents(path, "ELF", 3, NULL));
    g_assert_true(seed_add_agent(seed, "workspaced/agent", path, NULL));
    g_assert_true(seed_add_file(seed, "a/b", "x", 1, 0600, NULL));
    g_assert_false(seed_add_agent(seed, "workspaced/agent", dir, &error));
    g_assert_nonnull(error);
    tar = seed_finish(seed, NULL);
    text = describe(tar);
    g_assert_cmpstr(text, ==,
                    "configs/ 755 7:8 \nworkspaced/ 755 0:0 \nworkspaced/agent 755 0:0 ELF\n"
                    "configs/a/ 755 7:8 \nconfigs/a/b 600 7:8 x\n");
    g_remove(path);
    g_rmdir(dir);
}

static void test_one_file_is_read_back(void)
{
    g_autoptr(Seed) seed = seed_new(NULL, 0, 0);
    g_autoptr(GBytes) tar = NULL;
    g_autoptr(GBytes) back = NULL;

    g_assert_true(seed_add_file(seed, "a", "ELF", 3, 0644, NULL));
    tar = seed_finish(seed, NULL);
    back = seed_read_file(tar, 3);
    g_assert_cmpmem(g_bytes_get_data(back, NULL), g_bytes_get_size(back), "ELF", 3);
    g_assert_null(seed_read_file(tar, 2));
}

static void test_users_become_numbers(void)
{
    static const char passwd_text[] =
        "root:x:0:0::/root:/bin/sh\nnode:x:1000:1001::/:/bin/sh\nbad:x:no:1\n";
    static const char group_text[] = "staff:x:50:\n";
    static const struct {
        const char *user;
        gboolean known;
        guint owner, group;
    } cases[] = {
        {"", TRUE, 0, 0},
        {NULL, TRUE, 0, 0},
        {"1000", TRUE, 1000, 1001},
        {"65532", TRUE, 65532, 0},
        {"5:6", TRUE, 5, 6},
        {"node", TRUE, 1000, 1001},
        {"node:staff", TRUE, 1000, 50},
        {"absent", FALSE, 0, 0},
        {"bad", FALSE, 0, 0},
        {"node:absent", FALSE, 0, 0},
        {"-1", FALSE, 0, 0},
    };
    g_autoptr(GBytes) passwd = g_bytes_new_static(passwd_text, sizeof passwd_text - 1);
    g_autoptr(GBytes) group = g_bytes_new_static(group_text, sizeof group_text - 1);

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint owner = 0, owner_group = 0;

        g_assert_cmpint(seed_user_ids(cases[i].user, passwd, group, &owner, &owner_group), ==,
                        cases[i].known);
        g_assert_cmpuint(owner, ==, cases[i].owner);
        g_assert_cmpuint(owner_group, ==, cases[i].group);
    }
    {
        guint owner = 0, owner_group = 0;
        g_assert_false(seed_user_ids("node", NULL, NULL, &owner, &owner_group));
        g_assert_true(seed_user_ids("1000", NULL, NULL, &owner, &owner_group));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/provision/files-bring-their-folders", test_files_bring_their_folders);
    g_test_add_func("/provision/unsafe-names-are-refused", test_unsafe_names_are_refused);
    g_test_add_func("/provision/trees-keep-links-inside-only", test_trees_keep_links_inside_only);
    g_test_add_func("/provision/other-tars-are-taken-over", test_other_tars_are_taken_over);
    g_test_add_func("/provision/broken-tars-are-refused", test_broken_tars_are_refused);
    g_test_add_func("/provision/too-much-is-refused", test_too_much_is_refused);
    g_test_add_func("/seed/agent-and-configs-share-an-archive",
                    test_agent_and_configs_share_an_archive);
    g_test_add_func("/seed/one-file-is-read-back", test_one_file_is_read_back);
    g_test_add_func("/provision/users-become-numbers", test_users_become_numbers);
    return g_test_run();
}
