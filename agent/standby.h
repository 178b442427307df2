/* Standing by: started before there is a workspace for it, the agent serves nothing and waits in
 * the kernel until the server unpacks a workspace's files into the configuration folder.
 *
 * The last of them is the mark STANDBY_ASSIGNED; then the environment lies in STANDBY_ENVIRONMENT
 * ("KEY=value", each ended by a NUL, mode 0600). It becomes ours and that of every program we
 * start, and the file is removed: secrets stay in no file. The mark stays, because the engine may
 * still be busy with it. Where the server can reach us it takes a faster way (standby_wire.h) that
 * brings the same. A restarted container finds no environment and stands by again; the
 * server sees the restart and replaces it. */
#pragma once

#include <stdbool.h>

#define STANDBY_VARIABLE        "WORKSPACE_AGENT_STANDBY" /* "1": stand by */
#define STANDBY_ENVIRONMENT     ".workspaced-environment"
#define STANDBY_ASSIGNED        ".workspaced-assigned"
#define STANDBY_ENVIRONMENT_MAX (4 * 1024 * 1024) /* bytes */

typedef enum { STANDBY_TAKEN, STANDBY_STOPPED, STANDBY_FAILED } StandbyEnd;

bool standby_is_wanted(void);
/* Waits, and takes over the environment. Handles SIGTERM and SIGINT meanwhile (STANDBY_STOPPED).
 * STANDBY_FAILED: the files cannot be used (logged). Call before any other thread or loop. */
StandbyEnd standby_wait(const char *config_path);
/* Removes what a hand-over that nobody waited for left in the folder. */
void standby_discard(const char *config_path);
