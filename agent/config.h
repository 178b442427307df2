/* What the environment asks of the agent. Read once; nothing else calls getenv() for settings.
 * The variables are described in `workspace-agent --help` (command_line.c). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *workspace_id; /* "" when standing alone */
    char *platform_url; /* without a slash at the end; "" when standing alone */
    char *config_path;  /* folder of the token file */
    char *listen;       /* address, or "unix:/path" */
    uint16_t port;
    char *url; /* where others reach us; "" = from the host name and the port listened on */
    char *name;
    char *role;
    char *executor;
    char *command;      /* JSON array or a line for the shell; "" when not set */
    char *child;        /* JSON array: program to run beside us; "" when not set */
    char *ca_file;      /* certificates to trust for https; "" = the image's own */
    char *own_path;     /* our executable, for the commands we start */
    bool beats_at_once; /* the first heartbeat follows the registration; else a period later */
    int64_t heartbeat_ms;
    int64_t refusal_ms;    /* how long a refused token is tried before giving up */
    int64_t task_limit_ms; /* longest run of one task; 0 = no limit */
    int64_t ask_limit_ms;  /* longest wait of `ask` */
} Config;

/* Reads and checks the environment.
 *   error  out: on false, a sentence naming the variable; the caller frees it
 * The caller clears `config` in both cases. */
bool config_load(Config *config, char **error);

void config_clear(Config *config);

/* The URL to register: `url`, or one made of the host name and the port listened on. The caller
 * frees it. */
char *config_dup_url(const Config *config, uint16_t port);
