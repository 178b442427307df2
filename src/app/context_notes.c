/* How a restarted agent gets to know it: collected by lifecycle/restart_context, carried by the
 * message proxy, in the workers' threads. Source: spec 01, section 9.7. */
#include "app/house.h"
#include "base/log.h"

#include <string.h>

#define RESTART_CONTEXT_SECONDS 60

typedef struct {
    Rooms *rooms;
    char id[ID_SIZE];
    char *body;
} Telling;

static void note_told(const ProxyAnswer *answer, void *data)
{
    Telling *telling = data;

    if (answer->status >= 400)
        log_info("a restarted agent did not take its context", LOG_TEXT("workspace", telling->id),
                 LOG_INT("status", answer->status));
    g_free(telling->body);
    g_free(telling);
}

static void tell_agent(void *data)
{
    Telling *telling = data;
    const ProxyCall call = {.target_id = telling->id,
                            .caller_id = RESTART_CONTEXT_CALLER,
                            .timeout_s = RESTART_CONTEXT_SECONDS};

    proxy_call(telling->rooms->proxy, &call, telling->body, strlen(telling->body), note_told,
               telling);
}

static void send_context(const char *workspace_id, char *body, void *data)
{
    Rooms *rooms = data;
    Telling *telling = g_new0(Telling, 1);

    telling->rooms = rooms;
    telling->body = body;
    g_strlcpy(telling->id, workspace_id, ID_SIZE);
    if (!atomic_load(&rooms->is_stopping) && http_server_post(rooms->server, tell_agent, telling))
        return;
    log_info("a restarted agent was not told its context", LOG_TEXT("workspace", workspace_id));
    g_free(telling->body);
    g_free(telling);
}

typedef struct {
    RestartContexts *contexts;
    char id[ID_SIZE];
} Repair;

static void collect_context(void *data)
{
    g_autofree Repair *repair = data;

    restart_contexts_note_repair(repair->contexts, repair->id);
}

static void note_repair(const char *workspace_id, void *data)
{
    Rooms *rooms = data;
    Repair *repair = g_new0(Repair, 1);

    repair->contexts = rooms->contexts;
    g_strlcpy(repair->id, workspace_id, ID_SIZE);
    if (!http_server_post(rooms->server, collect_context, repair))
        g_free(repair);
}

void context_notes_build(Rooms *rooms)
{
    RestartContextOptions options = {
        .db = rooms->db,
        .events = rooms->events,
        .timeout_s = (guint)rooms->config->provision_timeout_seconds,
        .send = send_context,
        .note_repair = note_repair,
        .data = rooms,
    };

    rooms->status = status_signal_new(rooms->tree, rooms->events);
    rooms->contexts = restart_contexts_new(&options);
}
