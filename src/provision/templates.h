/* Workspace templates: folders below the configs directory whose tree becomes a workspace's
 * /configs.
 *
 * A name from outside leads to a folder only when it is inside the root after symbolic links are
 * followed. config.yaml is read by a YAML parser without expanding aliases (a small file cannot
 * become a large one); what breaks the field rules of a create is left out as if it were not there.
 * Source: spec 01 sections 5.2, 5.5, 11.1 steps 7 and 9, 12.1, 12.2; spec 02 section 8.12. Thread:
 * any. */
#pragma once

#include "base/errors.h"
#include "provision/runtimes.h"

#define TEMPLATE_CONFIG_FILE      "config.yaml"
#define TEMPLATE_CONFIG_MAX_BYTES (1024 * 1024)

/* The folder `name` below `root`, absolute and without links; NULL when `name` is empty, absolute
 * or leads out of the root, when there is no such folder, or when `root` is NULL. Caller owns it.
 */
char *template_find(const char *root, const char *name);
/* The folder for a runtime: "<runtime>-default", else "<runtime>". NULL when neither exists. */
char *template_find_default(const char *root, const Runtimes *runtimes, const char *runtime);
/* The folder that belongs to a workspace of this name: the lower-cased name with hyphens for
 * blanks, else the first one in order (not "ws-...") whose config.yaml has that `name` in any case.
 * NULL: none. Source: spec 01, 12.1. */
char *template_find_by_name(const char *root, const char *workspace_name);
/* The names of the folders below `root`, links left out, in order. GPtrArray of char *, owned. */
GPtrArray *template_list_folders(const char *root);
/* Whether `folder` holds a regular file config.yaml. */
gboolean template_has_config(const char *folder);

/* What the server wants to know of a config.yaml. */
typedef struct {
    char *name;                /* NULL: absent */
    char *runtime;             /* NULL: absent or against the rules */
    char *model;               /* `model` or `runtime_config.model`, whichever comes first */
    char **required_env;       /* runtime_config.required_env, in order; never NULL */
    guint provision_timeout_s; /* runtime_config.provision_timeout_seconds; 0: absent */
    guint16 port;              /* a2a.port; 0: absent */
} TemplateConfig;
void template_config_free(TemplateConfig *config); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TemplateConfig, template_config_free)

/* Never NULL: a text that is no YAML mapping reads as an empty configuration. */
TemplateConfig *template_config_parse(const char *text, gsize length);
/* Of a folder. NULL when there is no readable regular config.yaml of at most
 * TEMPLATE_CONFIG_MAX_BYTES. */
TemplateConfig *template_config_read(const char *folder);

/* The text itself, NUL-terminated; the same conditions. Caller owns it. */
char *template_config_text_dup(const char *folder, gsize *length);

/* Names of `required` without a non-empty value in `environment` (name -> value), in order. Caller
 * owns it; empty when all are there. */
char **template_missing_env(char *const *required, GHashTable *environment);
/* The sentence for people: names every one of `missing` and how to go on. Caller owns it. */
char *template_missing_sentence(char *const *missing);

/* The config.yaml of a workspace without a template. `runtime` may be NULL when unknown; `port` 0
 * or 8000 is not written. No value can open a key of its own. Caller owns the text. */
char *template_config_generate(const char *name, const char *role, gint64 tier,
                               const Runtimes *runtimes, const char *runtime, const char *model,
                               guint16 port);
