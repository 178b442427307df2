/* HTTP/1.1 calls to the server: http and https, one connection a call, every address of the host
 * tried in turn. Everything is bounded: the time of the whole call, the size of the answer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

typedef struct {
    bool is_post; /* otherwise GET */
    const char *url;
    const char *bearer;       /* NULL or "": none */
    const char *workspace_id; /* for X-Workspace-ID; NULL: none */
    const char *body;         /* JSON; NULL: none */
    size_t body_length;
    int64_t limit_ms; /* for the whole call */
    size_t answer_max_bytes;
} HttpRequest;

typedef struct {
    int status;         /* 0: no answer came, see `reason` */
    const char *reason; /* why not; "" otherwise */
    const char *body;   /* ends with a NUL that does not count */
    size_t body_length;
} HttpAnswer;

/*   ca_file  certificates to trust; "" = where images usually keep them */
HttpClient *http_client_new(struct event_base *base, const char *ca_file);
/* All calls must have ended. */
void http_client_free(HttpClient *client);

/* Starts a call; the request is copied.
 *   done  called once, later, never from within this call; not called after http_call_cancel().
 *         The answer is valid until it returns, and so is the call. */
HttpCall *http_client_start(HttpClient *client, const HttpRequest *request,
                            void (*done)(void *argument, const HttpAnswer *answer), void *argument);

void http_call_cancel(HttpCall *call);
