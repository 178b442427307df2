/* Calls to the server: one connection that is kept, answers that are bounded, and refusals turned
 * into sentences. Everything runs in the caller's thread. */
#pragma once

#include "base/json_view.h"
#include "target.h"

#define API_ANSWER_BYTES_MAX (64 * 1024 * 1024)

typedef struct _Api Api;

typedef struct {
    long status;
    char *content_type;   /* lower case, without parameters; "" when none */
    gint64 retry_after_s; /* -1: not said */
    GString *body;        /* whole; of a streamed answer only what `chunk` did not get */
} ApiAnswer;

void api_answer_clear(ApiAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ApiAnswer, api_answer_clear)

typedef struct {
    const char *method;
    const char *path; /* begins with a slash; query included */
    const char *body; /* JSON; NULL: none */
    const char *accept;
    guint limit_ms; /* 0: two minutes, or none with `chunk` */
    /* When set, the body of a 2xx answer goes here as it comes; `answer` has its status and type.
     * FALSE ends the call, and the caller knows why. */
    gboolean (*chunk)(const ApiAnswer *answer, const char *bytes, gsize length, void *data);
    /* When set, Ctrl-C does not end the program but comes here, from within the call. FALSE ends
     * the call with CTL_INTERRUPTED. */
    gboolean (*interrupted)(void *data);
    void *data;
} ApiRequest;

/* `target` is borrowed. */
Api *api_new(const Target *target);
void api_free(Api *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Api, api_free)

const Target *api_target(const Api *api);

/* Runs one call. TRUE as soon as there is an answer, whatever its status.
 * Errors: CTL_UNREACHABLE, CTL_INTERRUPTED, CTL_REFUSED (answer too large). The caller clears
 * `answer` in every case. */
gboolean api_run(Api *api, const ApiRequest *request, ApiAnswer *answer, GError **error);

/* Runs a call without a stream and insists on a 2xx answer that is JSON.
 *   view  out, may be NULL: the JSON; valid as long as `answer` */
gboolean api_call(Api *api, const char *method, const char *path, const char *body,
                  ApiAnswer *answer, JsonView *view, GError **error);

/* Turns an answer that is not 2xx into an error with the server's words and what to do. */
gboolean api_refusal(const Api *api, const ApiAnswer *answer, GError **error);

/* Sets CTL_UNREACHABLE with a reason and what to do. */
gboolean api_unreachable(const Api *api, const char *reason, GError **error);

/* The JSON of an answer. Error: CTL_REFUSED. */
gboolean api_answer_json(const Api *api, const ApiAnswer *answer, JsonView *view, GError **error);

/* A member that is a text; NULL otherwise. Caller owns it. */
char *api_text_dup(JsonView object, const char *key);
/* Whether a member is true. */
gboolean api_flag(JsonView object, const char *key);
