/* Reading what an agent says: one JSON-RPC answer, which is either the whole answer of
 * `message/send` or one event of `message/stream`. Pure. Source: A2A 0.3.0, sections 6 and 7. */
#pragma once

#include "base/json_view.h"

typedef enum {
    AGENT_SAYS,    /* `text` is a message, whole */
    AGENT_ADDS,    /* `text` is a piece of the answer */
    AGENT_STANDS,  /* a task and its state; `text` is what its artifacts hold so far */
    AGENT_CHANGES, /* a new state; `text` is a word about it */
    AGENT_FAILS,   /* a JSON-RPC error; `text` is the reason, `code` its number */
    AGENT_QUEUED,  /* the server keeps the message for later; `text` says so */
    AGENT_UNCLEAR, /* nothing that A2A knows */
} AgentEventKind;

/* Texts are owned; NULL when absent, but `text` never is. */
typedef struct {
    AgentEventKind kind;
    char *text;
    char *task_id;
    char *context_id;
    char *state;        /* "working", "completed", "failed", ... */
    gboolean is_append; /* AGENT_ADDS: goes on with the same artifact */
    gboolean is_final;
    gint64 code;
} AgentEvent;

void agent_event_read(JsonView answer, AgentEvent *event);
void agent_event_clear(AgentEvent *event);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AgentEvent, agent_event_clear)

/* Whether a state ends a task without its answer: "failed", "canceled", "rejected", "unknown". */
gboolean agent_state_is_failure(const char *state);
