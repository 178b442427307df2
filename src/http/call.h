/* One outgoing call from the inside: what client.c (the thread) and call.c (the call) share. */
#pragma once

#include "base/sync.h"
#include "http/client.h"

#include <curl/curl.h>

typedef enum {
    END_BY_TRANSFER, /* libcurl says how it ended */
    END_IDLE,
    END_DEADLINE,
    END_CANCELLED,
} CallEnd;

struct _HttpCall {
    RefCount references;
    HttpClient *client; /* a reference */

    /* From any thread. */
    atomic_llong touched_us;

    /* Guarded by the client's lock. */
    HttpCall *next_command;
    gboolean has_command, wants_start, wants_resume, wants_cancel;

    /* Constant after http_client_start. */
    char *method, *url, *unix_socket;
    struct curl_slist *headers;
    const char *wanted_header; /* static; NULL: none */
    GBytes *body;
    GuardPolicy policy;
    gboolean trusted;
    gint64 connect_timeout_ms, idle_timeout_us, total_timeout_us, started_us;
    gsize max_answer_bytes;
    gboolean (*head)(HttpCall *call, guint status, const char *content_type, void *data);
    gboolean (*chunk)(HttpCall *call, const char *bytes, gsize length, void *data);
    void (*done)(HttpCall *call, const HttpCallResult *result, void *data);
    void *data;

    /* The client's thread's. */
    CURL *easy;      /* NULL before start and after the end */
    guint index;     /* in the client's list of running calls */
    gint64 heard_us; /* the last byte */
    gboolean is_paused, head_in, was_forbidden, was_reset;
    char reason[CURL_ERROR_SIZE + 64], curl_error[CURL_ERROR_SIZE];
    HttpCallResult result;
};

HttpCall *call_new(HttpClient *client, const HttpCallSpec *spec);
/* Puts the call's options on `easy`. */
void call_prepare(HttpCall *call, CURL *easy);
/* Fills in `result` once the transfer is over. */
void call_conclude(HttpCall *call, CallEnd end, CURLcode code);
/* When the idle window or the total limit will have passed, and which; G_MAXINT64: never. */
gint64 call_expiry_us(HttpCall *call, CallEnd *end);

HttpClient *client_ref(HttpClient *client);
void client_unref(HttpClient *client);
