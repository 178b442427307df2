/* Stopping: no new tasks, every program gets the signal, and the loop goes on until the last of
 * them has ended or STOP_KILL_SECONDS are over; a second signal kills at once. Container engines
 * wait 10 seconds, so the whole takes at most STOP_KILL_SECONDS + STOP_LAST_SECONDS. */
#include "serve.h"

#include "a2a_message.h"
#include "a2a_server.h"
#include "entrypoint.h"
#include "executor.h"
#include "http_client.h"
#include "log.h"
#include "memory.h"
#include "registry.h"
#include "token.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STOP_POLL_MS      20
#define STOP_KILL_SECONDS 7
#define STOP_LAST_SECONDS 1
#define DESCRIPTORS_MAX   512 /* connections, pipes of 32 commands, and a few of our own */

typedef struct {
    const Config *config;
    struct event_base *base;
    ProcessTable *processes;
    ExecutorContext executor_context;
    A2aAgent agent;
    A2aServer *server;
    HttpClient *http;
    Token token;
    Registry *registry;     /* NULL when standing alone */
    Entrypoint *entrypoint; /* NULL when the image's own program is not wanted */
    char *url;
    struct event *signals[2];
    struct event *stop_poll;
    int64_t stopping_since_ms;
    bool is_killing;
    int exit_status;
} Service;

/* Stopping */

static void cancel_task(Task *task, void *argument)
{
    Service *service = argument;

    service->agent.executor->cancel(&service->executor_context, task);
}

static void kill_programs(Service *service)
{
    if (service->is_killing)
        return;
    service->is_killing = true;
    if (process_table_count(service->processes) > 0)
        log_warning("killing programs that did not end count=%u",
                    process_table_count(service->processes));
    process_table_signal_all(service->processes, SIGKILL);
}

static void on_stop_poll(evutil_socket_t descriptor, short what, void *argument)
{
    Service *service = argument;
    int64_t elapsed_ms = clock_monotonic_ms() - service->stopping_since_ms;
    (void)descriptor;
    (void)what;

    if (elapsed_ms >= (int64_t)STOP_KILL_SECONDS * 1000)
        kill_programs(service);
    if (process_table_count(service->processes) == 0 ||
        elapsed_ms >= (int64_t)(STOP_KILL_SECONDS + STOP_LAST_SECONDS) * 1000)
        event_base_loopexit(service->base, NULL);
}

static void stop(Service *service, int signal_number, int exit_status)
{
    const struct timeval poll = {.tv_usec = STOP_POLL_MS * 1000};

    if (service->agent.is_stopping) {
        kill_programs(service);
        return;
    }
    service->agent.is_stopping = true;
    service->exit_status = exit_status;
    service->stopping_since_ms = clock_monotonic_ms();
    task_store_each_running(service->agent.tasks, cancel_task, service);
    process_table_signal_all(service->processes, signal_number);
    event_add(service->stop_poll, &poll);
    on_stop_poll(-1, 0, service);
}

static void on_signal(evutil_socket_t signal_number, short what, void *argument)
{
    (void)what;
    log_info("stopping signal=%d", (int)signal_number);
    stop(argument, (int)signal_number, EXIT_SUCCESS);
}

static void on_registry_ended(void *argument, RegistryEnd end)
{
    stop(argument, SIGTERM, end == REGISTRY_TOKEN_REFUSED ? EXIT_TOKEN_REFUSED : EXIT_SUCCESS);
}

static void on_tasks_changed(void *argument)
{
    Service *service = argument;

    registry_note_change(service->registry);
}

/* Starting */

static void handle_signals(Service *service)
{
    signal(SIGPIPE, SIG_IGN);
    service->signals[0] = evsignal_new(service->base, SIGTERM, on_signal, service);
    service->signals[1] = evsignal_new(service->base, SIGINT, on_signal, service);
    event_add(service->signals[0], NULL);
    event_add(service->signals[1], NULL);
    service->stop_poll = event_new(service->base, -1, EV_PERSIST, on_stop_poll, service);
}

static bool choose_executor(Service *service)
{
    service->agent.executor = executor_find(service->config->executor);
    if (service->agent.executor != NULL)
        return true;
    log_error("WORKSPACE_AGENT_EXECUTOR must be one of: " EXECUTOR_NAMES);
    return false;
}

static bool start_server(Service *service)
{
    AUTO_FREE char *error = NULL;
    uint16_t port = 0;

    service->executor_context = (ExecutorContext){
        .base = service->base,
        .processes = service->processes,
        .config = service->config,
    };
    service->agent.base = service->base;
    service->agent.executor_context = &service->executor_context;
    service->agent.tasks = task_store_new(on_tasks_changed, service);
    service->server = a2a_server_new(&service->agent, service->config, &port, &error);
    if (service->server == NULL) {
        log_error("%s", error);
        return false;
    }
    service->url = config_dup_url(service->config, port > 0 ? port : service->config->port);
    a2a_server_take_card(service->server, a2a_agent_card(service->config, service->url));
    log_info("listening on=%s port=%u executor=%s version=" WORKSPACE_AGENT_VERSION,
             service->config->listen, port, service->config->executor);
    return true;
}

static void start_registry(Service *service)
{
    if (service->config->platform_url[0] == '\0') {
        log_warning("PLATFORM_URL is not set: serving without a server to register with");
        return;
    }
    token_init(&service->token, service->config->config_path);
    service->http = http_client_new(service->base, service->config->ca_file);
    const RegistrySpec spec = {
        .base = service->base,
        .config = service->config,
        .http = service->http,
        .token = &service->token,
        .tasks = service->agent.tasks,
        .url = service->url,
        .ended = on_registry_ended,
        .argument = service,
    };
    service->registry = registry_new(&spec);
}

static bool start(Service *service)
{
    handle_signals(service);
    service->processes = process_table_new(service->base);
    process_table_limit_descriptors(service->processes, DESCRIPTORS_MAX);
    if (!choose_executor(service) || !start_server(service))
        return false;
    start_registry(service);
    service->entrypoint = entrypoint_new(service->base, service->processes, service->config);
    return true;
}

static void tear_down(Service *service)
{
    registry_free(service->registry);
    service->registry = NULL;
    a2a_server_free(service->server);
    /* Programs that even SIGKILL did not end yet still refer to their tasks. */
    if (service->agent.tasks != NULL && task_store_get_load(service->agent.tasks).running == 0)
        task_store_free(service->agent.tasks);
    /* Lets calls that were just cancelled come to their end. */
    event_base_loop(service->base, EVLOOP_NONBLOCK);
    http_client_free(service->http);
    token_clear(&service->token);
    entrypoint_free(service->entrypoint);
    process_table_free(service->processes);
    event_free(service->signals[0]);
    event_free(service->signals[1]);
    event_free(service->stop_poll);
    free(service->url);
    event_base_free(service->base);
}

int serve(const Config *config)
{
    Service service = {.config = config, .base = event_base_new()};

    if (service.base == NULL) {
        log_error("cannot make an event loop");
        return EXIT_FAILURE;
    }
    if (start(&service))
        event_base_dispatch(service.base);
    else
        service.exit_status = EXIT_BAD_CONFIG;
    if (service.processes != NULL && process_table_count(service.processes) > 0)
        process_table_signal_all(service.processes, SIGKILL);
    tear_down(&service);
    log_info("stopped status=%d", service.exit_status);
    return service.exit_status;
}
