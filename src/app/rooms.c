#include "api/dispatch.h"
#include "app/house.h"
#include "app/listen.h"
#include "auth/state_files.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/base_image.h"

#include <string.h>
#include <unistd.h>

#define RATE_WINDOW_US CLOCK_MINUTE_US
#define MINT_LIMIT     10 /* spec 03, section 6.2 */
#define MINT_WINDOW_US CLOCK_HOUR_US

/* ---- Middle floors: what the house knows ---- */

/* MOLECULE_IN_DOCKER, else what Docker leaves in its containers: the mark file and its own
 * /etc/hosts. The mark alone may be left over in a machine that was made from an image. Only then a
 * published port is not on our own loopback. */
static gboolean runs_in_container(const Config *config)
{
    g_autofree char *mounts = NULL;
    gboolean said = FALSE;

    if (config->in_docker && text_parse_bool(config->in_docker, &said))
        return said;
    return access("/.dockerenv", F_OK) == 0 &&
           g_file_get_contents("/proc/self/mountinfo", &mounts, NULL, NULL) &&
           strstr(mounts, " /etc/hosts ");
}

static A2aOptions a2a_options(const Config *config)
{
    return (A2aOptions){
        .strict = !config->open_access,
        .development = config->development,
        .saas = config->saas,
        .in_container = runs_in_container(config),
        .idle_timeout_s = (guint)config->a2a_idle_seconds,
        .max_forwards = (guint)config->a2a_max_forwards,
        .liveness_stale_after_s = (guint)config->liveness_seconds,
        .remote_stale_after_s = (guint)config->remote_stale_seconds,
        .provision_timeout_s = (guint)config->provision_timeout_seconds,
    };
}

static gboolean may_talk(const char *caller, const char *target, void *data)
{
    return org_tree_may_talk(((Rooms *)data)->tree, caller, target);
}

static gboolean token_lives(const char *workspace_id, const char *token, void *data)
{
    Rooms *rooms = data;
    TokenOwner owner;
    gboolean found = FALSE;

    return tokens_check(rooms->tokens, token, &owner, &found, NULL) && found &&
           strcmp(owner.workspace_id, workspace_id) == 0;
}

static void tokens_changed(const char *workspace_id, void *data)
{
    hub_workspace_tokens_changed(((Rooms *)data)->hub, workspace_id);
}

static gboolean build_knowledge(Rooms *rooms, GError **error)
{
    const Config *config = rooms->config;
    HubOptions hub = {.may_talk = may_talk, .token_lives = token_lives, .data = rooms};

    rooms->a2a = a2a_options(config);
    rooms->tree = org_tree_new(rooms->db, error);
    rooms->tokens = rooms->tree ? tokens_new(rooms->db, error) : NULL;
    if (!rooms->tokens)
        return FALSE;
    rooms->runtimes = runtimes_new(config->image_prefix, config->image_tag, config->manifest_path);
    rooms->access = access_new(config, rooms->admin_token, rooms->db, rooms->tokens);
    rooms->origins = origins_new(config->cors_origins);
    rooms->rate_limit = rate_limit_new(config->rate_limit, RATE_WINDOW_US);
    rooms->mint_limit = rate_limit_new(MINT_LIMIT, MINT_WINDOW_US);
    rooms->events = events_new(rooms->db);
    rooms->hub = hub_new(&hub);
    hub_listen(rooms->hub, rooms->events);
    tokens_watch(rooms->tokens, tokens_changed, rooms);
    context_notes_build(rooms);
    rooms->forwards = forwards_new(rooms->a2a.max_forwards);
    forwards_listen(rooms->forwards, rooms->events);
    rooms->client = http_client_new(rooms->a2a.max_forwards);
    rooms->env_hooks = env_hooks_new(config, rooms->client, error);
    return rooms->env_hooks != NULL;
}

/* ---- Domain rooms ---- */

static gboolean post_work(void (*work)(void *work_data), void *work_data, void *data)
{
    return http_server_post(((Rooms *)data)->server, work, work_data);
}

static gboolean verify_dead(const char *workspace_id, void *data)
{
    return reconciler_verify_dead(((Rooms *)data)->reconciler, workspace_id);
}

static gboolean find_address(const char *workspace_id, char **url, void *data)
{
    return reconciler_find_address(((Rooms *)data)->reconciler, workspace_id, url);
}

static void wake(const char *workspace_id, void *data)
{
    lifecycle_wake(&((Rooms *)data)->lifecycle, workspace_id);
}

static void poke(const char *workspace_id, void *data)
{
    reconciler_poke(((Rooms *)data)->reconciler, workspace_id);
}

