/* Calls to agents and vendors: one thread with libcurl's multi interface owns them all.
 *
 * No redirects, no proxy variables, no Accept-Encoding of ours. The guard's policy is applied to
 * the very address that is connected to, after resolving, so a name cannot be re-bound in between.
 * Source: spec 04 section 5.8; ARCHITECTURE section 4. */
#pragma once

#include "http/guard.h"

typedef struct _HttpClient HttpClient;
typedef struct _HttpCall HttpCall;

typedef enum {
    HTTP_CALL_ANSWERED,    /* whole answer read */
    HTTP_CALL_BROKEN_BODY, /* head came, body broke off, timed out or was over its limit */
    HTTP_CALL_REFUSED,     /* could not be reached: refused, no such host, TLS, malformed answer */
    HTTP_CALL_FORBIDDEN,   /* the guard refused the address */
    HTTP_CALL_CONNECT_TIMEOUT, /* no connection within the limit: the agent never saw the request */
    HTTP_CALL_RESET,           /* connection ended before the first byte of an answer */
    HTTP_CALL_IDLE,            /* idle window passed before the head */
    HTTP_CALL_DEADLINE,        /* total limit passed before the head */
    HTTP_CALL_CANCELLED,
} HttpCallOutcome;

typedef struct {
    HttpCallOutcome outcome;
    guint status;             /* 0 without a head */
    const char *content_type; /* "" when none */
    gint64 retry_after_s;     /* of the answer's Retry-After in seconds; -1 when none */
    const char *wanted_value; /* of the spec's wanted_header; NULL when the answer has none */
    GString *body;            /* what was collected (not for streamed bodies); borrowed */
    gboolean over_limit;      /* the body was longer than max_answer_bytes */
    gboolean streamed;        /* `chunk` got the body */
    gint64 head_us, total_us; /* durations from dispatch */
    const char *reason; /* for logs and error_detail: contains "timeout", "connection reset", ... */
} HttpCallResult;

typedef struct {
    const char *method;         /* NULL: POST */
    const char *url;            /* fragment is dropped; user info becomes Basic authorization */
    const char *unix_socket;    /* NULL, or a path: connect there, `url` gives host and path */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const char *wanted_header;  /* NULL, or the name (static) of a header of the answer that `done`
                                   wants to see */
    GBytes *body;               /* referenced; may be NULL */
    GuardPolicy policy;
    gboolean trusted;         /* skip the guard: our own engine made this address */
    guint connect_timeout_ms; /* 0: 30 s */
    guint idle_timeout_ms;    /* 0: none. Reset by http_call_touch and by every byte received */
    guint total_timeout_ms;   /* 0: none */
    gsize max_answer_bytes;   /* 0: 10 MiB */
    /* All call-backs run in the client's thread and must be quick. `head` (may be NULL) is asked
     * when the head is in: TRUE streams the body to `chunk` instead of collecting it. `chunk`
     * returns FALSE to pause (call http_call_resume later). `done` runs exactly once. */
    gboolean (*head)(HttpCall *call, guint status, const char *content_type, void *data);
    gboolean (*chunk)(HttpCall *call, const char *bytes, gsize length, void *data);
    void (*done)(HttpCall *call, const HttpCallResult *result, void *data);
    void *data;
} HttpCallSpec;

HttpClient *http_client_new(guint max_calls);
void http_client_free(HttpClient *client); /* cancels what is under way, waits for the thread */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpClient, http_client_free)

/* Starts a call; texts of `spec` are copied. ERROR_BUSY: max_calls are under way; `done` is not
 * called then. Returns a reference that the caller may keep for touch, resume and cancel, and must
 * unref. Thread: any. */
HttpCall *http_client_start(HttpClient *client, const HttpCallSpec *spec, GError **error);
void http_call_touch(HttpCall *call); /* resets the idle window */
void http_call_resume(
    HttpCall *call); /* after `chunk` returned FALSE; the refused bytes come again */
void http_call_cancel(HttpCall *call);
HttpCall *http_call_ref(HttpCall *call);
void http_call_unref(HttpCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpCall, http_call_unref)

/* For tests, ctl-like tools and jobs that may wait: runs one call and waits for it. Result texts
 * are owned by `result_body` (free with g_string_free). Never from an I/O thread. */
gboolean http_client_fetch(HttpClient *client, const HttpCallSpec *spec, guint *status,
                           GString **body, GError **error);
guint http_client_active(HttpClient *client);
