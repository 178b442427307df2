/* A small house for the tests of a2a/: a database of its own, the chart, tokens, events that are
 * written down, a worker, and agents that do what a test tells them. Each test program includes it
 * once. */
#pragma once

#include "a2a/forwards.h"
#include "auth/tokens.h"
#include "base/clock.h"
#include "base/sync.h"
#include "db/migrations.h"
#include "events/events.h"
#include "org/tree.h"
#include "store/activity.h"
#include "store/workspaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_US (20 * CLOCK_SECOND_US)

/* ---- Waiting for a condition ---- */

static inline void assert_soon(gboolean (*holds)(void *data), void *data)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    while (!holds(data)) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(2000);
    }
}

/* ---- The house ---- */

typedef struct {
    char *folder;
    Db *db;
    OrgTree *tree;
    Tokens *tokens;
    Events *events;
    Forwards *forwards;
    Mutex lock;      /* guards seen */
    GPtrArray *seen; /* "TYPE id payload", in order */
    Queue *work;     /* of Work */
    Thread *worker;
} House;

typedef struct {
    void (*function)(void *data);
    void *data;
} Work;

static inline void house_hear(const Event *event, void *data)
{
    House *house = data;

    g_assert_true(g_utf8_validate_len(event->envelope, event->envelope_length, NULL));
    mutex_lock(&house->lock);
    g_ptr_array_add(house->seen,
                    g_strdup_printf("%s %s %s", event->type, event->workspace_id, event->payload));
    mutex_unlock(&house->lock);
}

static inline void house_work(void *data)
{
    House *house = data;
    Work *work;

    while ((work = queue_pop(house->work, G_MAXINT64))) {
        work->function(work->data);
        g_free(work);
    }
}

static inline gboolean house_post(void (*function)(void *work_data), void *work_data, void *data)
{
    House *house = data;
    Work *work = g_new(Work, 1);

    *work = (Work){function, work_data};
    if (queue_push(house->work, work))
        return TRUE;
    g_free(work);
    return FALSE;
}

static inline void house_open(House *house, guint capacity)
{
    g_autofree char *url = NULL;
    g_autoptr(GError) error = NULL;

    memset(house, 0, sizeof *house);
    house->folder = g_dir_make_tmp("house-XXXXXX", NULL);
    url = g_strdup_printf("sqlite:%s/a.db", house->folder);
    house->db = db_open(url, 1000, &error);
    g_assert_no_error(error);
    g_assert_true(db_migrate(house->db, NULL, &error));
    house->tree = org_tree_new(house->db, &error);
    g_assert_nonnull(house->tree);
    house->tokens = tokens_new(house->db, &error);
    g_assert_nonnull(house->tokens);
    house->events = events_new(house->db);
    house->forwards = forwards_new(capacity);
    forwards_listen(house->forwards, house->events);
    mutex_init(&house->lock);
    house->seen = g_ptr_array_new_with_free_func(g_free);
    events_listen(house->events, house_hear, house);
    house->work = queue_new(64, g_free);
    house->worker = thread_start("test-worker", house_work, house);
}

