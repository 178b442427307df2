/* What the sandbox promises beyond the engines' common contract: containers outlive the server,
 * nothing is left behind, nothing leads out. Without bubblewrap every case is skipped. */
#include "base/clock.h"
#include "base/ids.h"
#include "engine/base_image.h"
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"
#include "engine/supervisor/run_file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_US    (20 * CLOCK_SECOND_US)
#define INSTALLATION   "11111111-2222-4333-8444-555555555555"
#define SHELL(script_) ((const char *const[]){"/bin/sh", "-c", (script_), NULL})
#define WAITER         "trap 'exit 0' TERM; while :; do sleep 0.05; done"

typedef struct {
    char *directory;
    Engine *engine;
    char *image;
} World;

static char *directory; /* of all cases: importing the image costs more than most of them */

static void open_engine(World *world)
{
    g_autoptr(GError) error = NULL;

    world->engine = engine_sandbox_new(world->directory, &error);
    g_assert_no_error(error);
}

static void set_up(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    world->directory = directory;
    open_engine(world);
    g_assert_true(base_image_ensure(world->engine, NULL, &world->image, &error));
    g_assert_no_error(error);
}

static guint count_in(World *world, const char *folder)
{
    g_autoptr(GPtrArray) names = sandbox_names(sandbox_engine(world->engine), folder, NULL);

    g_assert_nonnull(names);
    return names->len;
}

/* Whatever a case made: afterwards nothing of it is in the folders, and no process holds it. */
static void tear_down(World *world, gconstpointer data)
{
    g_autoptr(GPtrArray) containers = NULL, volumes = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(engine_list(world->engine, INSTALLATION, &containers, NULL));
    for (guint i = 0; i < containers->len; i++) {
        engine_remove(world->engine, ((ContainerInfo *)containers->pdata[i])->id, &error);
        g_assert_no_error(error);
    }
    g_assert_true(engine_volume_list(world->engine, INSTALLATION, &volumes, NULL));
    for (guint i = 0; i < volumes->len; i++) {
        engine_volume_remove(world->engine, ((VolumeInfo *)volumes->pdata[i])->name, &error);
        g_assert_no_error(error);
    }
    g_assert_cmpuint(count_in(world, SANDBOX_CONTAINERS), ==, 0);
    g_assert_cmpuint(count_in(world, SANDBOX_NAMES), ==, 0);
    g_assert_cmpuint(count_in(world, SANDBOX_VOLUMES), ==, 0);
    g_assert_cmpuint(count_in(world, SANDBOX_NEW), ==, 0);
    g_assert_cmpuint(count_in(world, SANDBOX_TRASH), ==, 0);
    engine_free(world->engine);
    g_free(world->image);
}

static ContainerSpec spec_of(World *world, const char *name, const char *kind,
                             const char *const *argv)
{
    return (ContainerSpec){
        .name = name,
        .image = world->image,
        .command = argv,
        .labels = {.installation = (char *)INSTALLATION, .kind = (char *)kind, .generation = 1},
    };
}

static char *create(World *world, const ContainerSpec *spec)
{
    g_autoptr(GError) error = NULL;
    char *id = NULL;

    engine_create(world->engine, spec, &id, &error);
    g_assert_no_error(error);
    return id;
}

static void start(World *world, const char *id)
{
    g_autoptr(GError) error = NULL;

    engine_start(world->engine, id, &error);
    g_assert_no_error(error);
}

static char *run_spec(World *world, const ContainerSpec *spec)
{
    char *id = create(world, spec);

    start(world, id);
    return id;
}

static char *run(World *world, const char *name, const char *script)
{
    ContainerSpec spec = spec_of(world, name, ENGINE_KIND_HELPER, SHELL(script));

    return run_spec(world, &spec);
}

static ContainerInfo *inspect(World *world, const char *id)
{
    g_autoptr(GError) error = NULL;
    ContainerInfo *info = NULL;

    engine_inspect(world->engine, id, &info, &error);
    g_assert_no_error(error);
    return info;
}

static ContainerInfo *wait_for_state(World *world, const char *id, ContainerState state)
{
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;

    for (;;) {
        g_autoptr(ContainerInfo) info = inspect(world, id);

        if (info->state == state)
            return g_steal_pointer(&info);
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
        g_usleep(5000);
    }
}

