/* The contract of engine.h, the same cases on every engine.
 *
 * WORKSPACED_TEST_ENGINE=docker|sandbox chooses one; unset: both. An engine that is not there
 * registers no case, with a note, unless WORKSPACED_TEST_REQUIRE_ENGINE=1. Each case has an
 * installation id of its own and must leave neither container nor volume of it.
 * WORKSPACED_TEST_SUPERVISOR: the sandbox's supervisor program, when it is not where the build puts
 * it. */
#include "base/clock.h"
#include "base/ids.h"
#include "engine/docker.h"
#include "engine/engine.h"
#include "engine/sandbox.h"
#include "engine/sandbox_tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_US (20 * CLOCK_SECOND_US) /* for what the engine does by itself */
#define OUTPUT_MAX  65536
#define BUSYBOX     "/bin/busybox"

/* Waits for its signal, and ends with 0 on SIGTERM. */
#define WAITER "trap 'exit 0' TERM; while :; do sleep 0.05; done"

/* Of the whole program: cases run one after another. */
static Engine *engine;
static char *image;
static char *sandbox_directory; /* NULL: another engine */
static const char *quick_network; /* for containers that need none: half a second each on Docker */

/* ---- A tar by hand ---- */

static void tar_number(char *field, gsize size, guint64 value)
{
    g_snprintf(field, (gulong)size, "%0*" G_GINT64_MODIFIER "o", (int)size - 1, value);
}

static void tar_add(GString *tar, char type, const char *name, guint mode, const char *content,
                    gsize length)
{
    char header[512] = {0};
    guint sum = 0;

    g_strlcpy(header, name, 100);
    tar_number(header + 100, 8, mode);
    tar_number(header + 108, 8, 0);
    tar_number(header + 116, 8, 0);
    tar_number(header + 124, 12, type == '0' ? length : 0);
    tar_number(header + 136, 12, 0);
    header[156] = type;
    if (type == '2')
        g_strlcpy(header + 157, content, 100);
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    memset(header + 148, ' ', 8);
    for (guint i = 0; i < sizeof header; i++)
        sum += (guint8)header[i];
    tar_number(header + 148, 7, sum);
    g_string_append_len(tar, header, sizeof header);
    if (type != '0')
        return;
    g_string_append_len(tar, content, (gssize)length);
    while (tar->len % 512)
        g_string_append_c(tar, '\0');
}

static GBytes *tar_end(GString *tar)
{
    char blocks[1024] = {0};

    g_string_append_len(tar, blocks, sizeof blocks);
    return g_string_free_to_bytes(tar);
}

/* The content of a regular file in an uncompressed tar, or NULL. Caller owns it. */
static char *tar_find(GBytes *tar, const char *name)
{
    gsize length = 0;
    const char *bytes = g_bytes_get_data(tar, &length);

    for (gsize at = 0; at + 512 <= length && bytes[at];) {
        guint64 size = g_ascii_strtoull(bytes + at + 124, NULL, 8);
        g_assert_cmpuint(at + 512 + size, <=, length);
        if (g_str_has_suffix(bytes + at, name) && (bytes[at + 156] == '0' || !bytes[at + 156]))
            return g_strndup(bytes + at + 512, size);
        at += 512 + (size + 511) / 512 * 512;
    }
    return NULL;
}

static GBytes *root_tar(void)
{
    static const char *const folders[] = {"bin/", "tmp/", "etc/",  "root/",   "proc/",
                                          "sys/", "dev/", "data/", "configs/"};
    static const char *const programs[] = {
        "sh",   "cat", "echo", "env",   "sleep", "stty", "grep",     "true",  "ls", "kill",
        "head", "tr",  "id",   "touch", "seq",   "test", "hostname", "httpd", "dd", "printf"};
    GString *tar = g_string_new(NULL);
    g_autofree char *busybox = NULL;
    gsize length = 0;

    g_assert_true(g_file_get_contents(BUSYBOX, &busybox, &length, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
        tar_add(tar, '5', folders[i], strcmp(folders[i], "tmp/") == 0 ? 01777 : 0755, "", 0);
    tar_add(tar, '0', "bin/busybox", 0755, busybox, length);
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *name = g_strconcat("bin/", programs[i], NULL);
        tar_add(tar, '2', name, 0777, "busybox", 0);
    }
    tar_add(tar, '0', "etc/passwd", 0644, "root:x:0:0::/root:/bin/sh\n", 26);
    return tar_end(tar);
}

/* ---- A case's own installation ---- */

typedef struct {
    char installation[ID_SIZE];
    char workspace[ID_SIZE];
    guint names;
} Case;

static void set_up(Case *test, gconstpointer data)
{
    (void)data;
    id_make(test->installation);
    id_make(test->workspace);
    test->names = 0;
}

static void tear_down(Case *test, gconstpointer data)
{
    g_autoptr(GPtrArray) containers = NULL;
    g_autoptr(GPtrArray) volumes = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
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

static char *new_name(Case *test)
{
    return g_strdup_printf("test-%.8s-%u", test->installation, ++test->names);
}

static EngineLabels labels_of(Case *test, const char *kind, gint64 generation)
{
    return (EngineLabels){
        .installation = test->installation,
        .workspace = test->workspace,
        .kind = (char *)kind,
        .generation = generation,
    };
}

/* A spec for `sh -c script`; the caller fills in more. */
static ContainerSpec spec_of(Case *test, const char *name, const char *const *argv)
{
    return (ContainerSpec){
        .name = name,
        .image = image,
        .command = argv,
        .network = quick_network,
        .labels = labels_of(test, ENGINE_KIND_HELPER, 7),
    };
}

#define SHELL(script_) ((const char *const[]){"/bin/sh", "-c", (script_), NULL})

static char *create(const ContainerSpec *spec)
{
    g_autoptr(GError) error = NULL;
    char *id = NULL;

    engine_create(engine, spec, &id, &error);
    g_assert_no_error(error);
    g_assert_nonnull(id);
    return id;
}

static void start(const char *id)
{
    g_autoptr(GError) error = NULL;

    engine_start(engine, id, &error);
    g_assert_no_error(error);
}

/* A running container of `script`; its id. */
static char *run(Case *test, const char *script)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL(script));
    char *id = create(&spec);

    start(id);
    return id;
}

