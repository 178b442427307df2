/* What is around a container: volumes, networks, logs, events. */
#include "engine/docker/docker.h"
#include "test-engine-conformance-world.h"

#include <string.h>

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
            g_assert_nonnull(strstr(error->message, name)); /* who has it */
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

static gboolean has_volume(const GPtrArray *volumes, const char *name)
{
    for (guint i = 0; i < volumes->len; i++)
        if (strcmp(((VolumeInfo *)volumes->pdata[i])->name, name) == 0)
            return TRUE;
    return FALSE;
}

static void test_volume_of_somebody_else(Case *test, gconstpointer data)
{
    g_autofree char *volume = new_name(test);
    EngineLabels ours = labels_of(test, ENGINE_KIND_VOLUME_CONFIGS, 0);
    EngineLabels theirs = ours;
    EngineLabels existing = {0};
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GPtrArray) none = NULL;
    g_autoptr(GPtrArray) everybodys = NULL;
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
    g_assert_true(engine_volume_list(engine, NULL, &everybodys, NULL));
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_true(has_volume(everybodys, volume));
    VolumeInfo *info = list->pdata[0];
    g_assert_cmpstr(info->name, ==, volume);
    g_assert_cmpstr(info->labels.workspace, ==, test->workspace);
    g_assert_true(info->created_at_us == 0 ||
                  ABS(info->created_at_us - clock_now_us()) < CLOCK_MINUTE_US);
}

/* The engine has no call that removes a network, because servers never do. */
void remove_network(const char *name)
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
        [ENGINE_EVENT_CREATE] = "create", [ENGINE_EVENT_START] = "start",
        [ENGINE_EVENT_DIE] = "die",       [ENGINE_EVENT_DESTROY] = "destroy",
        [ENGINE_EVENT_HEALTH] = "health", [ENGINE_EVENT_CONNECTED] = "ready",
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

const CaseRow around_cases[] = {
    {"volume-keeps-its-files", test_volume_keeps_its_files},
    {"volume-of-somebody-else", test_volume_of_somebody_else},
    {"network-joins-containers", test_network_joins_containers},
    {"logs-from-the-end", test_logs_from_the_end},
    {"logs-are-followed-to-the-end", test_logs_are_followed_to_the_end},
    {"following-logs-is-cancelled", test_following_logs_is_cancelled},
    {"events-tell-a-life", test_events_tell_a_life},
    {NULL, NULL},
};
