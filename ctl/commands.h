/* The commands, one row each in one table (commands.c): how they are called, what they take, and
 * the page that `help` prints. Parser, help and the shells' completions all read this table. */
#pragma once

#include "api.h"
#include "arguments.h"

typedef struct {
    const Arguments *arguments;
    const Target *target; /* NULL for commands that need no server */
    Api *api;             /* likewise */
    gboolean wants_json;
    int status; /* exit status of a command that ran and has said all itself */
} Session;

typedef struct {
    const char *name;
    const char *words;        /* of the synopsis: "WORKSPACE [MESSAGE...]" */
    guint words_min;          /* how many must be there */
    guint words_max;          /* G_MAXUINT: any number */
    const char *word_choices; /* for completion of the first word, as in Option */
    const char *summary;      /* one line, no full stop */
    const char *description;  /* paragraphs; may be NULL */
    const char *examples;     /* lines; may be NULL */
    const Option *options;    /* beside the common ones; may be NULL */
    gboolean needs_server;    /* a Target and an Api are made before it runs */
    gboolean (*run)(Session *session, GError **error);
} Command;

/* Options that every command takes. */
extern const Option common_options[];

/* All commands, in the order of the help; the last has no name. */
extern const Command commands[];
/* NULL when there is none of that name. */
const Command *command_find(const char *name);

/* Each command's own file. */
extern const Option chat_options[];
extern const Option create_options[];
extern const Option delete_options[];
extern const Option events_options[];
extern const Option hibernate_options[];
extern const Option list_options[];
extern const Option logs_options[];
extern const Option adopt_options[];
extern const Option reap_options[];
extern const Option restart_options[];
gboolean chat_run(Session *session, GError **error);
gboolean completion_run(Session *session, GError **error);
gboolean create_run(Session *session, GError **error);
gboolean delete_run(Session *session, GError **error);
gboolean doctor_run(Session *session, GError **error);
gboolean events_run(Session *session, GError **error);
gboolean help_run(Session *session, GError **error);
gboolean hibernate_run(Session *session, GError **error);
gboolean list_run(Session *session, GError **error);
gboolean logs_run(Session *session, GError **error);
gboolean open_run(Session *session, GError **error);
gboolean pause_run(Session *session, GError **error);
gboolean adopt_run(Session *session, GError **error);
gboolean reap_run(Session *session, GError **error);
gboolean restart_run(Session *session, GError **error);
gboolean resume_run(Session *session, GError **error);
gboolean status_run(Session *session, GError **error);
gboolean token_run(Session *session, GError **error);

/* Prints a command's page, or the overview for NULL (help.c). */
void help_print(const Command *command);