static void build_messages(Rooms *rooms)
{
    RegistryOptions registry = {
        .db = rooms->db,
        .tree = rooms->tree,
        .tokens = rooms->tokens,
        .events = rooms->events,
        .forwards = rooms->forwards,
        .options = rooms->a2a,
        .is_hosted = rooms->engine && engine_is_hosted(rooms->engine),
    };
    ProxyOptions proxy = {
        .db = rooms->db,
        .tree = rooms->tree,
        .events = rooms->events,
        .client = rooms->client,
        .forwards = rooms->forwards,
        .options = rooms->a2a,
        .post = post_work,
        .verify_dead = verify_dead,
        .find_address = find_address,
        .wake = wake,
        .data = rooms,
        .wake_patience_ms = (guint)rooms->config->wake_wait_seconds * 1000,
    };
    LivenessOptions liveness = {
        .db = rooms->db,
        .tree = rooms->tree,
        .events = rooms->events,
        .options = rooms->a2a,
        .poke = poke,
        .data = rooms,
    };

    rooms->registry = registry_new(&registry);
    rooms->proxy = proxy_new(&proxy);
    rooms->liveness = liveness_new(&liveness);
}

static gboolean ensure_base_image(Engine *engine, char **image, void *data, GError **error)
{
    return base_image_ensure(engine, ((const Rooms *)data)->agent_path, image, error);
}

/* In a container agents reach us over the network that we share with them: by our name there, which
 * is the container's short id unless it was given another. NULL: the engine's own way to the host.
 */
static char *platform_url_dup(const Rooms *rooms)
{
    if (rooms->config->platform_url)
        return g_strdup(rooms->config->platform_url);
    if (!rooms->a2a.in_container)
        return NULL;
    return g_strdup_printf("http://%s:%u", g_get_host_name(), http_server_port(rooms->server));
}

static gboolean has_messages(const char *workspace_id, void *data)
{
    return forwards_has(((Rooms *)data)->forwards, workspace_id);
}

static gboolean build_reconciler(Rooms *rooms, GError **error)
{
    const Config *config = rooms->config;
    ReconcilerOptions options = {
        .db = rooms->db,
        .holds = rooms->holds,
        .engine = rooms->engine,
        .events = rooms->events,
        .tree = rooms->tree,
        .tokens = rooms->tokens,
        .installation = rooms->installation.id,
        .installation_is_new = rooms->installation.is_new,
        .data_dir = config->data_dir,
        .platform_url = rooms->platform_url,
        .secrets_key = rooms->secrets_key,
        .agent_path = rooms->agent_path,
        .configs_dir = rooms->configs_dir,
        .network = config->network,
        .server_port = http_server_port(rooms->server),
        .start_limit = (guint)config->start_limit,
        .stop_limit = (guint)config->stop_limit,
        .pass_interval_ms = (guint)config->reconcile_seconds * 1000,
        .config = config,
        .mutators = env_hooks_mutators(rooms->env_hooks),
        .runtimes = rooms->runtimes,
        .base_image = ensure_base_image,
        .base_image_data = rooms,
        .base_image_has_agent = TRUE,
    };

    rooms->reconciler = reconciler_new(&options, error);
    if (!rooms->reconciler)
        return FALSE;
    rooms->lifecycle = (Lifecycle){
        .db = rooms->db,
        .tree = rooms->tree,
        .tokens = rooms->tokens,
        .events = rooms->events,
        .reconciler = rooms->reconciler,
        .config = config,
        .configs_dir = rooms->configs_dir,
        .runtimes = rooms->runtimes,
        .secrets_key = rooms->secrets_key,
        .status = rooms->status,
        .contexts = rooms->contexts,
        .has_messages = has_messages,
        .data = rooms,
    };
    rooms->log_streams = log_streams_new(rooms->reconciler);
    return TRUE;
}

static void build_refresh(Rooms *rooms)
{
    RefreshOptions options = {
        .db = rooms->db,
        .tree = rooms->tree,
        .events = rooms->events,
        .reconciler = rooms->reconciler,
        .client = rooms->client,
        .runtimes = rooms->runtimes,
        .config = rooms->config,
        .can_pull = rooms->engine && !engine_is_hosted(rooms->engine) &&
                    strcmp(engine_name(rooms->engine), "sandbox") != 0,
    };

    rooms->refresh = refresh_new(&options);
}

/* ---- Top floor: HTTP ---- */

static gboolean build_server(Rooms *rooms, GError **error)
{
    gboolean with_bridge = rooms->engine && strcmp(engine_name(rooms->engine), "docker") == 0;
    HttpServerOptions options = {
        .workers = (guint)rooms->config->workers,
        .route = dispatch_route,
        .serve = dispatch_serve,
        .finish = dispatch_finish,
        .data = &rooms->api,
    };

    rooms->addresses = listen_addresses(rooms->config, with_bridge, error);
    if (!rooms->addresses)
        return FALSE;
    options.listen = (const char *const *)rooms->addresses;
    rooms->router = dispatch_router_new();
    rooms->counters = counters_new(api_route_count);
    rooms->list_cache = list_cache_new();
    rooms->server = http_server_new(&options, error);
    if (!rooms->server)
        return FALSE;
    rooms->url = listen_local_url(rooms->addresses, http_server_port(rooms->server));
    rooms->timers = timers_new(rooms->server);
    return state_file_write(rooms->config->data_dir, "url", rooms->url, error);
}