static ContainerInfo *inspect(const char *id)
{
    g_autoptr(GError) error = NULL;
    ContainerInfo *info = NULL;

    engine_inspect(engine, id, &info, &error);
    g_assert_no_error(error);
    return info;
}

static ContainerInfo *wait_for_state(const char *id, ContainerState state)
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

static ExecResult *exec_script(const char *id, const char *script)
{
    g_autoptr(GError) error = NULL;
    ExecResult *result = NULL;
    ExecSpec spec = {.argv = SHELL(script), .max_output_bytes = OUTPUT_MAX, .timeout_ms = 10000};

    engine_exec(engine, id, &spec, &result, &error);
    g_assert_no_error(error);
    return result;
}

static void assert_output(const char *id, const char *script, const char *expected)
{
    g_autoptr(ExecResult) result = exec_script(id, script);

    g_assert_cmpstr(result->errors->str, ==, "");
    g_assert_cmpstr(result->output->str, ==, expected);
    g_assert_cmpint(result->exit_code, ==, 0);
}

/* ---- The engine itself ---- */

static void test_ping_and_info(Case *test, gconstpointer data)
{
    g_autoptr(EngineInfo) info = NULL;
    g_autoptr(EngineInfo) again = NULL;
    g_autoptr(GError) error = NULL;

    (void)test, (void)data;
    g_assert_true(engine_ping(engine, &error));
    g_assert_true(engine_info(engine, &info, &error));
    g_assert_true(engine_info(engine, &again, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(info->id, !=, "");
    g_assert_cmpstr(info->id, ==, again->id);
    g_assert_nonnull(info->name);
    g_assert_nonnull(info->version);
    g_assert_cmpint(info->cpus, >, 0);
    g_assert_cmpint(info->memory_bytes, >, 0);
}

static void test_absent_is_not_found(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GBytes) tar = tar_end(g_string_new(NULL));
    ExecSpec exec = {.argv = SHELL("true"), .timeout_ms = 5000};
    EngineStats stats;
    EngineSession *session = NULL;
    AttachSpec attach = {.argv = SHELL("true"), .columns = 80, .rows = 24};
    GError *error = NULL;

    (void)data;
#define ASSERT_NOT_FOUND(call_)                                                                    \
    do {                                                                                           \
        g_assert_false(call_);                                                                     \
        g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);                                      \
        g_clear_error(&error);                                                                     \
    } while (0)
    ASSERT_NOT_FOUND(engine_inspect(engine, name, &info, &error));
    ASSERT_NOT_FOUND(engine_start(engine, name, &error));
    ASSERT_NOT_FOUND(engine_exec(engine, name, &exec, &result, &error));
    ASSERT_NOT_FOUND(engine_attach(engine, name, &attach, &session, &error));
    ASSERT_NOT_FOUND(engine_copy_in(engine, name, "/tmp", tar, &error));
    ASSERT_NOT_FOUND(engine_copy_out(engine, name, "/etc", 1 << 20, &bytes, &error));
    ASSERT_NOT_FOUND(engine_logs(engine, name, 10, 1000, &bytes, &error));
    ASSERT_NOT_FOUND(engine_stats(engine, name, &stats, &error));
    if (engine_can_freeze(engine)) {
        ASSERT_NOT_FOUND(engine_freeze(engine, name, &error));
        ASSERT_NOT_FOUND(engine_thaw(engine, name, &error));
    }
    ASSERT_NOT_FOUND(engine_image_inspect(engine, "workspaced-test/absent:1", NULL, &error));
    g_assert_true(engine_stop(engine, name, 1, NULL));
    g_assert_true(engine_remove(engine, name, NULL));
    g_assert_true(engine_volume_remove(engine, name, NULL));
#undef ASSERT_NOT_FOUND
}

static void test_image_can_be_seen(Case *test, gconstpointer data)
{
    g_autofree char *digest = NULL;
    g_autofree char *again = NULL;
    g_autoptr(GError) error = NULL;

    (void)test, (void)data;
    g_assert_true(engine_image_inspect(engine, image, &digest, &error));
    g_assert_no_error(error);
    g_assert_true(engine_image_inspect(engine, image, &again, NULL));
    g_assert_true(engine_image_inspect(engine, image, NULL, NULL));
    g_assert_cmpstr(digest, !=, "");
    g_assert_cmpstr(digest, ==, again);
}

/* ---- Life of a container ---- */

