/* The program `workspaced`: its commands, its signals. */
#include "app/engine_choice.h"
#include "app/footprint.h"
#include "app/privileges.h"
#include "app/rooms.h"
#include "app/tenant_settings.h"
#include "auth/state_files.h"
#include "base/log.h"
#include "db/migrations.h"
#include "http/client.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE        2
#define HEALTH_TIMEOUT_MS 4000

/* Few arenas and quick trimming: many small threads would else hold memory each. */
#define HEAP_ARENAS     2
#define HEAP_TRIM_BYTES (256 * 1024)

static int fail(const GError *error)
{
    fprintf(stderr, "workspaced: %s\n", error->message);
    return error_is(error, ERROR_INVALID) ? EXIT_USAGE : EXIT_FAILURE;
}

static void setup_log(const Config *config)
{
    LogLevel level = LOG_LEVEL_INFO;
    LogFormat format = LOG_FORMAT_AUTO;

    log_level_parse(config->log_level, &level);
    if (strcmp(config->log_format, "json") == 0)
        format = LOG_FORMAT_JSON;
    else if (strcmp(config->log_format, "text") == 0)
        format = LOG_FORMAT_TEXT;
    log_setup(level, format);
}

/* What a hosted tenant's control plane says replaces variables; a refusal or a silence changes
 * nothing. Spec 02, sections 3 and 5. */
static Config *load_config(const char *const *flags, GError **error)
{
    g_autofree char *folder = g_get_current_dir();
    g_auto(GStrv) environment = g_get_environ();
    g_autoptr(GError) cause = NULL;
    Config *config = config_load(flags, (const char *const *)environment, folder, error);
    Config *refreshed = NULL;

    if (!config)
        return NULL;
    setup_log(config);
    if (!tenant_settings_are_wanted(config))
        return config;
    if (tenant_settings_load(config, &environment, &cause))
        refreshed = config_load(flags, (const char *const *)environment, folder, &cause);
    if (!refreshed) {
        log_warning("settings of the tenant were not refreshed", LOG_CAUSE(cause));
        return config;
    }
    config_free(config);
    setup_log(refreshed);
    return refreshed;
}

/* ---- serve ---- */

static void greet(const Rooms *rooms, const Config *config)
{
    printf("workspaced " WORKSPACED_VERSION " is ready\n"
           "  engine     %s\n"
           "  database   %s\n"
           "  data       %s\n"
           "  page       %s/#token=%s\n",
           rooms_engine_name(rooms), rooms_database_name(rooms), config->data_dir, rooms_url(rooms),
           rooms_admin_token(rooms));
    if (config->open_access)
        printf("  WARNING    MOLECULE_ENV is development and ADMIN_TOKEN is unset: anybody on this "
               "machine or "
               "its\n             private network may do everything\n");
    fflush(stdout);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* From now on the next signal ends the process at once: whoever is in a hurry loses nothing that
 * was promised. */
static void let_second_signal_kill(const sigset_t *signals)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static int serve(const Config *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Rooms) rooms = NULL;
    sigset_t signals;
    int received = 0;

    mallopt(M_ARENA_MAX, HEAP_ARENAS);
    mallopt(M_TRIM_THRESHOLD, HEAP_TRIM_BYTES);
    block_signals(&signals);
    rooms = rooms_new(config, &error);
    if (!rooms)
        return fail(error);
    rooms_start(rooms);
    greet(rooms, config);
    footprint_trim();
    sigwait(&signals, &received);
    let_second_signal_kill(&signals);
    log_info("stopping", LOG_TEXT("signal", received == SIGINT ? "SIGINT" : "SIGTERM"));
    rooms_stop(rooms);
    return EXIT_SUCCESS;
}

/* ---- migrate, check ---- */

static int migrate(const Config *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    guint applied = 0;

    if (!state_folder_ensure(config->data_dir, &error))
        return fail(error);
    db = db_open(config->database_url, 5000, &error);
    if (!db || !db_migrate(db, &applied, &error))
        return fail(error);
    printf("%s: %u migrations applied\n", db_name(db), applied);
    return EXIT_SUCCESS;
}

static const char *cap_word(gboolean is_enforced)
{
    return is_enforced ? "enforced" : "not enforced";
}

