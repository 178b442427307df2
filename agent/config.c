#include "config.h"

#include "memory.h"
#include "utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PORT              8000 /* where the server expects every workspace, spec 02, 16 */
#define DEFAULT_HEARTBEAT_SECONDS "30" /* spec 04, section 17 */
#define DEFAULT_REFUSAL_SECONDS   "60"
#define DEFAULT_TASK_SECONDS      "21600"
#define DEFAULT_ASK_SECONDS       "1800" /* the ceiling of a message between agents, spec 04, 5.8 */
#define MAX_SECONDS               1e9

static const char *read_text(const char *name, const char *fallback)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : fallback;
}

static char *dup_text(const char *name, const char *fallback)
{
    return memory_text_dup(read_text(name, fallback));
}

/* For what ends up in JSON, which knows UTF-8 only. */
static char *dup_utf8(const char *name, const char *fallback)
{
    return utf8_dup_repaired(read_text(name, fallback));
}

static bool read_port(uint16_t *port, char **error)
{
    const char *text = read_text("WORKSPACE_AGENT_PORT", NULL);
    char *end;

    *port = DEFAULT_PORT;
    if (text == NULL)
        return true;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < 0 || number > 65535) {
        *error = memory_printf("WORKSPACE_AGENT_PORT must be a number from 0 to 65535");
        return false;
    }
    *port = (uint16_t)number;
    return true;
}

/* Seconds, a fraction allowed, into milliseconds. */
static bool read_seconds(const char *name, const char *fallback, int64_t *value_ms, char **error)
{
    const char *text = read_text(name, fallback);
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(seconds) || seconds < 0 || seconds > MAX_SECONDS) {
        *error = memory_printf("%s must be a number of seconds, 0 or more", name);
        return false;
    }
    *value_ms = (int64_t)(seconds * 1000);
    return true;
}

static bool read_durations(Config *config, char **error)
{
    if (!read_seconds("WORKSPACE_AGENT_HEARTBEAT_SECONDS", DEFAULT_HEARTBEAT_SECONDS,
                      &config->heartbeat_ms, error) ||
        !read_seconds("WORKSPACE_AGENT_REFUSAL_SECONDS", DEFAULT_REFUSAL_SECONDS,
                      &config->refusal_ms, error) ||
        !read_seconds("WORKSPACE_AGENT_TASK_SECONDS", DEFAULT_TASK_SECONDS, &config->task_limit_ms,
                      error) ||
        !read_seconds("WORKSPACE_AGENT_ASK_SECONDS", DEFAULT_ASK_SECONDS, &config->ask_limit_ms,
                      error))
        return false;
    if (config->heartbeat_ms == 0) {
        *error = memory_printf("WORKSPACE_AGENT_HEARTBEAT_SECONDS must be above 0");
        return false;
    }
    return true;
}

static void read_platform(Config *config)
{
    config->platform_url = dup_text("PLATFORM_URL", read_text("MOLECULE_URL", ""));

    size_t length = strlen(config->platform_url);
    while (length > 0 && config->platform_url[length - 1] == '/')
        config->platform_url[--length] = '\0';
}

static char *dup_own_path(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);

    if (length <= 0 || (size_t)length == sizeof path)
        return memory_text_dup(""); /* no /proc: commands then do not learn our path */
    return memory_text_dup_length(path, (size_t)length);
}

bool config_load(Config *config, char **error)
{
    *config = (Config){0};
    read_platform(config);
    config->workspace_id = dup_utf8("WORKSPACE_ID", "");
    config->config_path = dup_text("WORKSPACE_CONFIG_PATH", "/configs");
    config->listen = dup_text("WORKSPACE_AGENT_LISTEN", "0.0.0.0");
    config->url = dup_utf8("WORKSPACE_AGENT_URL", "");
    config->name = dup_utf8("WORKSPACE_NAME",
                            config->workspace_id[0] != '\0' ? config->workspace_id : "agent");
    config->role = dup_utf8("MOLECULE_AGENT_ROLE", "");
    config->executor = dup_text("WORKSPACE_AGENT_EXECUTOR", "echo");
    config->command = dup_text("WORKSPACE_AGENT_COMMAND", "");
    config->child = dup_text("WORKSPACE_AGENT_CHILD", "");
    config->ca_file = dup_text("WORKSPACE_AGENT_CA_FILE", "");
    config->own_path = dup_own_path();
    if (config->platform_url[0] != '\0' && config->workspace_id[0] == '\0') {
        *error = memory_printf("WORKSPACE_ID must be set when PLATFORM_URL is");
        return false;
    }
    return read_port(&config->port, error) && read_durations(config, error);
}

void config_clear(Config *config)
{
    free(config->workspace_id);
    free(config->platform_url);
    free(config->config_path);
    free(config->listen);
    free(config->url);
    free(config->name);
    free(config->role);
    free(config->executor);
    free(config->command);
    free(config->child);
    free(config->ca_file);
    free(config->own_path);
    *config = (Config){0};
}

char *config_dup_url(const Config *config, uint16_t port)
{
    char host[256] = "";

    if (config->url[0] != '\0')
        return memory_text_dup(config->url);
    const char *name = getenv("HOSTNAME"); /* set by container engines; spec 02, 16 */
    if (name == NULL || name[0] == '\0') {
        if (gethostname(host, sizeof host - 1) != 0)
            strcpy(host, "localhost");
        name = host;
    }
    AUTO_FREE char *repaired = utf8_dup_repaired(name);
    return memory_printf("http://%s:%u", repaired, port);
}
