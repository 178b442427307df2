/* The thread that owns all calls. Others reach it by a list of commands and a wake-up; it alone
 * touches libcurl's handles, so nothing of them needs a lock. It starts with the first call: a
 * server that calls nobody pays nothing. */
#include "base/clock.h"
#include "base/pulse.h"
#include "http/call.h"
#include "http/curl_library.h"

#include <signal.h>

#define IDLE_CONNECTIONS_MAX 128
#define SPARE_HANDLES_MAX    32
#define LONGEST_POLL_MS      1000

struct _HttpClient {
    RefCount references; /* the owner's and one each call */
    guint max_calls;

    Mutex lock;                             /* guards what follows */
    HttpCall *first_command, *last_command; /* calls with something to do, each with a reference */
    Thread *thread;                         /* NULL before the first call */
    CURLM *multi;                           /* set before the thread starts, constant then */
    guint active;
    gboolean is_stopping;

    /* The thread's. */
    GPtrArray *running; /* HttpCall, each with a reference */
    GPtrArray *spare;   /* CURL handles to use again */
    gint64 next_expiry_us;
};

/* ---- Commands ---- */

static void queue_command_locked(HttpClient *client, HttpCall *call) REQUIRES(client->lock)
{
    if (call->has_command)
        return;
    call->has_command = TRUE;
    http_call_ref(call);
    call->next_command = NULL;
    if (client->last_command)
        client->last_command->next_command = call;
    else
        client->first_command = call;
    client->last_command = call;
}

/* `want` is one of the call's wants_ fields. */
static void command(HttpCall *call, gboolean *want)
{
    HttpClient *client = call->client;

    mutex_lock(&client->lock);
    *want = TRUE;
    if (!client->is_stopping) {
        queue_command_locked(client, call);
        curl_multi_wakeup(client->multi);
    }
    mutex_unlock(&client->lock);
}

void http_call_resume(HttpCall *call)
{
    command(call, &call->wants_resume);
}

void http_call_cancel(HttpCall *call)
{
    command(call, &call->wants_cancel);
}

/* ---- The thread: one call's start and end ---- */

static CURL *take_handle(HttpClient *client)
{
    if (client->spare->len > 0)
        return g_ptr_array_steal_index_fast(client->spare, client->spare->len - 1);
    return curl_easy_init();
}

static void keep_handle(HttpClient *client, CURL *easy)
{
    curl_easy_reset(easy);
    if (client->spare->len < SPARE_HANDLES_MAX)
        g_ptr_array_add(client->spare, easy);
    else
        curl_easy_cleanup(easy);
}

static void note_expiry(HttpClient *client, HttpCall *call)
{
    CallEnd end;

    client->next_expiry_us = MIN(client->next_expiry_us, call_expiry_us(call, &end));
}

static void leave_running(HttpClient *client, HttpCall *call)
{
    HttpCall *last = client->running->pdata[client->running->len - 1];

    client->running->pdata[call->index] = last;
    last->index = call->index;
    g_ptr_array_steal_index(client->running, client->running->len - 1);
}

static void finish(HttpClient *client, HttpCall *call, CallEnd end, CURLcode code)
{
    if (call->easy) {
        curl_multi_remove_handle(client->multi, call->easy);
        call_conclude(call, end, code);
        keep_handle(client, g_steal_pointer(&call->easy));
        leave_running(client, call);
    } else {
        call_conclude(call, end, code);
    }
    mutex_lock(&client->lock);
    client->active--;
    mutex_unlock(&client->lock);
    call->done(call, &call->result, call->data);
    http_call_unref(call);
}

/* Takes over the reference that http_client_start made for us. */
static void start(HttpClient *client, HttpCall *call)
{
    CURL *easy = take_handle(client);

    if (!easy) {
        finish(client, call, END_BY_TRANSFER, CURLE_OUT_OF_MEMORY);
        return;
    }
    call_prepare(call, easy);
    call->index = client->running->len;
    g_ptr_array_add(client->running, call);
    note_expiry(client, call);
    if (curl_multi_add_handle(client->multi, easy) != CURLM_OK)
        finish(client, call, END_BY_TRANSFER, CURLE_FAILED_INIT);
}

static void resume(HttpClient *client, HttpCall *call)
{
    if (!call->is_paused)
        return;
    call->is_paused = FALSE;
    call->heard_us = clock_monotonic_us(); /* the window begins anew */
    note_expiry(client, call);
    curl_easy_pause(call->easy, CURLPAUSE_CONT);
}

