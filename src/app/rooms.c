#include "app/rooms.h"

#include "api/api.h"
#include "api/dispatch.h"
#include "api/log_streams.h"
#include "api/workspace_list.h"
#include "app/engine_choice.h"
#include "app/env_hooks.h"
#include "app/installation.h"
#include "app/listen.h"
#include "app/timers.h"
#include "auth/state_files.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/migrations.h"
#include "engine/base_image.h"
#include "lifecycle/retention.h"
#include "refresh/refresh.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define DATABASE_PATIENCE_MS 30000
#define FLUSH_INTERVAL_MS                                                                          \
    3000 /* how far the database may lag behind heartbeats; ARCHITECTURE section 4 */
#define SPENDING_INTERVAL_MS    30000 /* how far behind another server's metering a budget may be */
#define TOKEN_INTERVAL_MS       20000
#define LIVENESS_INTERVAL_MS    5000 /* a2a/liveness.h */
#define RATE_WINDOW_US          CLOCK_MINUTE_US
#define RESTART_CONTEXT_SECONDS 60 /* spec 01, 9.7 */
#define MINT_LIMIT              10 /* spec 03, section 6.2 */
#define MINT_WINDOW_US          CLOCK_HOUR_US
#define TEMPLATES_FOLDER        "workspace-configs-templates"
#define TEMPLATES_LEVELS        3 /* here and up to two folders above; spec 02, section 2 */

struct _Rooms {
    const Config *config;
    int lock_fd;
    char *admin_token;
    gboolean admin_token_is_new;
    guint8 secrets_key[CRYPTO_KEY_SIZE];
    char *configs_dir, *agent_path, *url, *platform_url;
    char **addresses;
    Installation installation;
    A2aOptions a2a;
    Db *db;
    DbHolds *holds;
    Engine *engine;
    Runtimes *runtimes;
    OrgTree *tree;
    Tokens *tokens;
    Access *access;
    Origins *origins;
    RateLimit *rate_limit, *mint_limit;
    Events *events;
    Hub *hub;
    Forwards *forwards;
    HttpClient *client;
    EnvHooks *env_hooks;
    Registry *registry;
    Proxy *proxy;
    Liveness *liveness;
    Reconciler *reconciler;
    StatusSignal *status;
    RestartContexts *contexts;
    Lifecycle lifecycle;
    Refresh *refresh;
    Router *router;
    Counters *counters;
    ListCache *list_cache;
    LogStreams *log_streams;
    HttpServer *server;
    Timers *timers;
    Retention retention;
    atomic_bool is_stopping;
    Api api;
};

/* ---- Ground: data folder, database, engine ---- */

/* Two servers on one data folder would share a database file and a sandbox: the second is refused.
 */
