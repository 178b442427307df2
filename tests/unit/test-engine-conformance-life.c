/* The engine itself, and the life of a container from its making to its end. */
#include "test-engine-conformance-world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
    g_autoptr(GBytes) tar = tar_of(NULL, 0);
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
    g_assert_true(g_str_has_suffix(info->image, image)); /* Podman names the registry, too */
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

static guint count_of(const GPtrArray *containers, const char *installation)
{
    guint count = 0;

    for (guint i = 0; i < containers->len; i++)
        count += g_strcmp0(((ContainerInfo *)containers->pdata[i])->labels.installation,
                           installation) == 0;
    return count;
}

static void test_list_holds_ours_and_no_other(Case *test, gconstpointer data)
{
    g_autofree char *first = run(test, "true");
    g_autofree char *second = NULL;
    g_autofree char *name = new_name(test);
    ContainerSpec spec = spec_of(test, name, SHELL(WAITER));
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GPtrArray) none = NULL;
    g_autoptr(GPtrArray) everybodys = NULL;
    char other[ID_SIZE];

    (void)data;
    second = create(&spec);
    id_make(other);
    container_info_free(wait_for_state(first, CONTAINER_EXITED));
    g_assert_true(engine_list(engine, test->installation, &list, NULL));
    g_assert_true(engine_list(engine, other, &none, NULL));
    g_assert_true(engine_list(engine, NULL, &everybodys, NULL));
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(list->len, ==, 2);
    g_assert_cmpuint(count_of(everybodys, test->installation), ==, 2);
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
    g_assert_cmpint(running->health, ==, HEALTH_NONE); /* its image has no check */
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
    assert_output(id, "tr '\\0' '\\n' </proc/1/environ | grep -E '^(ONE|TWO|EMPTY)=' | sort",
                  "EMPTY=\nONE=1\nTWO=a b=c\n"); /* their order is nobody's promise */
    assert_output(id, "echo x >/tmp/file && cat /tmp/file", "x\n");
    assert_output(id, "touch /configs/x 2>/dev/null || echo refused", "refused\n");
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

static gboolean answers(const char *address)
{
    char answer[1024] = "";
    gsize length = 0;
    gssize received;
    int fd = connect_to(address);

    if (fd < 0)
        return FALSE;
    while (length < sizeof answer - 1 &&
           (received = read(fd, answer + length, sizeof answer - 1 - length)) > 0)
        length += (gsize)received;
    close(fd);
    return strstr(answer, "root:x:0:0") != NULL;
}

static void test_port_is_reachable(Case *test, gconstpointer data)
{
    g_autofree char *network = new_name(test);
    g_autofree char *name = new_name(test);
    EngineLabels labels = {.installation = test->installation, .kind = (char *)ENGINE_KIND_NETWORK};
    /* An engine without networks of its own tells the program its port. */
    ContainerSpec spec = spec_of(
        test, name, SHELL("exec nc -ll -p ${WORKSPACE_AGENT_PORT:-8000} -e cat /etc/passwd"));
    g_autofree char *id = NULL;
    g_autoptr(ContainerInfo) info = NULL;
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    (void)data;
    g_assert_true(engine_network_ensure(engine, network, &labels, NULL));
    spec.network = network;
    spec.port = 8000;
    id = create(&spec);
    start(id);
    info = inspect(id);
    g_assert_nonnull(info->address);
    while (!answers(info->address)) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(20000);
    }
    g_assert_true(engine_remove(engine, id, NULL));
    remove_network(network);
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

const CaseRow life_cases[] = {
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
    {"many-at-once", test_many_at_once},
    {NULL, NULL},
};