static char *output_of(World *world, const char *id, const char *user, const char *script)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ExecResult) result = NULL;
    ExecSpec spec = {
        .argv = SHELL(script), .user = user, .max_output_bytes = 65536, .timeout_ms = 10000};

    engine_exec(world->engine, id, &spec, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(result->errors->str, ==, "");
    return g_strdup(g_strchomp(result->output->str));
}

#define ASSERT_OUTPUT(id_, script_, expected_)                                                     \
    do {                                                                                           \
        g_autofree char *output_ = output_of(world, (id_), NULL, (script_));                       \
        g_assert_cmpstr(output_, ==, (expected_));                                                 \
    } while (0)

static char *folder_of(World *world, const char *id)
{
    return g_build_filename(world->directory, SANDBOX_CONTAINERS, id, NULL);
}

static SandboxState state_of(World *world, const char *id)
{
    g_autofree char *folder = folder_of(world, id);
    SandboxState state;

    sandbox_state_load(folder, &state);
    g_clear_pointer(&state.phase, g_free);
    g_clear_pointer(&state.failure, g_free);
    return state;
}

static void wait_until_gone(pid_t pid, guint64 begun)
{
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;

    while (sandbox_process_is(pid, begun)) {
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
        g_usleep(2000);
    }
}

/* ---- A server that dies ---- */

/* The other program: makes things, says their ids, and waits for its end. */
static int own(const char *shared)
{
    World world = {.directory = (char *)shared};
    g_autofree char *started = NULL, *made = NULL;
    EngineLabels labels = {.installation = (char *)INSTALLATION}, existing = {0};
    const EngineMount mount = {.type = ENGINE_MOUNT_VOLUME, .source = "kept", .target = "/kept"};
    ContainerSpec spec;
    EngineSession *session = NULL;
    const AttachSpec attach = {
        .argv = SHELL("echo inside > /kept/terminal; exec sleep 1000"), .columns = 80, .rows = 24};

    open_engine(&world);
    if (!base_image_ensure(world.engine, NULL, &world.image, NULL) ||
        !engine_volume_create(world.engine, "kept", &labels, &existing, NULL))
        return 1;
    spec = spec_of(&world, "one", ENGINE_KIND_WORKSPACE,
                   SHELL("trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo $i; "
                         "echo $i > /kept/count; sleep 0.05; done"));
    spec.mounts = &mount;
    spec.mount_count = 1;
    spec.port = 8000;
    started = run_spec(&world, &spec);
    spec = spec_of(&world, "two", ENGINE_KIND_WORKSPACE, SHELL(WAITER));
    made = create(&world, &spec);
    if (!engine_attach(world.engine, "one", &attach, &session, NULL))
        return 1;
    g_print("%s %s\n", started, made);
    for (;;)
        pause();
}

static pid_t start_owner(World *world, char **first, char **second)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    char *argv[] = {self, (char *)"--own", world->directory, NULL};
    char line[256] = "";
    g_auto(GStrv) ids = NULL;
    gsize length = 0;
    GPid pid = 0;
    int output = -1;

    g_assert_true(g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                           &pid, NULL, &output, NULL, NULL));
    while (length < sizeof line - 1 && !strchr(line, '\n')) {
        ssize_t got = read(output, line + length, sizeof line - 1 - length);

        g_assert_cmpint(got, >, 0);
        length += (gsize)got;
    }
    close(output);
    ids = g_strsplit(g_strstrip(line), " ", 2);
    *first = g_strdup(ids[0]);
    *second = g_strdup(ids[1]);
    return pid;
}