static gboolean lock_folder(Rooms *rooms, GError **error)
{
    g_autofree char *path = g_build_filename(rooms->config->data_dir, "lock", NULL);

    rooms->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (rooms->lock_fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, "cannot open %s: %s", path, g_strerror(errno));
    if (flock(rooms->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    return error_set(error, ERROR_CONFLICT, "another server uses the data folder %s",
                     rooms->config->data_dir);
}

static char *find_configs_dir(const Config *config)
{
    g_autofree char *folder = g_get_current_dir();

    if (config->configs_dir)
        return g_strdup(config->configs_dir);
    for (guint level = 0; level < TEMPLATES_LEVELS; level++) {
        g_autofree char *candidate = g_build_filename(folder, TEMPLATES_FOLDER, NULL);
        char *above = NULL;
        if (g_file_test(candidate, G_FILE_TEST_IS_DIR))
            return g_steal_pointer(&candidate);
        above = g_path_get_dirname(folder);
        g_free(folder);
        folder = above;
    }
    return NULL;
}

/* Beside this program: installed side by side, or as the build leaves it. */
static char *find_agent(const Config *config)
{
    static const char *const places[] = {"workspace-agent", "../agent/workspace-agent"};
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self ? g_path_get_dirname(self) : g_strdup(".");

    if (config->agent_path)
        return g_strdup(config->agent_path);
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(folder, places[i], NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_steal_pointer(&path);
    }
    log_warning("the built-in agent is not beside this program; see WORKSPACED_AGENT");
    return g_build_filename(folder, places[0], NULL);
}

static gboolean build_ground(Rooms *rooms, GError **error)
{
    const Config *config = rooms->config;

    if (!state_folder_ensure(config->data_dir, error) || !lock_folder(rooms, error))
        return FALSE;
    rooms->admin_token = state_admin_token(config, &rooms->admin_token_is_new, error);
    if (!rooms->admin_token || !state_secrets_key(config, rooms->secrets_key, error))
        return FALSE;
    rooms->configs_dir = find_configs_dir(config);
    rooms->agent_path = find_agent(config);
    rooms->db = db_open(config->database_url, DATABASE_PATIENCE_MS, error);
    rooms->holds =
        rooms->db ? db_holds_open(config->database_url, DATABASE_PATIENCE_MS, error) : NULL;
    return rooms->holds && db_migrate(rooms->db, NULL, error) &&
           installation_load(config, rooms->db, &rooms->installation, error) &&
           engine_choose(config, rooms->installation.id, &rooms->engine, error);
}

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

/* ---- What restarted agents are told ---- */

typedef struct {
    Rooms *rooms;
    char id[ID_SIZE];
    char *body;
} Telling;

static void note_told(const ProxyAnswer *answer, void *data)
{
    Telling *telling = data;

    if (answer->status >= 400)
        log_info("a restarted agent did not take its context", LOG_TEXT("workspace", telling->id),
                 LOG_INT("status", answer->status));
    g_free(telling->body);
    g_free(telling);
}

static void tell_agent(void *data)
{
    Telling *telling = data;
    const ProxyCall call = {.target_id = telling->id,
                            .caller_id = RESTART_CONTEXT_CALLER,
                            .timeout_s = RESTART_CONTEXT_SECONDS};

    proxy_call(telling->rooms->proxy, &call, telling->body, strlen(telling->body), note_told,
               telling);
}

static void send_context(const char *workspace_id, char *body, void *data)
{
    Rooms *rooms = data;
    Telling *telling = g_new0(Telling, 1);

    telling->rooms = rooms;
    telling->body = body;
    g_strlcpy(telling->id, workspace_id, ID_SIZE);
    if (!atomic_load(&rooms->is_stopping) && http_server_post(rooms->server, tell_agent, telling))
        return;
    log_info("a restarted agent was not told its context", LOG_TEXT("workspace", workspace_id));
    g_free(telling->body);
    g_free(telling);
}

typedef struct {
    RestartContexts *contexts;
    char id[ID_SIZE];
} Repair;

static void collect_context(void *data)
{
    g_autofree Repair *repair = data;

    restart_contexts_note_repair(repair->contexts, repair->id);
}

static void note_repair(const char *workspace_id, void *data)
{
    Rooms *rooms = data;
    Repair *repair = g_new0(Repair, 1);

    repair->contexts = rooms->contexts;
    g_strlcpy(repair->id, workspace_id, ID_SIZE);
    if (!http_server_post(rooms->server, collect_context, repair))
        g_free(repair);
}

static void build_contexts(Rooms *rooms)
{
    RestartContextOptions options = {
        .db = rooms->db,
        .events = rooms->events,
        .timeout_s = (guint)rooms->config->provision_timeout_seconds,
        .send = send_context,
        .note_repair = note_repair,
        .data = rooms,
    };

    rooms->status = status_signal_new(rooms->tree, rooms->events);
    rooms->contexts = restart_contexts_new(&options);
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
    build_contexts(rooms);
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
    (void)data;
    return base_image_ensure(engine, image, error);
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

/* ---- Periodic work ---- */

static void flush_vitals(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!org_tree_flush(((Rooms *)data)->tree, &error))
        log_warning("vital signs wait for the database", LOG_CAUSE(error));
}

static void flush_tokens(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!tokens_flush(((Rooms *)data)->tokens, &error))
        log_warning("uses of tokens were not recorded", LOG_CAUSE(error));
}

/* Only another server on the same database can know of usage that we do not. */
static void read_spending(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!org_tree_read_usage(((Rooms *)data)->tree, &error))
        log_warning("spending could not be read again", LOG_CAUSE(error));
}

static void sweep_liveness(void *data)
{
    liveness_sweep(((Rooms *)data)->liveness);
}

static void sweep_idle(void *data)
{
    lifecycle_idle_sweep(&((Rooms *)data)->lifecycle);
}

static void sweep_old_rows(void *data)
{
    retention_sweep(&((Rooms *)data)->retention);
}

static void add_timers(Rooms *rooms)
{
    double hours = rooms->config->cleanup_interval_hours;

    rooms->retention = (Retention){
        .db = rooms->db,
        .activity_days = rooms->config->activity_retention_days,
        .event_days = rooms->config->event_retention_days,
        .is_stopping = &rooms->is_stopping,
    };
    timers_add(rooms->timers, "retention", (guint)MAX(hours * 3600 * 1000, 1), sweep_old_rows,
               rooms);
    timers_add(rooms->timers, "vital-signs", FLUSH_INTERVAL_MS, flush_vitals, rooms);
    timers_add(rooms->timers, "token-uses", TOKEN_INTERVAL_MS, flush_tokens, rooms);
    if (db_kind(rooms->db) == DB_POSTGRES)
        timers_add(rooms->timers, "spending", SPENDING_INTERVAL_MS, read_spending, rooms);
    timers_add(rooms->timers, "liveness-monitor", LIVENESS_INTERVAL_MS, sweep_liveness, rooms);
    timers_add(rooms->timers, "hibernation-monitor", LIFECYCLE_IDLE_INTERVAL_MS, sweep_idle, rooms);
}

/* ---- Life ---- */

Rooms *rooms_new(const Config *config, GError **error)
{
    g_autoptr(Rooms) rooms = g_new0(Rooms, 1);

    rooms->config = config;
    rooms->lock_fd = -1;
    if (!build_ground(rooms, error) || !build_knowledge(rooms, error) ||
        !build_server(rooms, error))
        return NULL;
    rooms->platform_url = platform_url_dup(rooms);
    build_messages(rooms);
    if (!build_reconciler(rooms, error))
        return NULL;
    build_refresh(rooms);
    furnish_api(rooms);
    add_timers(rooms);
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
    flush_vitals(rooms);
    flush_tokens(rooms);
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
