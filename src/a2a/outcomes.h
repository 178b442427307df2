/* Writes down what became of forwarded messages: activity rows, token usage, and the events about
 * them.
 *
 * One thread takes what is put in, in that order, and groups it into transactions. Everything that
 * reads a whole answer (parsing, compacting) happens here, so that neither the HTTP client's thread
 * nor a worker does it. What is not written yet is bounded by the proxy: it forwards nothing while
 * outcomes_has_room says FALSE. Order for one message: A2A_RESPONSE, row, ACTIVITY_LOGGED. A row
 * that cannot be stored does not keep its events back. Internal to a2a/. Source: spec 04
 * sections 5.12, 5.13, 12, F23, F28. */
#pragma once

#include "a2a/usage.h"
#include "base/ids.h"
#include "events/events.h"
#include "org/tree.h"

typedef struct _Outcomes Outcomes;

/* Every text is owned by the outcome. */
typedef struct {
    char target_id[ID_SIZE];
    char source_id[ID_SIZE]; /* "": the canvas, or a caller inside this process */
    gboolean is_logged;      /* write a row and announce it */
    gboolean is_chat_reply;  /* announce the answer to the canvas */
    gboolean is_answer_read; /* the answer is whole: count its usage */
    gboolean is_error;       /* status `error` instead of `ok` */
    char *method;
    char *target_name;
    GBytes *request;    /* the body sent; may be NULL when nothing is logged */
    GBytes *answer;     /* the agent's bytes; NULL: none */
    char *answer_json;  /* of a stream, instead of `answer`; NULL: none */
    AnswerUsage usage;  /* of a stream */
    char *failure;      /* NULL: an answer came */
    gint64 duration_ms; /* at least 1 */
} Outcome;
Outcome *outcome_new(const char *target_id);
void outcome_free(Outcome *outcome); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Outcome, outcome_free)

/* `expected`: outcomes that may still come after room has run out (forwards at once). Borrows all
 * three pointers; starts the thread. */
Outcomes *outcomes_new(Db *db, OrgTree *tree, Events *events, guint expected);
/* Writes what is there and joins the thread. Repeatable. */
void outcomes_stop(Outcomes *outcomes);
void outcomes_free(Outcomes *outcomes); /* stops first; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Outcomes, outcomes_free)

void outcomes_put(Outcomes *outcomes, Outcome *outcome); /* takes it over. Never blocks */
gboolean outcomes_has_room(Outcomes *outcomes);
guint outcomes_waiting(Outcomes *outcomes);
