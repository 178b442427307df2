#include "registry.h"

#include "a2a_message.h"
#include "ids.h"
#include "log.h"
#include "memory.h"
#include "retry.h"
#include "utf8_boundary.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CALL_LIMIT_MS      10000 /* spec 04, section 17 */
#define ANSWER_MAX_BYTES   65536
#define SAMPLE_ERROR_BYTES 512

struct Registry {
    RegistrySpec spec;
    HttpCall *call;      /* NULL: none is under way */
    struct event *timer; /* the next call */
    bool is_registered;
    bool has_changed; /* a task began or ended since the last heartbeat was built */
    bool is_ended;
    unsigned failures; /* in a row */
    Refusals refusals;
    bool is_second_try; /* with the token just read anew */
    int64_t started_ms;
    int64_t next_period_ms; /* when the present period ends */

    /* Counted at the begin of the period, and the load last told. */
    uint64_t finished_before;
    uint64_t failed_before;
    unsigned told_running;
    uint64_t told_failed;
    char told_current[TASK_LABEL_BYTES];
};

static void send_register(Registry *registry);
static void send_heartbeat(Registry *registry);

static void schedule(Registry *registry, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    const struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

    evtimer_add(registry->timer, &delay);
}

static void on_timer(evutil_socket_t descriptor, short what, void *argument)
{
    Registry *registry = argument;
    (void)descriptor;
    (void)what;

    if (registry->call != NULL || registry->is_ended)
        return;
    if (registry->is_registered)
        send_heartbeat(registry);
    else
        send_register(registry);
}

/* Calls */

static void post(Registry *registry, const char *path, json_t *body,
                 void (*done)(void *argument, const HttpAnswer *answer))
{
    AUTO_FREE char *url = memory_printf("%s%s", registry->spec.config->platform_url, path);
    AUTO_FREE char *text = json_dumps(body, JSON_COMPACT);
    const HttpRequest request = {
        .is_post = true,
        .url = url,
        .bearer = registry->spec.token->value,
        .body = text,
        .body_length = strlen(text),
        .limit_ms = CALL_LIMIT_MS,
        .answer_max_bytes = ANSWER_MAX_BYTES,
    };

    registry->call = http_client_start(registry->spec.http, &request, done, registry);
}

static void end(Registry *registry, RegistryEnd reason)
{
    registry->is_ended = true;
    evtimer_del(registry->timer);
    registry->spec.ended(registry->spec.argument, reason);
}

/* The server cannot be reached, or is not well: try again later. */
static void back_off(Registry *registry, const char *what, const HttpAnswer *answer)
{
    /* Told at once, and then about once a minute when the pauses are at their longest. */
    bool is_worth_a_line = registry->failures < 4 || registry->failures % 2 == 0;

    registry->failures++;
    int64_t delay_ms = retry_delay_ms(registry->failures, random_below(UINT32_MAX));
    if (is_worth_a_line)
        log_warning("%s failed status=%d reason=\"%s\" failures=%u next_ms=%lld", what,
                    answer->status, answer->reason, registry->failures, (long long)delay_ms);
    schedule(registry, delay_ms);
}

/* The token is refused. A new one in the file is tried at once, but only once a refusal. */
static void handle_refusal(Registry *registry, const char *what, const HttpAnswer *answer)
{
    if (!registry->is_second_try && token_reload(registry->spec.token)) {
        log_info("token file has changed, trying again after a refused %s", what);
        registry->is_second_try = true;
        schedule(registry, 0);
        return;
    }
    registry->is_second_try = false;
    if (refusals_add(&registry->refusals, clock_monotonic_ms(),
                     registry->spec.config->refusal_ms)) {
        log_error("the server refuses the token for good refusals=%u", registry->refusals.count);
        end(registry, REGISTRY_TOKEN_REFUSED);
        return;
    }
    back_off(registry, what, answer);
}

/* Handles what register and heartbeat have in common. True: the answer was a success. */
static bool take_answer(Registry *registry, const char *what, const HttpAnswer *answer)
{
    registry->call = NULL;
    if (answer->status == 401) {
        handle_refusal(registry, what, answer);
        return false;
    }
    registry->is_second_try = false;
    if (answer->status == 410) {
        log_warning("the server says that this workspace is gone");
        end(registry, REGISTRY_WORKSPACE_GONE);
        return false;
    }
    if (answer->status < 200 || answer->status > 299) {
        back_off(registry, what, answer);
        return false;
    }
    if (registry->failures > 0)
        log_info("%s succeeds again after_failures=%u", what, registry->failures);
    registry->failures = 0;
    refusals_reset(&registry->refusals);
    return true;
}

/* Register */

static void take_token(Registry *registry, const HttpAnswer *answer)
{
    json_auto_t *body = json_loadb(answer->body, answer->body_length, 0, NULL);
    const char *value = json_string_value(json_object_get(body, "auth_token"));

    if (value == NULL)
        return;
    if (!token_is_valid(value)) {
        log_warning("the server gave a token that cannot be used");
        return;
    }
    if (token_store(registry->spec.token, value))
        log_info("a new token was received and kept");
}