static void test_created_is_seen_and_not_started(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL(WAITER));
    g_autofree char *id = create(&spec);
    g_autofree char *digest = NULL;
    g_autoptr(ContainerInfo) info = inspect(id);
    g_autoptr(ContainerInfo) by_name = inspect(name);

    (void)data;
    g_assert_true(engine_image_inspect(engine, image, &digest, NULL));
    g_assert_cmpstr(info->id, ==, id);
    g_assert_cmpstr(by_name->id, ==, id);
    g_assert_cmpstr(info->name, ==, name);
    g_assert_cmpstr(info->image, ==, image);
    g_assert_cmpstr(info->image_digest, ==, digest);
    g_assert_cmpint(info->state, ==, CONTAINER_CREATED);
    g_assert_false(info->ever_started);
    g_assert_cmpint(ABS(info->created_at_us - clock_now_us()), <, CLOCK_MINUTE_US);
    g_assert_cmpint(info->started_at_us, ==, 0);
    g_assert_null(info->address);
    g_assert_cmpstr(info->labels.installation, ==, test->installation);
    g_assert_cmpstr(info->labels.workspace, ==, test->workspace);
    g_assert_cmpstr(info->labels.kind, ==, ENGINE_KIND_HELPER);
    g_assert_cmpint(info->labels.generation, ==, 7);
}

static void test_list_holds_ours_and_no_other(Case *test, gconstpointer data)
{
    g_autofree char *first = run(test, "true");
    g_autofree char *second = NULL;
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL(WAITER));
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GPtrArray) none = NULL;
    char other[ID_SIZE];

    (void)data;
    second = create(&spec);
    id_make(other);
    container_info_free(wait_for_state(first, CONTAINER_EXITED));
    g_assert_true(engine_list(engine, test->installation, &list, NULL));
    g_assert_true(engine_list(engine, other, &none, NULL));
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(list->len, ==, 2);
    for (guint i = 0; i < 2; i++) {
        ContainerInfo *info = list->pdata[i];
        gboolean is_first = strcmp(info->id, first) == 0;
        g_assert_true(is_first || strcmp(info->id, second) == 0);
        g_assert_cmpint(info->state, ==, is_first ? CONTAINER_EXITED : CONTAINER_CREATED);
        g_assert_cmpint(info->ever_started, ==, is_first);
        g_assert_cmpstr(info->labels.workspace, ==, test->workspace);
        g_assert_cmpint(info->labels.generation, ==, 7);
    }
}

