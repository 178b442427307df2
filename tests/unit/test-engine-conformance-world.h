/* What the cases of the engine contract share: the engine under test, and what a case makes with
 * it. Only for tests. */
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "engine/engine.h"

#define PATIENCE_US (20 * CLOCK_SECOND_US) /* for what the engine does by itself */
#define OUTPUT_MAX  65536

/* Waits for its signal, and ends with 0 on SIGTERM. */
#define WAITER         "trap 'exit 0' TERM; while :; do sleep 0.05; done"
#define SHELL(script_) ((const char *const[]){"/bin/sh", "-c", (script_), NULL})

/* An engine under test; the cases' data. */
typedef struct {
    Engine *engine;
    char *image;
    const char *quick_network; /* for containers that need none */
} World;

/* Of the case that runs: they run one after another. */
extern Engine *engine;
extern const char *image;
extern const char *quick_network;

/* A case has an installation id of its own and must leave neither container nor volume of it. */
typedef struct {
    char installation[ID_SIZE];
    char workspace[ID_SIZE];
    guint names;
} Case;
void case_set_up(Case *test, gconstpointer data);
void case_tear_down(Case *test, gconstpointer data);

typedef struct {
    const char *path;
    void (*function)(Case *, gconstpointer);
} CaseRow;
/* Each ends with an empty row. */
extern const CaseRow life_cases[], inside_cases[], around_cases[], hosted_cases[];

void remove_network(const char *name);
char *new_name(Case *test);
EngineLabels labels_of(Case *test, const char *kind, gint64 generation);
/* A helper of generation 7; the caller fills in more. */
ContainerSpec spec_of(Case *test, const char *name, const char *const *argv);
char *create(const ContainerSpec *spec); /* its id */
void start(const char *id);
char *run(Case *test, const char *script); /* created and started */
ContainerInfo *inspect(const char *id);
ContainerInfo *wait_for_state(const char *id, ContainerState state);
ExecResult *exec_script(const char *id, const char *script);
/* The script ends well and says this, and nothing on its error stream. */
void assert_output(const char *id, const char *script, const char *expected);

typedef struct {
    const char *name;
    const char *content; /* NULL: a folder */
} TarFile;
GBytes *tar_of(const TarFile *files, guint count);
/* The content of the first entry whose name ends so, or NULL. Caller owns it. */
char *tar_find(GBytes *tar, const char *name);