static void furnish_api(Rooms *rooms)
{
    rooms->api = (Api){
        .config = rooms->config,
        .engine_name = rooms->engine ? engine_name(rooms->engine) : NULL,
        .db = rooms->db,
        .tree = rooms->tree,
        .tokens = rooms->tokens,
        .access = rooms->access,
        .origins = rooms->origins,
        .rate_limit = rooms->rate_limit,
        .mint_limit = rooms->mint_limit,
        .events = rooms->events,
        .hub = rooms->hub,
        .reconciler = rooms->reconciler,
        .registry = rooms->registry,
        .proxy = rooms->proxy,
        .liveness = rooms->liveness,
        .forwards = rooms->forwards,
        .a2a = &rooms->a2a,
        .mutators = env_hooks_mutators(rooms->env_hooks),
        .lifecycle = &rooms->lifecycle,
        .refresh = rooms->refresh,
        .server = rooms->server,
        .router = rooms->router,
        .counters = rooms->counters,
        .started_us = clock_monotonic_us(),
        .is_stopping = &rooms->is_stopping,
        .list_cache = rooms->list_cache,
        .log_streams = rooms->log_streams,
    };
}

/* ---- Life ---- */

Rooms *rooms_new(const Config *config, GError **error)
{
    g_autoptr(Rooms) rooms = g_new0(Rooms, 1);

    rooms->config = config;
    rooms->lock_fd = -1;
    if (!ground_build(rooms, error) || !build_knowledge(rooms, error) ||
        !build_server(rooms, error))
        return NULL;
    rooms->platform_url = platform_url_dup(rooms);
    build_messages(rooms);
    if (!build_reconciler(rooms, error))
        return NULL;
    build_refresh(rooms);
    furnish_api(rooms);
    chores_add(rooms);
    return g_steal_pointer(&rooms);
}

void rooms_start(Rooms *rooms)
{
    http_server_start(rooms->server);
    reconciler_start(rooms->reconciler);
    refresh_start(rooms->refresh);
    timers_start(rooms->timers);
}

/* Streams go first: they would hold the drain open; then requests, which still find every room;
 * then the engine's work. */
void rooms_stop(Rooms *rooms)
{
    gint64 deadline_us = clock_monotonic_us() + rooms->config->shutdown_seconds * CLOCK_SECOND_US;
    guint half_ms = (guint)rooms->config->shutdown_seconds * 1000 / 2;

    atomic_store(&rooms->is_stopping, TRUE);
    timers_stop(rooms->timers);
    env_hooks_stop(rooms->env_hooks);
    hub_stop(rooms->hub);
    log_streams_stop(rooms->log_streams);
    proxy_stop(rooms->proxy);
    refresh_stop(rooms->refresh);
    http_server_stop(rooms->server, half_ms);
    reconciler_stop(rooms->reconciler,
                    (guint)(MAX(deadline_us - clock_monotonic_us(), CLOCK_SECOND_US) / 1000));
    chores_flush(rooms);
}

void rooms_free(Rooms *rooms)
{
    if (!rooms)
        return;
    log_streams_free(rooms->log_streams);
    timers_free(rooms->timers);
    proxy_free(rooms->proxy);
    http_server_free(rooms->server);
    refresh_free(rooms->refresh);
    reconciler_free(rooms->reconciler);
    liveness_free(rooms->liveness);
    registry_free(rooms->registry);
    http_client_free(rooms->client);
    env_hooks_free(rooms->env_hooks);
    forwards_free(rooms->forwards);
    hub_free(rooms->hub);
    restart_contexts_free(rooms->contexts);
    status_signal_free(rooms->status);
    events_free(rooms->events);
    list_cache_free(rooms->list_cache);
    counters_free(rooms->counters);
    router_free(rooms->router);
    rate_limit_free(rooms->mint_limit);
    rate_limit_free(rooms->rate_limit);
    origins_free(rooms->origins);
    access_free(rooms->access);
    tokens_free(rooms->tokens);
    org_tree_free(rooms->tree);
    runtimes_free(rooms->runtimes);
    engine_free(rooms->engine);
    db_holds_close(rooms->holds);
    db_close(rooms->db);
    g_strfreev(rooms->addresses);
    g_free(rooms->url);
    g_free(rooms->platform_url);
    g_free(rooms->agent_path);
    g_free(rooms->configs_dir);
    g_free(rooms->admin_token);
    if (rooms->lock_fd >= 0)
        close(rooms->lock_fd);
    g_free(rooms);
}

const char *rooms_url(const Rooms *rooms)
{
    return rooms->url;
}

const char *rooms_admin_token(const Rooms *rooms)
{
    return rooms->admin_token;
}

gboolean rooms_admin_token_is_new(const Rooms *rooms)
{
    return rooms->admin_token_is_new;
}

const char *rooms_engine_name(const Rooms *rooms)
{
    return rooms->engine ? engine_name(rooms->engine) : "none";
}

const char *rooms_database_name(const Rooms *rooms)
{
    return db_name(rooms->db);
}