static void begin_period(Registry *registry, const TaskLoad *load)
{
    registry->next_period_ms = clock_monotonic_ms() + registry->spec.config->heartbeat_ms;
    registry->finished_before = load->finished;
    registry->failed_before = load->failed;
}

static void on_registered(void *argument, const HttpAnswer *answer)
{
    Registry *registry = argument;
    TaskLoad load = task_store_get_load(registry->spec.tasks);

    if (!take_answer(registry, "register", answer))
        return;
    take_token(registry, answer);
    registry->is_registered = true;
    registry->has_changed = false;
    registry->next_period_ms = clock_monotonic_ms() + registry->spec.config->heartbeat_ms;
    log_info("registered workspace=%s url=%s since_start_ms=%lld",
             registry->spec.config->workspace_id, registry->spec.url,
             (long long)(clock_monotonic_ms() - registry->started_ms));
    schedule(registry, load.running > 0 || registry->spec.config->beats_at_once
                           ? 0
                           : registry->spec.config->heartbeat_ms);
}

static void send_register(Registry *registry)
{
    const Config *config = registry->spec.config;
    json_auto_t *body =
        json_pack("{s:s, s:s, s:o}", "id", config->workspace_id, "url", registry->spec.url,
                  "agent_card", a2a_agent_card(config, registry->spec.url));

    post(registry, "/registry/register", body, on_registered);
}

/* Heartbeat */

static bool differs_from_told(const Registry *registry, const TaskLoad *load)
{
    return load->running != registry->told_running ||
           strcmp(load->current, registry->told_current) != 0 ||
           load->failed != registry->told_failed;
}

static void on_heartbeat(void *argument, const HttpAnswer *answer)
{
    Registry *registry = argument;

    if (answer->status == 404) {
        /* It has forgotten us, for example because its database was set back. */
        registry->is_registered = false;
        registry->told_running = 0;
    }
    if (!take_answer(registry, "heartbeat", answer))
        return;
    schedule(registry, registry->has_changed ? REGISTRY_COALESCE_MS
                                             : registry->next_period_ms - clock_monotonic_ms());
}

static json_t *heartbeat_body(const Registry *registry, const TaskLoad *load)
{
    uint64_t finished = load->finished - registry->finished_before;
    uint64_t failed = load->failed - registry->failed_before;
    double rate = finished > 0 ? (double)failed / (double)finished : 0;
    const char *sample = failed > 0 ? load->last_error : "";
    size_t sample_length = utf8_boundary(sample, strlen(sample), SAMPLE_ERROR_BYTES);
    int64_t uptime_ms = clock_monotonic_ms() - registry->started_ms;

    return json_pack("{s:s, s:f, s:o, s:i, s:I, s:s}", "workspace_id",
                     registry->spec.config->workspace_id, "error_rate", rate, "sample_error",
                     json_stringn_nocheck(sample, sample_length), "active_tasks",
                     (int)load->running, "uptime_seconds", (json_int_t)(uptime_ms / 1000),
                     "current_task", load->current);
}

/* Errors are counted from period to period, so the beats between repeat the present count: a
 * task's end must not look like a whole period of nothing but errors, nor wipe one out. */
static void send_heartbeat(Registry *registry)
{
    TaskLoad load = task_store_get_load(registry->spec.tasks);
    bool is_periodic = clock_monotonic_ms() >= registry->next_period_ms;

    if (!is_periodic && registry->failures == 0 && registry->has_changed &&
        !differs_from_told(registry, &load)) {
        registry->has_changed = false; /* came and went in between */
        schedule(registry, registry->next_period_ms - clock_monotonic_ms());
        return;
    }
    json_auto_t *body = heartbeat_body(registry, &load);
    registry->has_changed = false;
    registry->told_running = load.running;
    registry->told_failed = load.failed;
    memcpy(registry->told_current, load.current, strlen(load.current) + 1);
    if (is_periodic)
        begin_period(registry, &load);
    post(registry, "/registry/heartbeat", body, on_heartbeat);
}

Registry *registry_new(const RegistrySpec *spec)
{
    Registry *registry = memory_new(sizeof *registry);

    registry->spec = *spec;
    registry->started_ms = clock_monotonic_ms();
    registry->timer = evtimer_new(spec->base, on_timer, registry);
    send_register(registry);
    return registry;
}

void registry_free(Registry *registry)
{
    if (registry == NULL)
        return;
    http_call_cancel(registry->call);
    event_free(registry->timer);
    free(registry);
}

void registry_note_change(Registry *registry)
{
    if (registry == NULL || registry->is_ended || registry->has_changed)
        return;
    registry->has_changed = true;
    /* Not registered or backing off: the next heartbeat carries it anyway. */
    if (registry->is_registered && registry->call == NULL && registry->failures == 0)
        schedule(registry, REGISTRY_COALESCE_MS);
}
