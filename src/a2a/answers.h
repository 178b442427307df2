/* What the proxy answers its caller, and why: from values to values. Pure.
 * Source: spec 04 sections 5.2, 5.5, 5.9, 5.10. */
#pragma once

#include "http/client.h"

typedef struct {
    guint status;
    GBytes *body;         /* owned, never NULL */
    gint64 retry_after_s; /* -1: none */
    gboolean is_agents;   /* the agent answered */
    gboolean is_raw;      /* the body is the agent's, byte for byte */
    gboolean unreachable; /* nothing was delivered: worth one more try */
} Answer;
void answer_clear(Answer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)

Answer answer_error(guint status, const char *message);
/* {"error": message, "status": status_name} */
Answer answer_not_ready(const char *message, const char *status_name);
Answer answer_waking(void);
/* The busy form. `is_session`: the target keeps its own queue ("native_session"). */
Answer answer_busy(gboolean is_session);
Answer answer_restarting(void);
Answer answer_unreachable(void);

/* What was collected; empty when nothing was. Caller owns it. */
GBytes *answer_bytes_dup(const HttpCallResult *result);
/* Of a whole answer (HTTP_CALL_ANSWERED) and of a broken one (HTTP_CALL_BROKEN_BODY). */
Answer answer_of_agent(const HttpCallResult *result);
Answer answer_broken(const HttpCallResult *result);

typedef enum {
    FATE_ANSWERED,
    FATE_BROKEN,      /* the head came, the body did not */
    FATE_BUSY,        /* no answer, and it may be working; 503 */
    FATE_UNREACHABLE, /* 502 */
    FATE_FORBIDDEN,   /* the guard refused the address: 502, no look at the container, no row */
} Fate;
Fate fate_of(const HttpCallResult *result);
/* Whether a message of this end may be sent again later without running twice more than "at least
 * once" allows. */
gboolean fate_may_queue(HttpCallOutcome outcome);
/* The failure in the words the web UI looks for. Caller owns it. */
char *failure_text_dup(const HttpCallResult *result);

/* "Bad Gateway"; "" for a status without a phrase. Borrowed. */
const char *status_phrase(guint status);