/* ---- The thread: its loop ---- */

static HttpCall *pop_command(HttpClient *client, gboolean *starts, gboolean *resumes,
                             gboolean *cancels)
{
    HttpCall *call;

    mutex_lock(&client->lock);
    call = client->first_command;
    if (call) {
        client->first_command = call->next_command;
        if (!client->first_command)
            client->last_command = NULL;
        call->has_command = FALSE;
        *starts = call->wants_start;
        *resumes = call->wants_resume;
        *cancels = call->wants_cancel;
        call->wants_start = call->wants_resume = call->wants_cancel = FALSE;
    }
    mutex_unlock(&client->lock);
    return call;
}

static void run_commands(HttpClient *client)
{
    gboolean starts, resumes, cancels;
    HttpCall *call;

    while ((call = pop_command(client, &starts, &resumes, &cancels))) {
        if (starts && cancels)
            finish(client, call, END_CANCELLED, CURLE_OK);
        else if (starts)
            start(client, call);
        else if (cancels && call->easy)
            finish(client, call, END_CANCELLED, CURLE_OK);
        else if (resumes && call->easy)
            resume(client, call);
        http_call_unref(call);
    }
}

static void collect_finished(HttpClient *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        HttpCall *call = NULL;
        CURLcode code = message->data.result; /* `message` does not survive finish */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish(client, call, END_BY_TRANSFER, code);
    }
}

/* Touching only moves an expiry away, so the earliest one known is looked at when it comes, and no
 * sooner. */
static void expire(HttpClient *client)
{
    gint64 now_us = clock_monotonic_us();

    if (now_us < client->next_expiry_us)
        return;
    client->next_expiry_us = G_MAXINT64;
    for (guint i = client->running->len; i > 0; i--) {
        HttpCall *call = client->running->pdata[i - 1];
        CallEnd end;
        if (call_expiry_us(call, &end) <= now_us)
            finish(client, call, end, CURLE_OK);
        else
            note_expiry(client, call);
    }
}

static int poll_ms(HttpClient *client)
{
    gint64 left_us = client->next_expiry_us - clock_monotonic_us();

    return (int)CLAMP(left_us / 1000 + 1, 0, LONGEST_POLL_MS);
}

static gboolean is_stopping(HttpClient *client)
{
    gboolean stopping;

    mutex_lock(&client->lock);
    stopping = client->is_stopping;
    mutex_unlock(&client->lock);
    return stopping;
}

static void run(void *data)
{
    HttpClient *client = data;
    sigset_t broken_pipes;
    g_autoptr(Pulse) pulse = pulse_new("outbound", LONGEST_POLL_MS / 1000);
    int running;

    sigemptyset(&broken_pipes); /* TLS writes without MSG_NOSIGNAL */
    sigaddset(&broken_pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipes, NULL);
    while (!is_stopping(client)) {
        pulse_tick(pulse);
        run_commands(client);
        curl_multi_perform(client->multi, &running);
        collect_finished(client);
        expire(client);
        curl_multi_poll(client->multi, NULL, 0, poll_ms(client), NULL);
    }
    run_commands(client); /* what was started meanwhile is cancelled like the rest */
    while (client->running->len > 0)
        finish(client, client->running->pdata[0], END_CANCELLED, CURLE_OK);
}

/* ---- Life ---- */

HttpClient *client_ref(HttpClient *client)
{
    ref_take(&client->references);
    return client;
}

void client_unref(HttpClient *client)
{
    if (!ref_drop(&client->references))
        return;
    g_ptr_array_unref(client->running);
    g_ptr_array_unref(client->spare);
    mutex_clear(&client->lock);
    g_free(client);
}

HttpClient *http_client_new(guint max_calls)
{
    HttpClient *client = g_new0(HttpClient, 1);

    ref_init(&client->references);
    mutex_init(&client->lock);
    client->max_calls = max_calls;
    client->running = g_ptr_array_new();
    client->spare = g_ptr_array_new_with_free_func(curl_easy_cleanup);
    client->next_expiry_us = G_MAXINT64;
    return client;
}

void http_client_free(HttpClient *client)
{
    Thread *thread;

    if (!client)
        return;
    mutex_lock(&client->lock);
    client->is_stopping = TRUE;
    thread = g_steal_pointer(&client->thread);
    if (thread)
        curl_multi_wakeup(client->multi);
    mutex_unlock(&client->lock);
    thread_join(thread);
    g_ptr_array_set_size(client->spare, 0);
    if (client->multi)
        curl_multi_cleanup(client->multi);
    client_unref(client);
}