static gint64 count_kept(World *world)
{
    g_autofree char *path =
        g_build_filename(world->directory, SANDBOX_VOLUMES, "kept", SANDBOX_DATA, "count", NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoll(text, NULL, 10) : 0;
}

static void wait_for_count(World *world, gint64 above)
{
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;

    while (count_kept(world) <= above) {
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
        g_usleep(5000);
    }
}

/* The terminal's program goes with the server, because nobody reads it any more. */
static void wait_for_no_sleep(World *world, const char *id)
{
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;

    for (;;) {
        g_autofree char *text = output_of(world, id, NULL, "ps | grep -c '[s]leep 1000'; true");

        if (strcmp(text, "0") == 0)
            return;
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
        g_usleep(10000);
    }
}

typedef struct {
    Cancel *cancel;
    GString *types;
} Seen;

static void on_event(const EngineEvent *event, void *data)
{
    static const char *const names[] = {
        [ENGINE_EVENT_CREATE] = "create",   [ENGINE_EVENT_START] = "start",
        [ENGINE_EVENT_DIE] = "die",         [ENGINE_EVENT_DESTROY] = "destroy",
        [ENGINE_EVENT_CONNECTED] = "hello",
    };
    Seen *seen = data;

    g_string_append_printf(seen->types, "%s ", names[event->type]);
    if (event->type == ENGINE_EVENT_DESTROY)
        cancel_fire(seen->cancel);
}

static void test_containers_outlive_the_server(World *world, gconstpointer data)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(ContainerInfo) running = NULL, waiting = NULL;
    g_autoptr(Cancel) cancel = cancel_new();
    Seen seen = {.cancel = cancel, .types = g_string_new(NULL)};
    gint64 begun_us = clock_now_us();
    int status = 0;
    pid_t owner = start_owner(world, &first, &second);

    (void)data;
    wait_for_count(world, 1);
    g_assert_cmpint(kill(owner, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(owner, &status, 0), ==, owner);
    wait_for_count(world, count_kept(world) + 2); /* it works on without a server */

    engine_free(world->engine);
    open_engine(world);
    g_assert_true(engine_list(world->engine, INSTALLATION, &list, NULL));
    g_assert_cmpuint(list->len, ==, 2);
    running = inspect(world, "one");
    waiting = inspect(world, second);
    g_assert_cmpstr(running->id, ==, first);
    g_assert_cmpint(running->state, ==, CONTAINER_RUNNING);
    g_assert_nonnull(running->address);
    g_assert_cmpint(waiting->state, ==, CONTAINER_CREATED);
    wait_for_no_sleep(world, first);
    SandboxState state = state_of(world, first);
    g_assert_true(engine_remove(world->engine, first, NULL));
    wait_until_gone(state.init, state.init_start);
    g_assert_cmpint(sandbox_process_start(state.supervisor), ==, 0);
    /* What happened meanwhile is told to who asks since then. */
    g_assert_true(
        engine_events(world->engine, INSTALLATION, begun_us, cancel, on_event, &seen, NULL));
    g_assert_cmpstr(seen.types->str, ==, "hello create start create die destroy ");
    g_string_free(seen.types, TRUE);
}

static void test_killed_supervisor_takes_all_with_it(World *world, gconstpointer data)
{
    g_autofree char *id = run(world, "one", WAITER);
    g_autoptr(ContainerInfo) info = NULL, again = NULL;
    SandboxState state = state_of(world, id);

    (void)data;
    g_assert_cmpint(kill(state.supervisor, SIGKILL), ==, 0);
    wait_until_gone(state.init, state.init_start);
    info = wait_for_state(world, id, CONTAINER_EXITED);
    g_assert_cmpint(info->exit_code, ==, 137);
    g_assert_nonnull(info->failure);
    g_assert_null(info->address);
    start(world, id);
    again = inspect(world, id);
    g_assert_cmpint(again->state, ==, CONTAINER_RUNNING);
    g_assert_null(again->failure);
}

static void test_leftovers_are_swept(World *world, gconstpointer data)
{
    g_autofree char *dead = g_build_filename(world->directory, SANDBOX_NEW, "dead", NULL);
    g_autofree char *live = g_build_filename(world->directory, SANDBOX_NEW, "live", NULL);
    g_autofree char *gone = g_build_filename(world->directory, SANDBOX_TRASH, "gone", NULL);
    g_autofree char *name = g_build_filename(world->directory, SANDBOX_NAMES, "one", NULL);
    g_autofree char *id = NULL;
    int hold = -1;

    (void)data;
    g_assert_cmpint(g_mkdir(dead, 0700) + g_mkdir(live, 0700) + g_mkdir(gone, 0700), ==, 0);
    hold = open(live, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(flock(hold, LOCK_EX), ==, 0);
    g_assert_cmpint(symlink("no-such-container", name), ==, 0);
    engine_free(world->engine);
    open_engine(world);
    g_assert_false(g_file_test(dead, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(live, G_FILE_TEST_EXISTS)); /* somebody is at work there */
    close(hold);
    g_assert_true(sandbox_tree_remove(live, NULL));
    id = run(world, "one", WAITER); /* a name that leads nowhere is free */
}

/* ---- Restarts ---- */

static void test_workspace_is_restarted_until_stopped(World *world, gconstpointer data)
{
    ContainerSpec spec =
        spec_of(world, "one", ENGINE_KIND_WORKSPACE, SHELL("echo run; sleep 0.02; exit 3"));
    g_autofree char *id = run_spec(world, &spec);
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GBytes) logs = NULL;
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;

    (void)data;
    do {
        g_clear_pointer(&info, container_info_free);
        info = inspect(world, id);
        g_assert_cmpint(info->state, !=, CONTAINER_EXITED);
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
    } while (info->restart_count < 2);
    g_assert_true(engine_stop(world->engine, id, 1, NULL));
    g_clear_pointer(&info, container_info_free);
    info = inspect(world, id);
    g_assert_cmpint(info->state, ==, CONTAINER_EXITED);
    g_assert_cmpint(info->exit_code, ==, 3);
    g_usleep(300 * 1000); /* longer than the wait between two runs */
    g_clear_pointer(&info, container_info_free);
    info = inspect(world, id);
    g_assert_cmpint(info->state, ==, CONTAINER_EXITED);
    g_assert_true(engine_logs(world->engine, id, 0, 100, &logs, NULL));
    g_assert_true(g_str_has_prefix(g_bytes_get_data(logs, NULL), "run\nrun\n"));
}

static void test_machine_that_goes_down_ends_it_well(World *world, gconstpointer data)
{
    g_autofree char *id =
        run(world, "one", "trap 'echo bye; exit 5' TERM; while :; do sleep 0.02; done");
    g_autoptr(ContainerInfo) info = NULL;
    SandboxState state = state_of(world, id);

    (void)data;
    ASSERT_OUTPUT(id, "true", ""); /* the trap is set by now, or soon */
    g_usleep(50 * 1000);
    g_assert_cmpint(kill(state.supervisor, SIGTERM), ==, 0); /* as init does it */
    info = wait_for_state(world, id, CONTAINER_EXITED);
    g_assert_cmpint(info->exit_code, ==, 5);
}

/* ---- Walls ---- */

static void test_program_sees_only_its_own(World *world, gconstpointer data)
{
    g_autofree char *id = run(world, "one", WAITER);
    g_autofree char *processes = NULL;

    (void)data;
    ASSERT_OUTPUT(id, "ls /proc/1/fd | tr '\\n' ' '", "0 1 2");
    ASSERT_OUTPUT(id, "grep NoNewPrivs /proc/self/status | tr -d '\\t'", "NoNewPrivs:1");
    ASSERT_OUTPUT(id, "grep NoNewPrivs /proc/1/status | tr -d '\\t'", "NoNewPrivs:1");
    ASSERT_OUTPUT(id, "grep CapEff /proc/1/status | cut -f2", "00000000000000eb");
    ASSERT_OUTPUT(id, "grep CapEff /proc/self/status | cut -f2", "00000000000000eb");
    ASSERT_OUTPUT(id, "echo x 2>/dev/null >/proc/sys/kernel/core_pattern || echo no", "no");
    ASSERT_OUTPUT(id, "echo h 2>/dev/null >/proc/sysrq-trigger || echo no", "no");
    ASSERT_OUTPUT(
        id, "ls / | tr '\\n' ' '",
        "bin configs dev etc home proc root run sbin sys tmp usr var workspace workspaced");
    ASSERT_OUTPUT(id, "hostname", "one");
    ASSERT_OUTPUT(id,
                  "touch /dev/.workspaced-init 2>/dev/null; "
                  "echo 2>/dev/null >> /dev/.workspaced-init || echo no",
                  "no");
    processes = output_of(world, id, NULL, "ls /proc | grep -c '^[0-9]'");
    g_assert_cmpint(g_ascii_strtoll(processes, NULL, 10), <, 10);
}

static void test_secrets_are_on_no_command_line(World *world, gconstpointer data)
{
    const char *const environment[] = {"SECRET=tell-nobody-9f3", "LD_PRELOAD=/evil.so", NULL};
    ContainerSpec spec = spec_of(world, "one", ENGINE_KIND_HELPER, SHELL(WAITER));
    g_autofree char *id = NULL, *folder = NULL, *path = NULL;
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    const char *name = NULL;
    struct stat info;

    (void)data;
    spec.environment = environment;
    id = run_spec(world, &spec);
    while ((name = g_dir_read_name(processes))) {
        g_autofree char *file = g_build_filename("/proc", name, "cmdline", NULL);
        g_autofree char *text = NULL;
        gsize length = 0;

        if (g_file_get_contents(file, &text, &length, NULL))
            g_assert_null(g_strstr_len(text, (gssize)length, "tell-nobody-9f3"));
    }
    folder = folder_of(world, id);
    path = g_build_filename(folder, RUN_FILE_RUN, NULL);
    g_assert_cmpint(stat(path, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0600);
    g_assert_cmpint(stat(world->directory, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0700);
}

static void test_read_only_root(World *world, gconstpointer data)
{
    const EngineMount mounts[] = {
        {.type = ENGINE_MOUNT_VOLUME, .source = "data", .target = "/made/at/start"},
        {.type = ENGINE_MOUNT_TMPFS, .target = "/tmp", .size_bytes = 65536},
    };
    ContainerSpec spec = spec_of(world, "one", ENGINE_KIND_HELPER, SHELL(WAITER));
    g_autofree char *id = NULL;

    (void)data;
    spec.read_only_root = TRUE;
    spec.mounts = mounts;
    spec.mount_count = G_N_ELEMENTS(mounts);
    id = run_spec(world, &spec);
    ASSERT_OUTPUT(id, "touch /x 2>/dev/null || echo no", "no");
    ASSERT_OUTPUT(id, "echo 2>/dev/null >/etc/hosts || echo no", "no");
    ASSERT_OUTPUT(id, "touch /made/at/start/x /tmp/x /dev/shm/x && echo yes", "yes");
    ASSERT_OUTPUT(id, "dd if=/dev/zero of=/tmp/big bs=1k count=100 2>/dev/null || echo full",
                  "full");
}

static void test_user_is_switched(World *world, gconstpointer data)
{
    ContainerSpec spec =
        spec_of(world, "one", ENGINE_KIND_HELPER, SHELL("id -u; echo $HOME; " WAITER));
    g_autofree char *id = NULL, *missing = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    spec.user = "agent";
    id = run_spec(world, &spec);
    ASSERT_OUTPUT(id, "id -u; id -g; echo $HOME", "1000\n1000\n/home/agent");
    ASSERT_OUTPUT(id, "grep CapEff /proc/1/status | cut -f2",
                  geteuid() == 0 ? "0000000000000000" : "00000000000000eb");
    if (geteuid() == 0) {
        g_autofree char *root = output_of(world, id, "root", "id -u; echo $HOME");
        g_assert_cmpstr(root, ==, "0\n/root");
    }
    spec.name = "two";
    spec.user = "nobody-here";
    missing = create(world, &spec);
    g_assert_false(engine_start(world->engine, missing, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

/* A program that made links where the server will put files. */
static void test_files_go_where_the_program_sees_them(World *world, gconstpointer data)
{
    g_autofree char *id = run(world, "one",
                              "ln -s ../../../../../../../../tmp/outside-9f3 /trap; mkdir -p "
                              "/tmp/outside-9f3; " WAITER);
    g_autoptr(GBytes) out = NULL, none = NULL;
    g_autoptr(GError) error = NULL;
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;

    (void)data;
    while (!engine_copy_out(world->engine, id, "/tmp/outside-9f3", 65536, &out, NULL))
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
    g_assert_true(engine_copy_in(world->engine, id, "/trap", out, NULL));
    ASSERT_OUTPUT(id, "ls /tmp/outside-9f3", "outside-9f3");
    g_assert_false(g_file_test("/tmp/outside-9f3", G_FILE_TEST_EXISTS));
    g_assert_false(engine_copy_out(world->engine, id, "/absent", 65536, &none, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
}

/* ---- Ports ---- */

static gint64 port_of(World *world, const char *id)
{
    g_autoptr(ContainerInfo) info = inspect(world, id);

    g_assert_true(g_str_has_prefix(info->address, "127.0.0.1:"));
    return g_ascii_strtoll(info->address + 10, NULL, 10);
}

static void test_each_agent_has_a_port_of_its_own(World *world, gconstpointer data)
{
    ContainerSpec spec = spec_of(world, "one", ENGINE_KIND_HELPER, SHELL(WAITER));
    g_autofree char *first = NULL, *second = NULL, *expected = NULL;
    gint64 port = 0;

    (void)data;
    spec.port = 8000;
    first = run_spec(world, &spec);
    spec.name = "two";
    second = run_spec(world, &spec);
    port = port_of(world, first);
    g_assert_cmpint(port, !=, port_of(world, second));
    expected = g_strdup_printf("%d 127.0.0.1 http://127.0.0.1:%d", (int)port, (int)port);
    ASSERT_OUTPUT(first, "echo $WORKSPACE_AGENT_PORT $WORKSPACE_AGENT_LISTEN $WORKSPACE_AGENT_URL",
                  expected);
    g_assert_true(engine_stop(world->engine, first, 0, NULL));
    start(world, first);
    g_assert_cmpint(port_of(world, first), ==, port); /* who wrote it down finds it again */
}

static int listen_somewhere(guint16 *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void test_port_the_spec_chose_is_kept(World *world, gconstpointer data)
{
    ContainerSpec spec = spec_of(world, "one", ENGINE_KIND_HELPER, SHELL(WAITER));
    g_autofree char *id = NULL, *expected = NULL;
    g_autoptr(GError) error = NULL;
    guint16 port = 0;
    int taken = listen_somewhere(&port);

    (void)data;
    spec.host_network = TRUE;
    spec.port = port;
    id = create(world, &spec);
    g_assert_false(engine_start(world->engine, id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    close(taken);
    start(world, id);
    g_assert_cmpint(port_of(world, id), ==, port);
    expected = g_strdup_printf("%u http://127.0.0.1:%u", port, port);
    ASSERT_OUTPUT(id, "echo $WORKSPACE_AGENT_PORT $WORKSPACE_AGENT_URL", expected);
}

/* ---- Nothing stays ---- */

static void test_removal_takes_whatever_is_there(World *world, gconstpointer data)
{
    static const char script[] =
        "mkdir -p /a/b/c; touch /a/b/c/file; chown -R 4242:4242 /a 2>/dev/null; "
        "chmod 0 /a/b/c/file /a/b/c /a/b; mkfifo /pipe; (trap '' TERM HUP; sleep 1000) & "
        "(setsid sh -c \"trap '' TERM; sleep 1000\") & touch /ready; " WAITER;
    g_autofree char *id = run(world, "one", script);
    g_autoptr(GBytes) ready = NULL;
    SandboxState state;
    gint64 until_us = clock_monotonic_us() + PATIENCE_US;
    g_autoptr(GArray) processes = NULL;
    g_autofree guint64 *begun = NULL;

    (void)data;
    while (!engine_copy_out(world->engine, id, "/ready", 65536, &ready, NULL))
        g_assert_cmpint(clock_monotonic_us(), <, until_us);
    state = state_of(world, id);
    processes = sandbox_process_list(state.init);
    g_assert_cmpuint(processes->len, >=, 3);
    begun = g_new0(guint64, processes->len);
    for (guint i = 0; i < processes->len; i++)
        begun[i] = sandbox_process_start(g_array_index(processes, pid_t, i));
    g_assert_true(engine_remove(world->engine, id, NULL));
    for (guint i = 0; i < processes->len; i++)
        g_assert_false(sandbox_process_is(g_array_index(processes, pid_t, i), begun[i]));
    g_assert_true(engine_remove(world->engine, id, NULL)); /* gone is success */
}

static void test_volume_in_use_stays(World *world, gconstpointer data)
{
    const EngineMount mount = {.type = ENGINE_MOUNT_VOLUME, .source = "data", .target = "/data"};
    ContainerSpec spec = spec_of(world, "one", ENGINE_KIND_HELPER, SHELL(WAITER));
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    spec.mounts = &mount;
    spec.mount_count = 1;
    id = create(world, &spec); /* makes the volume, with its owner's labels */
    g_assert_false(engine_volume_remove(world->engine, "data", &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
    g_assert_true(engine_remove(world->engine, id, NULL));
    g_assert_true(engine_volume_remove(world->engine, "data", NULL));
}

static void test_output_is_bounded(World *world, gconstpointer data)
{
    g_autofree char *id = run(world, "one", "yes 0123456789abcdef | head -n 1500000; echo end");
    g_autofree char *folder = folder_of(world, id);
    g_autofree char *newer = g_build_filename(folder, RUN_FILE_LOG, NULL);
    g_autofree char *older = g_build_filename(folder, RUN_FILE_LOG_OLD, NULL);
    g_autoptr(GBytes) logs = NULL;
    struct stat of_newer, of_older;

    (void)data;
    container_info_free(wait_for_state(world, id, CONTAINER_EXITED));
    g_assert_cmpint(stat(newer, &of_newer), ==, 0);
    g_assert_cmpint(stat(older, &of_older), ==, 0);
    g_assert_cmpint(of_newer.st_size, <=, 10 * 1024 * 1024);
    g_assert_cmpint(of_older.st_size, <=, 10 * 1024 * 1024);
    g_assert_true(engine_logs(world->engine, id, 2, 1000, &logs, NULL));
    g_assert_cmpmem("0123456789abcdef\nend\n", 21, g_bytes_get_data(logs, NULL),
                    g_bytes_get_size(logs));
}

static void test_image_is_replaced(World *world, gconstpointer data)
{
    g_autoptr(GBytes) tar = NULL;
    g_autofree char *name = NULL, *before = NULL, *after = NULL;
    g_autofree char *id = NULL;

    (void)data;
    g_assert_true(base_image_make(NULL, &tar, &name, NULL));
    g_assert_true(engine_image_import(world->engine, "test:1", tar, NULL));
    g_assert_true(engine_image_inspect(world->engine, "test:1", &before, NULL));
    g_assert_cmpuint(count_in(world, SANDBOX_IMAGES), ==, 1); /* the same bytes, two names */
    id = run(world, "one", WAITER);

    gsize size = g_bytes_get_size(tar);
    g_autofree char *longer = g_malloc0(size + 512);
    memcpy(longer, g_bytes_get_data(tar, NULL), size);
    g_autoptr(GBytes) other = g_bytes_new(longer, size + 512);
    g_assert_true(engine_image_import(world->engine, "test:1", other, NULL));
    g_assert_true(engine_image_inspect(world->engine, "test:1", &after, NULL));
    g_assert_cmpstr(before, !=, after);
    g_assert_cmpuint(count_in(world, SANDBOX_IMAGES), ==, 2);
    g_assert_true(engine_image_import(world->engine, "test:1", tar, NULL));
    g_assert_cmpuint(count_in(world, SANDBOX_IMAGES), ==, 1); /* nobody names it any more */
    g_assert_true(engine_image_inspect(world->engine, before, NULL, NULL));
    ASSERT_OUTPUT(id, "echo still", "still");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*function)(World *, gconstpointer);
    } cases[] = {
        {"/sandbox/containers-outlive-the-server", test_containers_outlive_the_server},
        {"/sandbox/killed-supervisor-takes-all-with-it", test_killed_supervisor_takes_all_with_it},
        {"/sandbox/leftovers-are-swept", test_leftovers_are_swept},
        {"/sandbox/workspace-is-restarted-until-stopped",
         test_workspace_is_restarted_until_stopped},
        {"/sandbox/machine-that-goes-down-ends-it-well", test_machine_that_goes_down_ends_it_well},
        {"/sandbox/program-sees-only-its-own", test_program_sees_only_its_own},
        {"/sandbox/secrets-are-on-no-command-line", test_secrets_are_on_no_command_line},
        {"/sandbox/read-only-root", test_read_only_root},
        {"/sandbox/user-is-switched", test_user_is_switched},
        {"/sandbox/files-go-where-the-program-sees-them",
         test_files_go_where_the_program_sees_them},
        {"/sandbox/each-agent-has-a-port-of-its-own", test_each_agent_has_a_port_of_its_own},
        {"/sandbox/port-the-spec-chose-is-kept", test_port_the_spec_chose_is_kept},
        {"/sandbox/removal-takes-whatever-is-there", test_removal_takes_whatever_is_there},
        {"/sandbox/volume-in-use-stays", test_volume_in_use_stays},
        {"/sandbox/output-is-bounded", test_output_is_bounded},
        {"/sandbox/image-is-replaced", test_image_is_replaced},
    };
    g_autoptr(Engine) engine = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;

    if (argc == 3 && strcmp(argv[1], "--own") == 0)
        return own(argv[2]);
    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("workspaced-sandbox-XXXXXX", NULL);
    engine = engine_sandbox_new(directory, &error);
    if (!engine)
        g_test_message("no sandbox here: %s", error->message);
    for (guint i = 0; engine && i < G_N_ELEMENTS(cases); i++)
        g_test_add(cases[i].path, World, NULL, set_up, cases[i].function, tear_down);
    status = g_test_run();
    if (!sandbox_tree_remove(directory, &error))
        g_error("%s", error->message);
    g_free(directory);
    return status;
}