static inline void house_close(House *house)
{
    static const char *const files[] = {"a.db", "a.db-wal", "a.db-shm"};

    queue_close(house->work);
    thread_join(house->worker);
    queue_free(house->work);
    forwards_free(house->forwards);
    events_free(house->events);
    tokens_free(house->tokens);
    org_tree_free(house->tree);
    db_close(house->db);
    g_ptr_array_unref(house->seen);
    mutex_clear(&house->lock);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(house->folder, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(house->folder);
    g_free(house->folder);
}

/* A row with what most tests want; free it, or hand it to house_insert. */
static inline WorkspaceRow *house_row(const char *name, const char *parent, const char *url)
{
    static gint64 created_us = 1000000;
    WorkspaceRow *row = workspace_row_new();

    id_make(row->id);
    row->name = g_strdup(name);
    row->tier = 2;
    row->runtime = g_strdup("builtin");
    row->workspace_access = g_strdup("none");
    row->status = WORKSPACE_ONLINE;
    row->url = g_strdup(url);
    row->created_at_us = created_us++;
    if (parent)
        g_strlcpy(row->parent_id, parent, ID_SIZE);
    return row;
}

/* Takes the row over. */
static inline void house_insert(House *house, WorkspaceRow *row, char id[ID_SIZE])
{
    g_autoptr(GError) error = NULL;

    gboolean is_stored = store_workspace_insert(house->db, row, &error);

    g_assert_no_error(error);
    g_assert_true(is_stored);
    g_assert_true(org_tree_refresh(house->tree, row->id, &error));
    g_strlcpy(id, row->id, ID_SIZE);
    workspace_row_free(row);
}

static inline void house_add(House *house, const char *name, const char *parent, const char *url,
                             char id[ID_SIZE])
{
    house_insert(house, house_row(name, parent, url), id);
}

static inline WorkspaceStatus house_status(House *house, const char *id)
{
    g_autoptr(WorkspaceRow) row = NULL;

    g_assert_true(store_workspace_load(house->db, id, &row, NULL));
    return row->status;
}

/* How often an event that begins like this was seen. */
static inline guint house_count(House *house, const char *prefix)
{
    guint count = 0;

    mutex_lock(&house->lock);
    for (guint i = 0; i < house->seen->len; i++)
        count += g_str_has_prefix(house->seen->pdata[i], prefix);
    mutex_unlock(&house->lock);
    return count;
}

/* The latest event that begins like this; NULL when there is none. Caller owns it. */
static inline char *house_event_dup(House *house, const char *prefix)
{
    char *found = NULL;

    mutex_lock(&house->lock);
    for (guint i = house->seen->len; !found && i-- > 0;)
        if (g_str_has_prefix(house->seen->pdata[i], prefix))
            found = g_strdup(house->seen->pdata[i]);
    mutex_unlock(&house->lock);
    return found;
}

/* All rows of a workspace, newest first. */
static inline GPtrArray *house_activity(House *house, const char *id)
{
    const ActivityFilter filter = {.limit = 100};
    g_autoptr(GError) error = NULL;
    GPtrArray *rows = store_activity_list(house->db, id, &filter, &error);

    g_assert_no_error(error);
    return rows;
}

/* ---- Agents ---- */

typedef enum { AGENT_CLOSES, AGENT_RESETS, AGENT_HOLDS } AgentEnd;

/* What an agent does with each request: waits, sends, waits, sends; then ends. */
typedef struct {
    const char *bytes; /* NULL ends the steps */
    gsize length;      /* 0: strlen */
    guint pause_ms;    /* before it is sent */
} AgentStep;

typedef struct {
    const AgentStep *steps;
    AgentEnd end;
    int fd;
    Cancel *stop;
    Thread *thread;
    char url[64];
    Mutex lock;          /* guards what it saw */
    GPtrArray *requests; /* whole requests as text */
} Agent;

static inline gsize agent_body_length(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");

    return line ? (gsize)g_ascii_strtoull(line + 17, NULL, 10) : 0;
}

static inline gboolean agent_wait(Agent *agent, int fd, gint64 pause_ms)
{
    struct pollfd fds[2] = {{.fd = fd, .events = fd >= 0 ? POLLIN : 0},
                            {.fd = cancel_fd(agent->stop), .events = POLLIN}};

    (void)poll(fds, 2, (int)pause_ms);
    return !cancel_fired(agent->stop);
}

static inline void agent_read_request(Agent *agent, int fd)
{
    GString *text = g_string_new(NULL);
    char part[8192];
    ssize_t count;

    for (;;) {
        const char *end = strstr(text->str, "\r\n\r\n");
        if (end && text->len >= (gsize)(end + 4 - text->str) + agent_body_length(text->str))
            break;
        if (!agent_wait(agent, fd, -1) || (count = read(fd, part, sizeof part)) <= 0)
            break;
        g_string_append_len(text, part, count);
    }
    mutex_lock(&agent->lock);
    g_ptr_array_add(agent->requests, g_string_free(text, FALSE));
    mutex_unlock(&agent->lock);
}

static inline void agent_send(Agent *agent, int fd, const char *bytes, gsize length)
{
    while (length > 0 && !cancel_fired(agent->stop)) {
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (count < 0) {
            if (errno != EAGAIN)
                return;
            (void)poll(&wait, 1, 20);
            continue;
        }
        bytes += count;
        length -= (gsize)count;
    }
}

static inline void agent_serve(Agent *agent, int fd)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    agent_read_request(agent, fd);
    for (const AgentStep *step = agent->steps; step && step->bytes; step++) {
        if (step->pause_ms && !agent_wait(agent, -1, step->pause_ms))
            break;
        agent_send(agent, fd, step->bytes, step->length ? step->length : strlen(step->bytes));
    }
    if (agent->end == AGENT_HOLDS)
        agent_wait(agent, -1, -1);
    if (agent->end == AGENT_RESETS)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

typedef struct {
    Agent *agent;
    int fd;
} AgentVisit;

static inline void agent_visit(void *data)
{
    AgentVisit *visit = data;

    agent_serve(visit->agent, visit->fd);
    g_free(visit);
}

/* One thread a connection, so that several can be under way. */
static inline void agent_run(void *data)
{
    Agent *agent = data;
    g_autoptr(GPtrArray) threads = g_ptr_array_new();

    while (agent_wait(agent, agent->fd, -1)) {
        int fd = accept4(agent->fd, NULL, NULL, SOCK_CLOEXEC);
        AgentVisit *visit;
        if (fd < 0)
            continue;
        visit = g_new(AgentVisit, 1);
        *visit = (AgentVisit){agent, fd};
        g_ptr_array_add(threads, thread_start("test-agent", agent_visit, visit));
    }
    for (guint i = 0; i < threads->len; i++)
        thread_join(threads->pdata[i]);
}

static inline void agent_start(Agent *agent, const AgentStep *steps, AgentEnd end)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    memset(agent, 0, sizeof *agent);
    agent->steps = steps;
    agent->end = end;
    agent->stop = cancel_new();
    mutex_init(&agent->lock);
    agent->requests = g_ptr_array_new_with_free_func(g_free);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    agent->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(agent->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(agent->fd, 64), ==, 0);
    g_assert_cmpint(getsockname(agent->fd, (struct sockaddr *)&address, &size), ==, 0);
    g_snprintf(agent->url, sizeof agent->url, "http://127.0.0.1:%u/a?b=c", ntohs(address.sin_port));
    agent->thread = thread_start("test-agents", agent_run, agent);
}

static inline void agent_stop(Agent *agent)
{
    cancel_fire(agent->stop);
    thread_join(agent->thread);
    close(agent->fd);
    cancel_unref(agent->stop);
    g_ptr_array_unref(agent->requests);
    mutex_clear(&agent->lock);
}

static inline guint agent_calls(Agent *agent)
{
    guint count;

    mutex_lock(&agent->lock);
    count = agent->requests->len;
    mutex_unlock(&agent->lock);
    return count;
}

/* The request of that number. Caller owns it. */
static inline char *agent_request_dup(Agent *agent, guint index)
{
    char *text;

    mutex_lock(&agent->lock);
    g_assert_cmpuint(index, <, agent->requests->len);
    text = g_strdup(agent->requests->pdata[index]);
    mutex_unlock(&agent->lock);
    return text;
}

#define AGENT_ANSWER(status_, type_, body_)                                                        \
    {                                                                                              \
        .bytes =                                                                                   \
            "HTTP/1.1 " status_ "\r\nContent-Type: " type_ "\r\nConnection: close\r\n\r\n" body_   \
    }