static void ensure_thread_locked(HttpClient *client) REQUIRES(client->lock)
{
    if (client->thread)
        return;
    curl_library_ensure();
    client->multi = curl_multi_init();
    g_assert(client->multi);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
    client->thread = thread_start("http-client", run, client);
}

static gboolean admit_locked(HttpClient *client, GError **error) REQUIRES(client->lock)
{
    if (client->is_stopping)
        return error_set(error, ERROR_UNAVAILABLE, "the server is stopping");
    if (client->active >= client->max_calls)
        return error_set(error, ERROR_BUSY, "too many calls are under way");
    ensure_thread_locked(client);
    client->active++;
    return TRUE;
}

HttpCall *http_client_start(HttpClient *client, const HttpCallSpec *spec, GError **error)
{
    HttpCall *call = call_new(client, spec);
    gboolean is_admitted;

    g_assert(spec->url && spec->done);
    mutex_lock(&client->lock);
    is_admitted = admit_locked(client, error);
    if (is_admitted) {
        http_call_ref(call); /* the thread's, until done */
        call->wants_start = TRUE;
        queue_command_locked(client, call);
        curl_multi_wakeup(client->multi);
    }
    mutex_unlock(&client->lock);
    if (!is_admitted)
        g_clear_pointer(&call, http_call_unref);
    return call;
}

guint http_client_active(HttpClient *client)
{
    guint active;

    mutex_lock(&client->lock);
    active = client->active;
    mutex_unlock(&client->lock);
    return active;
}

/* ---- Waiting for one call ---- */

typedef struct {
    Mutex lock;
    Condition done;
    gboolean is_done;
    HttpCallOutcome outcome;
    guint status;
    GString *body;
    char *reason;
} Fetch;

static void fetch_done(HttpCall *call, const HttpCallResult *result, void *data)
{
    Fetch *fetch = data;

    (void)call;
    mutex_lock(&fetch->lock);
    fetch->outcome = result->outcome;
    fetch->status = result->status;
    fetch->body = result->body ? g_string_new_len(result->body->str, (gssize)result->body->len)
                               : g_string_new(NULL);
    fetch->reason = g_strdup(result->reason);
    fetch->is_done = TRUE;
    condition_signal(&fetch->done);
    mutex_unlock(&fetch->lock);
}

static gboolean fetch_judge(const Fetch *fetch, GError **error)
{
    switch (fetch->outcome) {
    case HTTP_CALL_ANSWERED:
        return TRUE;
    case HTTP_CALL_FORBIDDEN:
        return error_set(error, ERROR_FORBIDDEN, "%s", fetch->reason);
    case HTTP_CALL_REFUSED:
    case HTTP_CALL_CONNECT_TIMEOUT:
    case HTTP_CALL_CANCELLED:
        return error_set(error, ERROR_UNAVAILABLE, "%s", fetch->reason);
    case HTTP_CALL_BROKEN_BODY:
    case HTTP_CALL_RESET:
    case HTTP_CALL_IDLE:
    case HTTP_CALL_DEADLINE:
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "%s", fetch->reason);
    }
    return error_set(error, ERROR_INTERNAL, "a call without an outcome");
}

static void fetch_wait(Fetch *fetch)
{
    mutex_lock(&fetch->lock);
    while (!fetch->is_done)
        condition_wait_until(&fetch->done, &fetch->lock, G_MAXINT64);
    mutex_unlock(&fetch->lock);
}

gboolean http_client_fetch(HttpClient *client, const HttpCallSpec *spec, guint *status,
                           GString **body, GError **error)
{
    Fetch fetch = {0};
    HttpCallSpec waited = *spec;
    g_autoptr(HttpCall) call = NULL;
    gboolean is_answered = FALSE;

    waited.head = NULL;
    waited.chunk = NULL;
    waited.done = fetch_done;
    waited.data = &fetch;
    mutex_init(&fetch.lock);
    condition_init(&fetch.done);
    call = http_client_start(client, &waited, error);
    if (call) {
        fetch_wait(&fetch);
        is_answered = fetch_judge(&fetch, error);
    }
    if (is_answered) {
        *status = fetch.status;
        *body = g_steal_pointer(&fetch.body);
    }
    if (fetch.body)
        g_string_free(fetch.body, TRUE);
    g_free(fetch.reason);
    condition_clear(&fetch.done);
    mutex_clear(&fetch.lock);
    return is_answered;
}
