/* The sandbox's handling of files, without a container: nothing leads out of a tree. */
#include "engine/sandbox/record.h"
#include "engine/sandbox/tar.h"
#include "engine/sandbox/tree.h"
#include "engine/sandbox/view.h"
#include "engine/supervisor/user.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *top;     /* of the case */
    char *root;    /* the container's */
    char *outside; /* must never change */
    SandboxView *view;
} World;

static void put(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *get(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static void set_up(World *world, gconstpointer data)
{
    (void)data;
    world->top = g_dir_make_tmp("workspaced-files-XXXXXX", NULL);
    world->root = g_build_filename(world->top, "root", NULL);
    world->outside = g_build_filename(world->top, "outside", NULL);
    g_assert_cmpint(g_mkdir(world->root, 0755) + g_mkdir(world->outside, 0755), ==, 0);
    put(world->outside, "secret", "outside");
    world->view = sandbox_view_new(world->root, FALSE, NULL);
    g_assert_nonnull(world->view);
}

static void tear_down(World *world, gconstpointer data)
{
    g_autofree char *secret = get(world->outside, "secret");

    (void)data;
    g_assert_cmpstr(secret, ==, "outside");
    sandbox_view_free(world->view);
    g_assert_true(sandbox_tree_remove(world->top, NULL));
    g_assert_false(g_file_test(world->top, G_FILE_TEST_EXISTS));
    g_free(world->top);
    g_free(world->root);
    g_free(world->outside);
}

static void link_in(World *world, const char *name, const char *target)
{
    g_autofree char *path = g_build_filename(world->root, name, NULL);

    g_assert_cmpint(symlink(target, path), ==, 0);
}

static void folder_in(World *world, const char *name)
{
    g_autofree char *path = g_build_filename(world->root, name, NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
}

static char *canonical(World *world, const char *path, SandboxViewMode mode, GError **error)
{
    char *found = NULL;
    int fd = sandbox_view_folder(world->view, path, mode, &found, error);

    if (fd >= 0)
        close(fd);
    return found;
}

#define ASSERT_LEADS(path_, expected_)                                                             \
    do {                                                                                           \
        g_autofree char *found_ = canonical(world, (path_), SANDBOX_VIEW_READ, NULL);              \
        g_assert_cmpstr(found_, ==, (expected_));                                                  \
    } while (0)

/* ---- Views ---- */

static void test_links_stay_inside(World *world, gconstpointer data)
{
    (void)data;
    folder_in(world, "a/b");
    folder_in(world, "run");
    link_in(world, "up", "../../../../../..");
    link_in(world, "absolute", "/a/b");
    link_in(world, "out", world->outside);
    link_in(world, "a/b/sideways", "../../run");
    link_in(world, "round", "round");
    ASSERT_LEADS("/", "");
    ASSERT_LEADS("/a//b/.", "/a/b");
    ASSERT_LEADS("/a/b/../../../..", "");
    ASSERT_LEADS("/up", "");
    ASSERT_LEADS("/up/a", "/a");
    ASSERT_LEADS("/absolute", "/a/b");
    ASSERT_LEADS("/absolute/sideways", "/run");
    ASSERT_LEADS("/out", NULL); /* that path does not exist inside */
    ASSERT_LEADS("/round", NULL);
    ASSERT_LEADS("/absent", NULL);
}

static void test_errors_say_what_is_wrong(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    put(world->root, "file", "");
    link_in(world, "round", "round");
    g_assert_null(canonical(world, "/absent/x", SANDBOX_VIEW_WRITE, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_null(canonical(world, "/file/x", SANDBOX_VIEW_MAKE, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    g_clear_error(&error);
    g_assert_null(canonical(world, "/round/x", SANDBOX_VIEW_MAKE, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

static void test_mounts_are_seen_through_links(World *world, gconstpointer data)
{
    g_autofree char *volume = g_build_filename(world->top, "volume", NULL);
    g_autofree char *target = NULL;
    g_autofree char *in_volume = NULL;
    g_autofree char *in_root = NULL;
    char *found = NULL;
    int fd = -1;

    (void)data;
    g_assert_cmpint(g_mkdir(volume, 0755), ==, 0);
    folder_in(world, "really");
    link_in(world, "configs", "/really");
    target = sandbox_view_mount(world->view, volume, "/configs/deep", FALSE, NULL);
    g_assert_cmpstr(target, ==, "/really/deep");
    fd = sandbox_view_folder(world->view, "/configs/deep/x", SANDBOX_VIEW_MAKE, &found, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_cmpstr(found, ==, "/really/deep/x");
    g_free(found);
    in_volume = g_build_filename(volume, "x", NULL);
    in_root = g_build_filename(world->root, "really/deep/x", NULL);
    g_assert_true(g_file_test(in_volume, G_FILE_TEST_IS_DIR));
    g_assert_false(g_file_test(in_root, G_FILE_TEST_EXISTS));
}

static void test_read_only_is_refused(World *world, gconstpointer data)
{
    g_autoptr(SandboxView) view = sandbox_view_new(world->root, TRUE, NULL);
    g_autofree char *volume = g_build_filename(world->top, "volume", NULL);
    g_autofree char *target = NULL;
    g_autoptr(GError) error = NULL;
    int fd = -1;

    (void)data;
    g_assert_cmpint(g_mkdir(volume, 0755), ==, 0);
    target = sandbox_view_mount(view, volume, "/configs", FALSE, NULL); /* makes its place still */
    g_assert_nonnull(target);
    g_assert_cmpint(sandbox_view_folder(view, "/new", SANDBOX_VIEW_MAKE, NULL, &error), <, 0);
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    fd = sandbox_view_folder(view, "/configs/new", SANDBOX_VIEW_MAKE, NULL, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

static void test_file_mount_replaces_a_link(World *world, gconstpointer data)
{
    g_autofree char *source = g_build_filename(world->outside, "secret", NULL);
    g_autofree char *target = NULL;
    g_autofree char *content = NULL;

    (void)data;
    folder_in(world, "etc");
    link_in(world, "etc/resolv.conf", "/run/resolv.conf");
    target = sandbox_view_mount(world->view, source, "/etc/resolv.conf", FALSE, NULL);
    g_assert_cmpstr(target, ==, "/etc/resolv.conf");
    content = get(world->root, "etc/resolv.conf");
    g_assert_cmpstr(content, ==, "");
}

/* ---- Archives ---- */

typedef struct {
    const char *name;
    mode_t type;
    const char *content; /* of a file; target of a link; "=NAME": hard link */
    mode_t mode;
} Item;

static la_ssize_t append(struct archive *archive, void *data, const void *bytes, size_t size)
{
    (void)archive;
    g_byte_array_append(data, bytes, (guint)size);
    return (la_ssize_t)size;
}

static GBytes *tar_of(const Item *items, guint count)
{
    GByteArray *bytes = g_byte_array_new();
    struct archive *out = archive_write_new();

    archive_write_set_format_pax_restricted(out);
    archive_write_open(out, bytes, NULL, append, NULL);
    for (guint i = 0; i < count; i++) {
        const Item *item = &items[i];
        gboolean is_hard = item->content && item->content[0] == '=';
        gsize size = item->type == AE_IFREG && !is_hard ? strlen(item->content) : 0;
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, item->name);
        archive_entry_set_filetype(entry, item->type);
        archive_entry_set_perm(entry, item->mode ? item->mode : 0755);
        archive_entry_set_uid(entry, geteuid());
        archive_entry_set_gid(entry, getegid());
        archive_entry_set_mtime(entry, 1000000, 0);
        archive_entry_set_size(entry, (la_int64_t)size);
        if (item->type == AE_IFLNK)
            archive_entry_set_symlink(entry, item->content);
        if (is_hard)
            archive_entry_set_hardlink(entry, item->content + 1);
        g_assert_cmpint(archive_write_header(out, entry), ==, ARCHIVE_OK);
        if (size > 0)
            archive_write_data(out, item->content, size);
        archive_entry_free(entry);
    }
    archive_write_close(out);
    archive_write_free(out);
    return g_byte_array_free_to_bytes(bytes);
}

static const SandboxTarLimits roomy = {.max_bytes = 1 << 20, .max_entries = 100};

static gboolean unpack(World *world, const char *path, const Item *items, guint count,
                       GError **error)
{
    g_autoptr(GBytes) tar = tar_of(items, count);

    return sandbox_tar_unpack(world->view, path, tar, &roomy, NULL, error);
}

static void test_archive_goes_in_and_comes_out(World *world, gconstpointer data)
{
    static const Item items[] = {
        {"./", AE_IFDIR, NULL, 0755},
        {"closed/", AE_IFDIR, NULL, 0500},
        {"closed/file", AE_IFREG, "one", 0640},
        {"link", AE_IFLNK, "closed/file", 0777},
        {"second", AE_IFREG, "=closed/file", 0},
        {"pipe", AE_IFIFO, NULL, 0600},
        {"device", AE_IFCHR, NULL, 0600},
    };
    static const char *const expected[] = {"pack/",     "pack/closed/", "pack/closed/file",
                                           "pack/link", "pack/pipe",    "pack/second"};
    g_autoptr(GBytes) tar = NULL;
    g_autofree char *content = NULL;
    g_autofree char *folder = g_build_filename(world->root, "pack", NULL);
    g_autofree char *closed = g_build_filename(folder, "closed", NULL);
    struct stat info;
    guint seen = 0;

    (void)data;
    folder_in(world, "pack");
    g_assert_true(unpack(world, "/pack", items, G_N_ELEMENTS(items), NULL));
    content = get(folder, "second");
    g_assert_cmpstr(content, ==, "one");
    g_assert_cmpint(stat(closed, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 07777, ==, 0500);
    g_assert_cmpint(info.st_mtime, ==, 1000000);
    g_assert_true(sandbox_tar_pack(world->view, "/pack", 1 << 20, &tar, NULL));

    struct archive *in = archive_read_new();
    struct archive_entry *entry = NULL;
    archive_read_support_format_tar(in);
    archive_read_open_memory(in, g_bytes_get_data(tar, NULL), g_bytes_get_size(tar));
    while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
        g_assert_true(
            g_strv_contains((const char *const[]){expected[0], expected[1], expected[2],
                                                  expected[3], expected[4], expected[5], NULL},
                            archive_entry_pathname(entry)));
        seen++;
    }
    archive_read_free(in);
    g_assert_cmpuint(seen, ==, G_N_ELEMENTS(expected));
}

static void assert_refused(World *world, const Item *items, guint count, ErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(unpack(world, "/", items, count, &error));
    g_assert_error(error, ERROR_DOMAIN, (int)code);
}

static void test_archive_cannot_escape(World *world, gconstpointer data)
{
    g_autofree char *up = g_strconcat("../", "outside/secret", NULL);
    const Item dots[] = {{up, AE_IFREG, "evil", 0}};
    const Item hard[] = {{"x", AE_IFREG, "=../outside/secret", 0}};
    const Item through[] = {{"door", AE_IFLNK, world->outside, 0},
                            {"door/secret", AE_IFREG, "evil", 0}};
    const Item relative[] = {{"door2", AE_IFLNK, "../outside", 0},
                             {"door2/secret", AE_IFREG, "evil", 0}};
    const Item absolute[] = {{"/etc/passwd", AE_IFREG, "inside", 0}};
    g_autofree char *inside = NULL;
    g_autofree char *kept = NULL;

    (void)data;
    assert_refused(world, dots, 1, ERROR_INVALID);
    assert_refused(world, hard, 1, ERROR_INVALID);
    /* Followed as inside the container: the target does not exist there and nothing makes it but
     * below the root. */
    unpack(world, "/", through, 2, NULL);
    unpack(world, "/", relative, 2, NULL);
    inside = get(world->root, "outside/secret");
    g_assert_cmpstr(inside, ==, "evil");
    g_assert_true(unpack(world, "/", absolute, 1, NULL));
    kept = get(world->root, "etc/passwd");
    g_assert_cmpstr(kept, ==, "inside");
}

static void test_link_in_a_files_place_is_replaced(World *world, gconstpointer data)
{
    static const Item items[] = {{"here", AE_IFREG, "new", 0}};
    g_autofree char *content = NULL;
    g_autofree char *secret = g_build_filename(world->outside, "secret", NULL);

    (void)data;
    link_in(world, "here", secret);
    g_assert_true(unpack(world, "/", items, 1, NULL));
    content = get(world->root, "here");
    g_assert_cmpstr(content, ==, "new");
}

static void test_kinds_do_not_take_each_others_place(World *world, gconstpointer data)
{
    static const Item file[] = {{"folder", AE_IFREG, "x", 0}};
    static const Item folder[] = {{"file/", AE_IFDIR, NULL, 0}};

    (void)data;
    folder_in(world, "folder");
    put(world->root, "file", "x");
    assert_refused(world, file, 1, ERROR_INVALID);
    assert_refused(world, folder, 1, ERROR_INVALID);
}

static void test_archive_is_bounded(World *world, gconstpointer data)
{
    g_autofree char *large = g_strnfill((1 << 20) + 1, 'x');
    const Item items[] = {{"large", AE_IFREG, large, 0}};
    Item many[101];
    GBytes *unused = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) broken = g_bytes_new("not a tar at all, but more than nothing", 39);

    (void)data;
    assert_refused(world, items, 1, ERROR_TOO_LARGE);
    for (guint i = 0; i < G_N_ELEMENTS(many); i++)
        many[i] = (Item){"same", AE_IFREG, "x", 0};
    assert_refused(world, many, G_N_ELEMENTS(many), ERROR_TOO_LARGE);
    g_assert_false(sandbox_tar_unpack(world->view, "/", broken, &roomy, NULL, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    g_clear_error(&error);
    put(world->root, "big", large);
    g_assert_false(sandbox_tar_pack(world->view, "/", 1 << 20, &unused, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_TOO_LARGE);
    g_clear_error(&error);
    g_assert_false(sandbox_tar_pack(world->view, "/absent", 1 << 20, &unused, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
}

/* ---- Trees ---- */

static void test_tree_is_copied(World *world, gconstpointer data)
{
    g_autofree char *copy = g_build_filename(world->top, "copy", NULL);
    g_autofree char *one = g_build_filename(world->root, "one", NULL);
    g_autofree char *two = g_build_filename(world->root, "two", NULL);
    g_autofree char *content = NULL;
    g_autofree char *target = NULL;
    g_autofree char *link = g_build_filename(copy, "link", NULL);
    g_autofree char *copied[2] = {g_build_filename(copy, "one", NULL),
                                  g_build_filename(copy, "two", NULL)};
    struct stat infos[2];

    (void)data;
    put(world->root, "one", "same");
    g_assert_cmpint(chmod(one, 04755), ==, 0);
    g_assert_cmpint(linkat(AT_FDCWD, one, AT_FDCWD, two, 0), ==, 0);
    link_in(world, "link", world->outside);
    g_assert_true(sandbox_tree_copy(world->root, copy, NULL));
    content = get(copy, "two");
    g_assert_cmpstr(content, ==, "same");
    target = g_file_read_link(link, NULL);
    g_assert_cmpstr(target, ==, world->outside);
    for (guint i = 0; i < 2; i++)
        g_assert_cmpint(stat(copied[i], &infos[i]), ==, 0);
    g_assert_cmpint(infos[0].st_ino, ==, infos[1].st_ino);
    g_assert_cmpint(infos[0].st_mode & 07777, ==, 04755);
    g_free(g_steal_pointer(&copied[1]));
}

/* Deeper than any path or stack allows, with a closed folder at each level. */
static void test_deep_tree_is_removed(World *world, gconstpointer data)
{
    int fd = open(world->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int file = -1;

    (void)data;
    for (guint i = 0; i < 3000; i++) {
        int next = -1;

        g_assert_cmpint(mkdirat(fd, "a-folder-with-a-name", 0700), ==, 0);
        next = openat(fd, "a-folder-with-a-name", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(next, >=, 0);
        if (i % 50 == 49)
            g_assert_cmpint(fchmod(fd, 0), ==, 0);
        close(fd);
        fd = next;
    }
    file = openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0);
    close(file);
    close(fd);
    g_assert_true(sandbox_tree_remove(world->root, NULL));
    g_assert_false(g_file_test(world->root, G_FILE_TEST_EXISTS));
}

static void test_removal_does_not_follow(World *world, gconstpointer data)
{
    g_autofree char *link = g_build_filename(world->top, "link", NULL);

    (void)data;
    link_in(world, "inside", world->outside);
    g_assert_cmpint(symlink(world->outside, link), ==, 0);
    g_assert_true(sandbox_tree_remove(world->root, NULL));
    g_assert_true(sandbox_tree_remove(link, NULL));
    g_assert_true(sandbox_tree_remove(link, NULL)); /* gone is success */
}

/* ---- Records and users ---- */

static void test_record_comes_back(void)
{
    static const char *const environment[] = {"A=1", "B=\n\"x\"", NULL};
    static const EngineMount mounts[] = {
        {.type = ENGINE_MOUNT_VOLUME, .source = "v", .target = "/v"},
        {.type = ENGINE_MOUNT_BIND, .source = "/s", .target = "/b", .read_only = TRUE},
        {.type = ENGINE_MOUNT_TMPFS, .target = "/tmp", .size_bytes = 4096},
    };
    ContainerSpec spec = {
        .name = "n",
        .image = "i",
        .environment = environment,
        .entrypoint = (const char *const[]){"/agent", NULL},
        .command = (const char *const[]){"x", "", NULL},
        .user = "node:staff",
        .mounts = mounts,
        .mount_count = G_N_ELEMENTS(mounts),
        .port = 8000,
        .privileged = TRUE,
        .memory_bytes = 1 << 20,
        .labels = {.installation = (char *)"in", .generation = 3},
    };
    g_autoptr(SandboxRecord) record = sandbox_record_new(&spec);
    g_autoptr(SandboxRecord) again = NULL;
    g_autoptr(GString) text = g_string_new(NULL), second = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    record->id = g_strdup("id");
    sandbox_record_write(record, text);
    again = sandbox_record_parse(text->str, text->len, &error);
    g_assert_no_error(error);
    sandbox_record_write(again, second);
    g_assert_cmpstr(text->str, ==, second->str);
    g_assert_cmpstr(again->command[0], ==, "/agent");
    g_assert_cmpstr(again->command[2], ==, "");
    g_assert_cmpstr(sandbox_environment_find(again->environment, "B"), ==, "\n\"x\"");
    g_assert_null(sandbox_environment_find(again->environment, "C"));
    g_assert_null(again->labels.workspace);
    g_assert_true(again->keep_capabilities);
    g_assert_null(sandbox_record_parse("{", 1, NULL));
    g_assert_null(sandbox_record_parse("{}", 2, NULL));
    g_assert_null(sandbox_record_parse("[{\"labels\":{}}]", 15, NULL));
}

static void test_users_are_found(void)
{
    static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                                 "broken\n:::\n"
                                 "node:x:1000:1001:Node:/home/node:/bin/sh\n"
                                 "last:x:7:8::/last:";
    static const char group[] = "root:x:0:\nnode:x:1001:\nstaff:x:50:node,other\nmore:x:60:node";
    UserIdentity identity;

    g_assert_true(user_identify(NULL, passwd, group, &identity));
    g_assert_cmpuint(identity.uid, ==, 0);
    g_assert_cmpstr(identity.home, ==, "/root");
    g_assert_true(user_identify("node", passwd, group, &identity));
    g_assert_cmpuint(identity.uid, ==, 1000);
    g_assert_cmpuint(identity.gid, ==, 1001);
    g_assert_cmpuint(identity.group_count, ==, 2);
    g_assert_cmpstr(identity.home, ==, "/home/node");
    g_assert_true(user_identify("1000:staff", passwd, group, &identity));
    g_assert_cmpuint(identity.gid, ==, 50);
    g_assert_cmpuint(identity.group_count, ==, 0);
    g_assert_true(user_identify("last", passwd, group, &identity));
    g_assert_cmpuint(identity.gid, ==, 8);
    g_assert_true(user_identify("4242:4343", passwd, group, &identity));
    g_assert_cmpuint(identity.uid, ==, 4242);
    g_assert_cmpuint(identity.gid, ==, 4343);
    g_assert_cmpstr(identity.home, ==, "/");
    g_assert_true(user_identify("5", "", "", &identity));
    g_assert_cmpuint(identity.uid, ==, 5);
    g_assert_false(user_identify("nobody-here", passwd, group, &identity));
    g_assert_false(user_identify("node:nothing", passwd, group, &identity));
    g_assert_false(user_identify("node:", passwd, group, &identity));
    g_assert_false(user_identify("4294967295", passwd, group, &identity));
    g_assert_false(user_identify("99999999999", passwd, group, &identity));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*function)(World *, gconstpointer);
    } cases[] = {
        {"/sandbox/view/links-stay-inside", test_links_stay_inside},
        {"/sandbox/view/errors-say-what-is-wrong", test_errors_say_what_is_wrong},
        {"/sandbox/view/mounts-are-seen-through-links", test_mounts_are_seen_through_links},
        {"/sandbox/view/read-only-is-refused", test_read_only_is_refused},
        {"/sandbox/view/file-mount-replaces-a-link", test_file_mount_replaces_a_link},
        {"/sandbox/tar/goes-in-and-comes-out", test_archive_goes_in_and_comes_out},
        {"/sandbox/tar/cannot-escape", test_archive_cannot_escape},
        {"/sandbox/tar/link-in-a-files-place", test_link_in_a_files_place_is_replaced},
        {"/sandbox/tar/kinds-keep-their-places", test_kinds_do_not_take_each_others_place},
        {"/sandbox/tar/is-bounded", test_archive_is_bounded},
        {"/sandbox/tree/is-copied", test_tree_is_copied},
        {"/sandbox/tree/deep-one-is-removed", test_deep_tree_is_removed},
        {"/sandbox/tree/removal-does-not-follow", test_removal_does_not_follow},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_test_add(cases[i].path, World, NULL, set_up, cases[i].function, tear_down);
    g_test_add_func("/sandbox/record/comes-back", test_record_comes_back);
    g_test_add_func("/sandbox/users/are-found", test_users_are_found);
    return g_test_run();
}