static void test_name_is_taken(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL(WAITER));
    g_autofree char *id = create(&spec);
    g_autofree char *again = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_false(engine_create(engine, &spec, &again, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
    g_assert_null(again);
    g_assert_true(engine_remove(engine, id, NULL));
    again = create(&spec);
}

static void test_image_is_missing(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL("true"));
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    spec.image = "workspaced-test/absent:1";
    g_assert_false(engine_create(engine, &spec, &id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
}

static void test_bind_source_is_missing(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL("true"));
    EngineMount mount = {.type = ENGINE_MOUNT_BIND, .source = "/nowhere/at/all", .target = "/data"};
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    spec.mounts = &mount;
    spec.mount_count = 1;
    g_assert_false(engine_create(engine, &spec, &id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

static void test_command_is_missing(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, (const char *const[]){"/bin/nothing", NULL});
    g_autofree char *id = create(&spec);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_false(engine_start(engine, id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

static void test_start_stop_remove(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    g_autoptr(ContainerInfo) running = inspect(id);
    g_autoptr(ContainerInfo) stopped = NULL;
    g_autoptr(ContainerInfo) gone = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_cmpint(running->state, ==, CONTAINER_RUNNING);
    g_assert_true(running->ever_started);
    g_assert_cmpint(ABS(running->started_at_us - clock_now_us()), <, CLOCK_MINUTE_US);
    start(id);                            /* again: nothing to do */
    assert_output(id, "echo up", "up\n"); /* its trap is set by now, or will be very soon */
    g_usleep(100000);
    g_assert_true(engine_stop(engine, id, 10, &error));
    g_assert_no_error(error);
    stopped = inspect(id);
    g_assert_cmpint(stopped->state, ==, CONTAINER_EXITED);
    g_assert_cmpint(stopped->exit_code, ==, 0);
    g_assert_cmpint(stopped->finished_at_us, >=, running->started_at_us);
    g_assert_null(stopped->address);
    g_assert_true(engine_stop(engine, id, 10, NULL));
    g_assert_true(engine_remove(engine, id, &error));
    g_assert_false(engine_inspect(engine, id, &gone, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
    g_assert_true(engine_remove(engine, id, NULL));
}

static void test_stop_kills_after_its_grace(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, "trap '' TERM; while :; do sleep 0.05; done");
    g_autoptr(ContainerInfo) stopped = NULL;
    gint64 begun_us = clock_monotonic_us();

    (void)data;
    g_assert_true(engine_stop(engine, id, 1, NULL));
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 8 * CLOCK_SECOND_US);
    stopped = inspect(id);
    g_assert_cmpint(stopped->state, ==, CONTAINER_EXITED);
    g_assert_cmpint(stopped->exit_code, ==, 137);
}

static void test_started_again_after_its_end(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, "echo run; exit 7");
    g_autoptr(ContainerInfo) first = wait_for_state(id, CONTAINER_EXITED);
    g_autoptr(ContainerInfo) second = NULL;
    g_autoptr(GBytes) text = NULL;

    (void)data;
    g_assert_cmpint(first->exit_code, ==, 7);
    start(id);
    second = wait_for_state(id, CONTAINER_EXITED);
    g_assert_cmpint(second->started_at_us, >, first->started_at_us);
    g_assert_true(engine_logs(engine, id, 0, OUTPUT_MAX, &text, NULL));
    g_assert_cmpmem(g_bytes_get_data(text, NULL), g_bytes_get_size(text), "run\nrun\n", 8);
}

static void test_freeze_and_thaw(Case *test, gconstpointer data)
{
    g_autofree char *id = NULL;
    g_autoptr(ContainerInfo) frozen = NULL;
    g_autoptr(ContainerInfo) thawed = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    if (!engine_can_freeze(engine)) {
        g_test_skip("this engine cannot freeze");
        return;
    }
    id = run(test, WAITER);
    for (int i = 0; i < 2; i++)
        g_assert_true(engine_freeze(engine, id, &error));
    frozen = inspect(id);
    g_assert_cmpint(frozen->state, ==, CONTAINER_PAUSED);
    for (int i = 0; i < 2; i++)
        g_assert_true(engine_thaw(engine, id, &error));
    thawed = inspect(id);
    g_assert_cmpint(thawed->state, ==, CONTAINER_RUNNING);
    g_assert_true(engine_stop(engine, id, 0, NULL));
    g_assert_false(engine_freeze(engine, id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
}

static void test_spec_reaches_the_program(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, (const char *const[]){"-c", WAITER, NULL});
    EngineMount mounts[] = {{.type = ENGINE_MOUNT_TMPFS, .target = "/tmp", .size_bytes = 1 << 20}};
    g_autofree char *id = NULL;

    (void)data;
    spec.entrypoint = (const char *const[]){"/bin/sh", NULL};
    spec.hostname = "the-host";
    spec.environment = (const char *const[]){"ONE=1", "TWO=a b=c", "EMPTY=", NULL};
    spec.read_only_root = TRUE;
    spec.mounts = mounts;
    spec.mount_count = G_N_ELEMENTS(mounts);
    id = create(&spec);
    start(id);
    assert_output(id, "hostname", "the-host\n");
    assert_output(id, "tr '\\0' '\\n' </proc/1/environ | grep -E '^(ONE|TWO|EMPTY)=' ",
                  "ONE=1\nTWO=a b=c\nEMPTY=\n");
    assert_output(id, "echo x >/tmp/file && cat /tmp/file", "x\n");
    assert_output(id, "touch /data/x 2>/dev/null || echo refused", "refused\n");
    assert_output(id, "head -c 2000000 /dev/zero >/tmp/big 2>/dev/null || echo full", "full\n");
}

static int connect_to(const char *address)
{
    int fd;

    if (g_str_has_prefix(address, "unix:")) {
        struct sockaddr_un local = {.sun_family = AF_UNIX};
        g_strlcpy(local.sun_path, address + 5, sizeof local.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&local, sizeof local) == 0)
            return fd;
    } else {
        g_auto(GStrv) parts = g_strsplit(address, ":", 2);
        struct sockaddr_in remote = {
            .sin_family = AF_INET,
            .sin_addr.s_addr = inet_addr(parts[0]),
            .sin_port = htons((guint16)atoi(parts[1])),
        };
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&remote, sizeof remote) == 0)
            return fd;
    }
    close(fd);
    return -1;
}

static gboolean answers_http(const char *address)
{
    static const char request[] = "GET /etc/passwd HTTP/1.0\r\n\r\n";
    char answer[1024] = "";
    gsize length = 0;
    gssize received;
    int fd = connect_to(address);

    if (fd < 0)
        return FALSE;
    if (write(fd, request, sizeof request - 1) == sizeof request - 1)
        while (length < sizeof answer - 1 &&
               (received = read(fd, answer + length, sizeof answer - 1 - length)) > 0)
            length += (gsize)received;
    close(fd);
    return strstr(answer, "root:x:0:0") != NULL;
}

static void test_port_is_reachable(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    /* An engine without networks of its own tells the program its port. */
    ContainerSpec spec =
        spec_of(test, name, SHELL("exec httpd -f -p ${WORKSPACE_AGENT_PORT:-8000} -h /"));
    g_autofree char *id = NULL;
    g_autoptr(ContainerInfo) info = NULL;
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    (void)data;
    spec.network = NULL;
    spec.port = 8000;
    id = create(&spec);
    start(id);
    info = inspect(id);
    g_assert_nonnull(info->address);
    while (!answers_http(info->address)) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(20000);
    }
}

static void test_stats(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    EngineStats stats = {0};
    g_autoptr(GError) error = NULL;

    (void)data;
    g_usleep(100000);
    g_assert_true(engine_stats(engine, id, &stats, &error));
    g_assert_no_error(error);
    g_assert_cmpint(stats.memory_bytes, >, 0);
    g_assert_cmpint(stats.cpu_total_ns, >, 0);
    g_assert_cmpint(stats.pids, >=, 1);
    g_assert_true(engine_stop(engine, id, 0, NULL));
    g_assert_false(engine_stats(engine, id, &stats, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
}

static void test_ends_by_its_memory_cap(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec =
        spec_of(test, name, SHELL("exec dd if=/dev/zero of=/dev/null bs=64M count=8"));
    g_autoptr(EngineInfo) info = NULL;
    g_autoptr(ContainerInfo) ended = NULL;
    g_autofree char *id = NULL;

    (void)data;
    g_assert_true(engine_info(engine, &info, NULL));
    if (!info->limits_memory) {
        g_test_skip("no memory caps here");
        return;
    }
    spec.memory_bytes = 16 << 20;
    spec.nano_cpus =
        info->limits_cpu ? G_GINT64_CONSTANT(64000000000) : 0; /* cut to the machine's */
    spec.pids_limit = info->limits_pids ? 64 : 0;
    id = create(&spec);
    start(id);
    ended = wait_for_state(id, CONTAINER_EXITED);
    g_assert_cmpint(ended->exit_code, ==, 137);
}

/* ---- Programs inside ---- */

static void test_exec_streams_and_code(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    g_autoptr(GBytes) input = g_bytes_new_static("from outside", 12);
    ExecSpec spec = {
        .argv = SHELL("cat; echo problem >&2; pwd; exit 3"),
        .working_dir = "/etc",
        .input = input,
        .max_output_bytes = OUTPUT_MAX,
        .timeout_ms = 10000,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(engine_exec(engine, id, &spec, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result->exit_code, ==, 3);
    g_assert_cmpstr(result->output->str, ==, "from outside/etc\n");
    g_assert_cmpstr(result->errors->str, ==, "problem\n");
    g_assert_false(result->truncated);
}

static void test_exec_takes_much_and_keeps_little(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    gsize size = 3 << 20;
    g_autoptr(GBytes) input = g_bytes_new_take(g_malloc0(size), size);
    ExecSpec spec = {
        .argv = (const char *const[]){"/bin/cat", NULL},
        .input = input,
        .max_output_bytes = 1000,
        .timeout_ms = 20000,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(engine_exec(engine, id, &spec, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result->exit_code, ==, 0);
    g_assert_cmpuint(result->output->len, ==, 1000);
    g_assert_true(result->truncated);
    /* A program that reads nothing is no failure either. */
    g_clear_pointer(&result, exec_result_free);
    spec.argv = (const char *const[]){"/bin/true", NULL};
    g_assert_true(engine_exec(engine, id, &spec, &result, &error));
    g_assert_cmpint(result->exit_code, ==, 0);
}

static void test_exec_over_its_time_is_killed(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    ExecSpec spec = {
        .argv = SHELL("echo $$ >/tmp/first; sleep 987 & echo $! >/tmp/second; wait"),
        .max_output_bytes = OUTPUT_MAX,
        .timeout_ms = 500,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    gint64 begun_us = clock_monotonic_us();

    (void)data;
    g_assert_false(engine_exec(engine, id, &spec, &result, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 7 * CLOCK_SECOND_US);
    assert_output(id,
                  "sleep 0.2; for f in first second; do pid=$(cat /tmp/$f); "
                  "grep -qs '^State:.[RSD]' /proc/$pid/status && echo $f lives; done; true",
                  "");
}

static void test_exec_of_nothing(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    ExecSpec spec = {
        .argv = (const char *const[]){"/bin/nothing", NULL},
        .max_output_bytes = OUTPUT_MAX,
        .timeout_ms = 5000,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    if (engine_exec(engine, id, &spec, &result, &error))
        g_assert_true(result->exit_code == 126 || result->exit_code == 127);
    else
        g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

static void test_exec_needs_a_running_container(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, "true");
    ExecSpec spec = {.argv = SHELL("true"), .timeout_ms = 5000};
    AttachSpec attach = {.argv = SHELL("true"), .columns = 80, .rows = 24};
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    EngineSession *session = NULL;

    (void)data;
    container_info_free(wait_for_state(id, CONTAINER_EXITED));
    g_assert_false(engine_exec(engine, id, &spec, &result, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
    g_clear_error(&error);
    g_assert_false(engine_attach(engine, id, &attach, &session, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
}

/* Reads until `text` has been seen. */
static void expect(int fd, GString *seen, const char *text)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    while (!strstr(seen->str, text)) {
        struct pollfd watch = {.fd = fd, .events = POLLIN};
        char piece[4096];
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        if (poll(&watch, 1, 100) <= 0)
            continue;
        gssize length = read(fd, piece, sizeof piece);
        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        g_assert_cmpint(length, >, 0);
        g_string_append_len(seen, piece, length);
    }
    g_string_truncate(seen, 0);
}

static void type_in(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
}

static void test_terminal(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    AttachSpec spec = {.argv = (const char *const[]){"/bin/sh", NULL}, .columns = 91, .rows = 33};
    EngineSession *session = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) seen = g_string_new(NULL);
    int fd;

    (void)data;
    g_assert_true(engine_attach(engine, id, &spec, &session, &error));
    g_assert_no_error(error);
    fd = engine_session_fd(engine, session);
    type_in(fd, "echo hi-$((40+2)); echo $$ >/tmp/shell\n");
    expect(fd, seen, "hi-42");
    type_in(fd, "stty size\n");
    expect(fd, seen, "33 91");
    g_assert_true(engine_session_resize(engine, session, 120, 40, &error));
    g_assert_no_error(error);
    type_in(fd, "stty size\n");
    expect(fd, seen, "40 120");
    g_assert_false(engine_session_resize(engine, session, 0, 40, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    engine_session_free(engine, session);
    assert_output(id,
                  "sleep 0.2; grep -qs '^State:.[RSD]' /proc/$(cat /tmp/shell)/status && "
                  "echo lives; true",
                  "");
}

/* ---- Files ---- */

static GBytes *small_tar(void)
{
    GString *tar = g_string_new(NULL);

    tar_add(tar, '5', "inner/", 0755, "", 0);
    tar_add(tar, '0', "inner/file", 0640, "seeded\n", 7);
    tar_add(tar, '0', "top", 0644, "top\n", 4);
    return tar_end(tar);
}

static void test_files_go_in_before_the_start(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec =
        spec_of(test, name, SHELL("cat /configs/inner/file; cat /configs/top; " WAITER));
    g_autofree char *id = create(&spec);
    g_autoptr(GBytes) tar = small_tar();
    g_autoptr(GBytes) out = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *content = NULL;

    (void)data;
    g_assert_true(engine_copy_in(engine, id, "/configs", tar, &error));
    g_assert_no_error(error);
    start(id);
    assert_output(id, "cat /configs/inner/file", "seeded\n");
    assert_output(id, "echo more >/configs/inner/more", "");
    g_assert_true(engine_copy_out(engine, id, "/configs/inner", 1 << 20, &out, &error));
    g_assert_no_error(error);
    content = tar_find(out, "inner/more");
    g_assert_cmpstr(content, ==, "more\n");
}

static void test_files_come_out_of_a_stopped_one(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, "echo kept >/data/file; head -c 100000 /dev/zero >/data/big");
    g_autoptr(GBytes) out = NULL;
    g_autofree char *content = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    container_info_free(wait_for_state(id, CONTAINER_EXITED));
    g_assert_true(engine_copy_out(engine, id, "/data/file", 1 << 20, &out, &error));
    content = tar_find(out, "file");
    g_assert_cmpstr(content, ==, "kept\n");
    g_clear_pointer(&out, g_bytes_unref);
    g_assert_false(engine_copy_out(engine, id, "/data/absent", 1 << 20, &out, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_false(engine_copy_out(engine, id, "/data/big", 50000, &out, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_TOO_LARGE);
    g_assert_null(out);
}

/* ---- Volumes and networks ---- */

static void test_volume_keeps_its_files(Case *test, gconstpointer data)
{
    g_autofree char *volume = new_name(test);
    g_autofree char *name = new_name(test);
    EngineLabels labels = labels_of(test, ENGINE_KIND_VOLUME_WORKSPACE, 0);
    EngineLabels existing = {0};
    EngineMount mount = {.type = ENGINE_MOUNT_VOLUME, .source = volume, .target = "/data"};
    ContainerSpec spec = spec_of(test, name, SHELL("cat /data/file; echo kept >/data/file"));
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(engine_volume_create(engine, volume, &labels, &existing, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(existing.kind, ==, ENGINE_KIND_VOLUME_WORKSPACE);
    engine_labels_clear(&existing);
    spec.mounts = &mount;
    spec.mount_count = 1;
    for (int round = 0; round < 2; round++) {
        g_autofree char *id = create(&spec);
        g_autoptr(GBytes) text = NULL;
        if (round == 0) {
            g_assert_false(engine_volume_remove(engine, volume, &error));
            g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
            g_clear_error(&error);
        }
        start(id);
        container_info_free(wait_for_state(id, CONTAINER_EXITED));
        g_assert_true(engine_logs(engine, id, 0, OUTPUT_MAX, &text, NULL));
        if (round == 1)
            g_assert_cmpmem(g_bytes_get_data(text, NULL), g_bytes_get_size(text), "kept\n", 5);
        g_assert_true(engine_remove(engine, id, NULL));
    }
    g_assert_true(engine_volume_remove(engine, volume, &error));
    g_assert_true(engine_volume_remove(engine, volume, &error));
    g_assert_no_error(error);
}

static void test_volume_of_somebody_else(Case *test, gconstpointer data)
{
    g_autofree char *volume = new_name(test);
    EngineLabels ours = labels_of(test, ENGINE_KIND_VOLUME_CONFIGS, 0);
    EngineLabels theirs = ours;
    EngineLabels existing = {0};
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GPtrArray) none = NULL;
    char other[ID_SIZE];

    (void)data;
    id_make(other);
    theirs.installation = other;
    g_assert_true(engine_volume_create(engine, volume, &ours, &existing, NULL));
    engine_labels_clear(&existing);
    g_assert_true(engine_volume_create(engine, volume, &theirs, &existing, NULL));
    g_assert_cmpstr(existing.installation, ==, test->installation);
    engine_labels_clear(&existing);
    g_assert_true(engine_volume_list(engine, test->installation, &list, NULL));
    g_assert_true(engine_volume_list(engine, other, &none, NULL));
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_cmpuint(none->len, ==, 0);
    VolumeInfo *info = list->pdata[0];
    g_assert_cmpstr(info->name, ==, volume);
    g_assert_cmpstr(info->labels.workspace, ==, test->workspace);
    g_assert_cmpint(ABS(info->created_at_us - clock_now_us()), <, CLOCK_MINUTE_US);
}

/* The engine has no call that removes a network, because servers never do. */
static void remove_network(const char *name)
{
    g_autofree char *path = NULL;
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {.method = "DELETE", .has_effect = TRUE, .deadline_ms = 10000};

    if (strcmp(engine_name(engine), "docker") != 0)
        return;
    path = docker_path("networks", name, "");
    request.path = path;
    g_assert_true(docker_call(docker_engine(engine), &request, &answer, NULL));
    g_assert_cmpuint(answer.status, ==, 204);
}

static void test_network_joins_containers(Case *test, gconstpointer data)
{
    g_autofree char *network = new_name(test);
    g_autofree char *name = new_name(test);
    EngineLabels labels = {.installation = test->installation, .kind = (char *)ENGINE_KIND_NETWORK};
    ContainerSpec spec = spec_of(test, name, SHELL(WAITER));
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    for (int i = 0; i < 2; i++)
        g_assert_true(engine_network_ensure(engine, network, &labels, &error));
    g_assert_no_error(error);
    spec.network = network;
    spec.network_alias = "the-alias";
    id = create(&spec);
    start(id);
    assert_output(id, "echo up", "up\n");
    g_assert_true(engine_remove(engine, id, NULL));
    remove_network(network);
}

/* ---- Logs and events ---- */

static void test_logs_from_the_end(Case *test, gconstpointer data)
{
    g_autofree char *id =
        run(test, "for i in $(seq 1 500); do echo line-$i; done; sleep 0.1; echo last >&2");
    g_autoptr(GBytes) all = NULL;
    g_autoptr(GBytes) some = NULL;
    g_autoptr(GBytes) few = NULL;
    g_autofree char *text = NULL;

    (void)data;
    container_info_free(wait_for_state(id, CONTAINER_EXITED));
    g_assert_true(engine_logs(engine, id, 0, OUTPUT_MAX, &all, NULL));
    text = g_strndup(g_bytes_get_data(all, NULL), g_bytes_get_size(all));
    g_assert_true(g_str_has_prefix(text, "line-1\nline-2\n"));
    g_assert_true(g_str_has_suffix(text, "line-499\nline-500\nlast\n"));
    g_assert_true(engine_logs(engine, id, 2, OUTPUT_MAX, &some, NULL));
    g_assert_cmpmem(g_bytes_get_data(some, NULL), g_bytes_get_size(some), "line-500\nlast\n", 14);
    g_assert_true(engine_logs(engine, id, 0, 7, &few, NULL));
    g_assert_cmpmem(g_bytes_get_data(few, NULL), g_bytes_get_size(few), "0\nlast\n", 7);
}

typedef struct {
    const char *id;
    Cancel *cancel;
    GString *text; /* the thread's until it is joined */
    atomic_uint length;
    gboolean ok;
} Follower;

static void on_log(const char *bytes, gsize length, void *data)
{
    Follower *follower = data;

    g_string_append_len(follower->text, bytes, (gssize)length);
    atomic_store(&follower->length, (guint)follower->text->len);
}

static void follow(void *data)
{
    Follower *follower = data;

    follower->ok =
        engine_logs_follow(engine, follower->id, 0, follower->cancel, on_log, follower, NULL);
}

static void wait_for_length(Follower *follower, guint length)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    while (atomic_load(&follower->length) < length) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(10000);
    }
}

static void test_logs_are_followed_to_the_end(Case *test, gconstpointer data)
{
    g_autofree char *id =
        run(test, "echo one; until [ -e /tmp/go ]; do sleep 0.05; done; echo two");
    g_autoptr(Cancel) cancel = cancel_new();
    Follower follower = {.id = id, .cancel = cancel, .text = g_string_new(NULL)};
    Thread *thread = thread_start("follower", follow, &follower);

    (void)data;
    wait_for_length(&follower, 4);
    assert_output(id, "touch /tmp/go", "");
    thread_join(thread); /* by itself */
    g_assert_true(follower.ok);
    g_assert_cmpstr(follower.text->str, ==, "one\ntwo\n");
    g_string_free(follower.text, TRUE);
}

static void test_following_logs_is_cancelled(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, "echo one; " WAITER);
    g_autoptr(Cancel) cancel = cancel_new();
    Follower follower = {.id = id, .cancel = cancel, .text = g_string_new(NULL)};
    Thread *thread = thread_start("follower", follow, &follower);
    gint64 begun_us;

    (void)data;
    wait_for_length(&follower, 4);
    begun_us = clock_monotonic_us();
    cancel_fire(cancel);
    thread_join(thread);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 2 * CLOCK_SECOND_US);
    g_assert_true(follower.ok);
    g_string_free(follower.text, TRUE);
}

typedef struct {
    Case *test;
    Cancel *cancel;
    Mutex lock; /* guards seen */
    GString *seen;
    gboolean ok;
} Watcher;

static void on_event(const EngineEvent *event, void *data)
{
    static const char *const words[] = {
        [ENGINE_EVENT_CREATE] = "create",   [ENGINE_EVENT_START] = "start",
        [ENGINE_EVENT_DIE] = "die",         [ENGINE_EVENT_DESTROY] = "destroy",
        [ENGINE_EVENT_CONNECTED] = "ready",
    };
    Watcher *watcher = data;

    if (event->type == ENGINE_EVENT_OTHER)
        return;
    if (event->type != ENGINE_EVENT_CONNECTED) {
        g_assert_cmpstr(event->labels.installation, ==, watcher->test->installation);
        g_assert_cmpstr(event->labels.workspace, ==, watcher->test->workspace);
        g_assert_cmpint(event->labels.generation, ==, 7);
        g_assert_cmpstr(event->container_id, !=, "");
        g_assert_cmpint(ABS(event->time_us - clock_now_us()), <, CLOCK_MINUTE_US);
    }
    mutex_lock(&watcher->lock);
    g_string_append_printf(watcher->seen, "%s ", words[event->type]);
    if (event->type == ENGINE_EVENT_DIE)
        g_string_append_printf(watcher->seen, "%d ", (int)event->exit_code);
    mutex_unlock(&watcher->lock);
}

static void watch_events(void *data)
{
    Watcher *watcher = data;

    watcher->ok = engine_events(engine, watcher->test->installation, 0, watcher->cancel, on_event,
                                watcher, NULL);
}

static void wait_for_seen(Watcher *watcher, const char *text)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;
    gboolean is_seen = FALSE;

    while (!is_seen) {
        mutex_lock(&watcher->lock);
        is_seen = strstr(watcher->seen->str, text) != NULL;
        mutex_unlock(&watcher->lock);
        if (clock_monotonic_us() > deadline_us)
            g_error("no \"%s\" in \"%s\"", text, watcher->seen->str);
        g_usleep(10000);
    }
}

static void test_events_tell_a_life(Case *test, gconstpointer data)
{
    Watcher watcher = {.test = test, .cancel = cancel_new(), .seen = g_string_new(NULL)};
    g_autofree char *id = NULL;
    Thread *thread;

    (void)data;
    mutex_init(&watcher.lock);
    thread = thread_start("watcher", watch_events, &watcher);
    wait_for_seen(&watcher, "ready ");
    id = run(test, "exit 5");
    container_info_free(wait_for_state(id, CONTAINER_EXITED));
    g_assert_true(engine_remove(engine, id, NULL));
    wait_for_seen(&watcher, "destroy ");
    cancel_fire(watcher.cancel);
    thread_join(thread);
    g_assert_true(watcher.ok);
    g_assert_cmpstr(watcher.seen->str, ==, "ready create start die 5 destroy ");
    g_string_free(watcher.seen, TRUE);
    cancel_unref(watcher.cancel);
    mutex_clear(&watcher.lock);
}

/* ---- Many at once ---- */

#define THREADS 6

typedef struct {
    Case *test;
    char *name;
} Life;

static void live(void *data)
{
    Life *life = data;
    ContainerSpec spec = spec_of(life->test, life->name, SHELL(WAITER));
    g_autofree char *id = create(&spec);

    start(id);
    assert_output(id, "echo $((1+1))", "2\n");
    g_assert_true(engine_remove(engine, id, NULL));
}

static void test_many_at_once(Case *test, gconstpointer data)
{
    Life lives[THREADS];
    Thread *threads[THREADS];

    (void)data;
    for (int i = 0; i < THREADS; i++) {
        lives[i] = (Life){.test = test, .name = new_name(test)};
        threads[i] = thread_start("life", live, &lives[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        g_free(lives[i].name);
    }
}

/* ---- The table ---- */

static const struct {
    const char *path;
    void (*function)(Case *, gconstpointer);
} cases[] = {
    {"ping-and-info", test_ping_and_info},
    {"absent-is-not-found", test_absent_is_not_found},
    {"image-can-be-seen", test_image_can_be_seen},
    {"created-is-seen-and-not-started", test_created_is_seen_and_not_started},
    {"list-holds-ours-and-no-other", test_list_holds_ours_and_no_other},
    {"name-is-taken", test_name_is_taken},
    {"image-is-missing", test_image_is_missing},
    {"bind-source-is-missing", test_bind_source_is_missing},
    {"command-is-missing", test_command_is_missing},
    {"start-stop-remove", test_start_stop_remove},
    {"stop-kills-after-its-grace", test_stop_kills_after_its_grace},
    {"started-again-after-its-end", test_started_again_after_its_end},
    {"freeze-and-thaw", test_freeze_and_thaw},
    {"spec-reaches-the-program", test_spec_reaches_the_program},
    {"port-is-reachable", test_port_is_reachable},
    {"stats", test_stats},
    {"ends-by-its-memory-cap", test_ends_by_its_memory_cap},
    {"exec-streams-and-code", test_exec_streams_and_code},
    {"exec-takes-much-and-keeps-little", test_exec_takes_much_and_keeps_little},
    {"exec-over-its-time-is-killed", test_exec_over_its_time_is_killed},
    {"exec-of-nothing", test_exec_of_nothing},
    {"exec-needs-a-running-container", test_exec_needs_a_running_container},
    {"terminal", test_terminal},
    {"files-go-in-before-the-start", test_files_go_in_before_the_start},
    {"files-come-out-of-a-stopped-one", test_files_come_out_of_a_stopped_one},
    {"volume-keeps-its-files", test_volume_keeps_its_files},
    {"volume-of-somebody-else", test_volume_of_somebody_else},
    {"network-joins-containers", test_network_joins_containers},
    {"logs-from-the-end", test_logs_from_the_end},
    {"logs-are-followed-to-the-end", test_logs_are_followed_to_the_end},
    {"following-logs-is-cancelled", test_following_logs_is_cancelled},
    {"events-tell-a-life", test_events_tell_a_life},
    {"many-at-once", test_many_at_once},
};

static gboolean prepare_image(GError **error)
{
    g_autoptr(GBytes) tar = root_tar();
    g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, tar);

    image = g_strdup_printf("workspaced-test/base:%.12s", digest);
    if (engine_image_inspect(engine, image, NULL, NULL))
        return TRUE;
    return engine_image_import(engine, image, tar, error);
}

/* In a directory of its own, which goes with its last container. */
static Engine *open_sandbox(GError **error)
{
    sandbox_directory = g_dir_make_tmp("workspaced-sandbox-XXXXXX", error);
    if (!sandbox_directory)
        return NULL;
    engine_sandbox_supervisor_set(g_getenv("WORKSPACED_TEST_SUPERVISOR"));
    return engine_sandbox_new(sandbox_directory, error);
}

static void remove_sandbox(void)
{
    g_autoptr(GError) error = NULL;

    if (!sandbox_directory)
        return;
    sandbox_tree_remove(sandbox_directory, &error);
    g_assert_no_error(error);
    g_clear_pointer(&sandbox_directory, g_free);
}

static Engine *open_engine(const char *name, GError **error)
{
    g_autoptr(Engine) opened = NULL;

    if (strcmp(name, "sandbox") == 0)
        return open_sandbox(error);
    if (strcmp(name, "docker") != 0) {
        error_set(error, ERROR_INVALID, "no engine of this name");
        return NULL;
    }
    opened = engine_docker_new(NULL, error);
    if (!opened || !engine_ping(opened, error))
        return NULL;
    return g_steal_pointer(&opened);
}

int main(int argc, char **argv)
{
    const char *name = g_getenv("WORKSPACED_TEST_ENGINE");
    gboolean is_required = g_strcmp0(g_getenv("WORKSPACED_TEST_REQUIRE_ENGINE"), "1") == 0;
    g_autoptr(GError) error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    name = name && *name ? name : "docker";
    engine = open_engine(name, &error);
    if (!engine || !prepare_image(&error)) {
        g_test_message("no %s here: %s", name, error->message);
        engine_free(engine);
        remove_sandbox();
        return is_required ? EXIT_FAILURE : g_test_run();
    }
    quick_network = strcmp(name, "docker") == 0 ? "none" : NULL;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/engine/%s/%s", name, cases[i].path);
        g_test_add(path, Case, NULL, set_up, cases[i].function, tear_down);
    }
    status = g_test_run();
    engine_free(engine);
    remove_sandbox();
    g_free(image);
    return status;
}