static gboolean check_engine(const Config *config, GError **error)
{
    g_autoptr(Engine) engine = NULL;
    g_autoptr(EngineInfo) info = NULL;

    if (!engine_choose(config, NULL, &engine, error))
        return FALSE;
    if (!engine) {
        printf("engine     none\n");
        return TRUE;
    }
    if (!engine_info(engine, &info, error))
        return FALSE;
    printf("engine     %s (API %s, %" G_GINT64_FORMAT " cores)\n", info->name, info->version,
           info->cpus);
    printf("caps       memory %s, cpu %s, processes %s\n", cap_word(info->limits_memory),
           cap_word(info->limits_cpu), cap_word(info->limits_pids));
    return TRUE;
}

static int check(const Config *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;

    if (!state_folder_ensure(config->data_dir, &error))
        return fail(error);
    printf("data       %s\n", config->data_dir);
    db = db_open(config->database_url, 5000, &error);
    if (!db || !db_ping(db, &error))
        return fail(error);
    printf("database   %s\n", db_name(db));
    if (!check_engine(config, &error))
        return fail(error);
    printf("all is well\n");
    return EXIT_SUCCESS;
}

/* ---- health ---- */

static int unhealthy(const char *why)
{
    fprintf(stderr, "workspaced: %s\n", why);
    return EXIT_FAILURE;
}

/* For health checks of images without curl: asks the server that runs on this data folder. */
static int health(const Config *config)
{
    g_autoptr(HttpClient) client = http_client_new(1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) body = NULL;
    g_autofree char *url = state_file_read(config->data_dir, "url");
    g_autofree char *address = g_strconcat(url ? url : "", "/health", NULL);
    HttpCallSpec spec = {
        .method = "GET", .url = address, .trusted = TRUE, .total_timeout_ms = HEALTH_TIMEOUT_MS};
    guint status = 0;

    if (!url)
        return unhealthy("no server has started on this data folder");
    if (!http_client_fetch(client, &spec, &status, &body, &error))
        return unhealthy(error->message);
    if (status != 200)
        return unhealthy("the server is not well");
    printf("%s is well\n", url);
    return EXIT_SUCCESS;
}

/* ---- The command line ---- */

static int help(const char *const *arguments)
{
    if (arguments[0] && strcmp(arguments[0], "--markdown") == 0) {
        config_print_markdown(stdout);
        return EXIT_SUCCESS;
    }
    printf(
        "workspaced " WORKSPACED_VERSION ": a control plane for teams of AI agents\n\n"
        "  workspaced [serve] [options]   run the server (Ctrl-C stops it)\n"
        "  workspaced migrate [options]   bring the database to this program's schema\n"
        "  workspaced check [options]     look whether data folder, database and engine can be "
        "used\n"
        "  workspaced health [options]    ask the server of this data folder whether it is well\n"
        "  workspaced help [--markdown]   this text, or docs/configuration.md\n"
        "  workspaced --version\n\n"
        "Options and variables (a flag wins over its variable):\n");
    config_print_help(stdout);
    return EXIT_SUCCESS;
}

typedef struct {
    const char *name;
    int (*run)(const Config *config);
} Command;

static int run_command(const Command *command, const char *const *flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = load_config(flags, &error);

    if (!config)
        return fail(error);
    if (!privileges_drop(config, &error))
        return fail(error);
    return command->run(config);
}

int main(int argc, char **argv)
{
    static const Command commands[] = {
        {"serve", serve}, {"migrate", migrate}, {"check", check}, {"health", health}};
    const char *const *arguments = (const char *const *)argv + MIN(argc, 1);
    const char *word = arguments[0];

    for (const char *const *at = arguments; *at; at++)
        if (strcmp(*at, "--help") == 0 || strcmp(*at, "-h") == 0)
            return help(arguments + argc - 1);
    if (word && strcmp(word, "help") == 0)
        return help(arguments + 1);
    if (word && strcmp(word, "--version") == 0) {
        printf("workspaced " WORKSPACED_VERSION "\n");
        return EXIT_SUCCESS;
    }
    if (!word || g_str_has_prefix(word, "--"))
        return run_command(&commands[0], arguments);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(word, commands[i].name) == 0)
            return run_command(&commands[i], arguments + 1);
    fprintf(stderr, "workspaced: unknown command '%s'; see workspaced --help\n", word);
    return EXIT_USAGE;
}
