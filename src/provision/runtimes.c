#include "provision/runtimes.h"

#include "base/json_view.h"
#include "base/log.h"

#include <string.h>

#define MANIFEST_MAX_BYTES (1024 * 1024)
#define NAME_MAX_BYTES     100 /* spec 01, 5.1 */
#define TIMEOUT_S          600 /* spec 02, 13.4 */
#define TIMEOUT_HERMES_S   1800
#define TIMEOUT_DECLARED_S 300 /* slack on top of what a template declares */
#define MODEL_DEFAULT      "anthropic:claude-opus-4-7" /* spec 01, 12.2 */
#define MODEL_CLAUDE_CODE  "sonnet"

struct _Runtimes {
    GHashTable *by_name; /* name -> Runtime, owned; every text is interned by `texts` */
    GStringChunk *texts;
    GPtrArray *names;      /* sorted, NULL at the end */
    GPtrArray *with_image; /* the canonical ones first, NULL at the end */
};

static const char *const canonical[RUNTIME_CANONICAL] = {
    "claude-code", "langgraph", "crewai",     "autogen",
    "deepagents",  "hermes",    "gemini-cli", "openclaw",
};

static const Runtime known[] = {
    {.name = RUNTIME_BUILTIN},
    {.name = RUNTIME_EXTERNAL},
    {.name = "langgraph", .image = "", .has_plain_config = TRUE},
    {.name = "claude-code", .image = "", .default_model = MODEL_CLAUDE_CODE, .has_sessions = TRUE},
    {.name = "openclaw", .image = ""},
    {.name = "crewai", .image = ""},
    {.name = "autogen", .image = ""},
    {.name = "deepagents", .image = "", .has_plain_config = TRUE},
    {.name = "hermes", .image = "", .provision_timeout_s = TIMEOUT_HERMES_S},
    {.name = "codex", .image = ""},
    {.name = "gemini-cli", .image = ""},
};

/* `pattern` has an empty image when one follows from the name. */
static void add(Runtimes *runtimes, const Runtime *pattern, const char *prefix, const char *tag)
{
    Runtime *runtime = g_memdup2(pattern, sizeof *pattern);

    runtime->name = g_string_chunk_insert_const(runtimes->texts, pattern->name);
    if (pattern->image) {
        g_autofree char *image = g_strdup_printf("%s%s:%s", prefix, pattern->name, tag);
        runtime->image = g_string_chunk_insert_const(runtimes->texts, image);
    }
    if (!runtime->default_model)
        runtime->default_model = MODEL_DEFAULT;
    if (!runtime->provision_timeout_s)
        runtime->provision_timeout_s = TIMEOUT_S;
    g_hash_table_insert(runtimes->by_name, (char *)runtime->name, runtime);
}

/* A manifest's name becomes part of an image reference and of a path, so it must be a plain word.
 */
static gboolean is_plain_name(const char *name)
{
    gsize length = strlen(name);

    return length > 0 && length <= NAME_MAX_BYTES && g_ascii_isalnum(name[0]) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == length;
}

static void add_template_name(Runtimes *runtimes, JsonView entry, const char *prefix,
                              const char *tag)
{
    JsonView value;
    g_autofree char *name = NULL;

    if (!json_view_member(entry, "name", JSON_KEYS_EXACT, &value))
        return;
    name = json_view_text_dup(value, NULL);
    if (!name)
        return;
    if (g_str_has_suffix(name, "-default"))
        name[strlen(name) - strlen("-default")] = '\0';
    if (is_plain_name(name) && !g_hash_table_contains(runtimes->by_name, name))
        add(runtimes, &(Runtime){.name = name, .image = ""}, prefix, tag);
}

static gboolean add_manifest(Runtimes *runtimes, const char *path, const char *prefix,
                             const char *tag, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    JsonView root, list;

    if (!g_file_get_contents(path, &text, &length, error))
        return FALSE;
    if (length > MANIFEST_MAX_BYTES)
        return error_set(error, ERROR_TOO_LARGE, "manifest is over %d bytes", MANIFEST_MAX_BYTES);
    if (!json_view_parse(text, length, JSON_ONE_VALUE, &root, error))
        return FALSE;
    if (!json_view_member(root, "workspace_templates", JSON_KEYS_EXACT, &list))
        return TRUE;
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk);)
        add_template_name(runtimes, walk.value, prefix, tag);
    return TRUE;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect_names(Runtimes *runtimes)
{
    GHashTableIter iter;
    gpointer name;

    runtimes->names = g_ptr_array_new();
    g_hash_table_iter_init(&iter, runtimes->by_name);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(runtimes->names, name);
    g_ptr_array_sort(runtimes->names, compare_names);
    g_ptr_array_add(runtimes->names, NULL);
}

static gboolean is_canonical(const char *name)
{
    for (guint i = 0; i < RUNTIME_CANONICAL; i++)
        if (strcmp(canonical[i], name) == 0)
            return TRUE;
    return FALSE;
}

static void collect_with_image(Runtimes *runtimes)
{
    runtimes->with_image = g_ptr_array_new();
    for (guint i = 0; i < RUNTIME_CANONICAL; i++)
        g_ptr_array_add(runtimes->with_image, (char *)(gsize)canonical[i]);
    for (guint i = 0; i + 1 < runtimes->names->len; i++) {
        const Runtime *runtime = g_hash_table_lookup(runtimes->by_name, runtimes->names->pdata[i]);

        if (runtime->image && !is_canonical(runtime->name))
            g_ptr_array_add(runtimes->with_image, (char *)(gsize)runtime->name);
    }
    g_ptr_array_add(runtimes->with_image, NULL);
}

Runtimes *runtimes_new(const char *image_prefix, const char *image_tag, const char *manifest)
{
    Runtimes *runtimes = g_new0(Runtimes, 1);
    const char *prefix = image_prefix ? image_prefix : RUNTIME_IMAGE_PREFIX;
    const char *tag = image_tag ? image_tag : RUNTIME_IMAGE_TAG;
    g_autoptr(GError) error = NULL;

    runtimes->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    runtimes->texts = g_string_chunk_new(1024);
    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        add(runtimes, &known[i], prefix, tag);
    if (manifest && !add_manifest(runtimes, manifest, prefix, tag, &error))
        log_warning("runtime manifest not used", LOG_TEXT("path", manifest), LOG_CAUSE(error));
    collect_names(runtimes);
    collect_with_image(runtimes);
    return runtimes;
}

void runtimes_free(Runtimes *runtimes)
{
    if (!runtimes)
        return;
    g_ptr_array_free(runtimes->names, TRUE);
    g_ptr_array_free(runtimes->with_image, TRUE);
    g_hash_table_destroy(runtimes->by_name);
    g_string_chunk_free(runtimes->texts);
    g_free(runtimes);
}

const Runtime *runtimes_find(const Runtimes *runtimes, const char *name)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(name ? name : ""));

    return g_hash_table_lookup(runtimes->by_name, *trimmed ? trimmed : RUNTIME_BUILTIN);
}

const char *runtimes_allowed_name(const Runtimes *runtimes, const char *name)
{
    const Runtime *runtime = runtimes_find(runtimes, name);

    return runtime ? runtime->name : RUNTIME_FALLBACK;
}

const char *const *runtimes_names(const Runtimes *runtimes)
{
    return (const char *const *)runtimes->names->pdata;
}

const char *const *runtimes_with_image(const Runtimes *runtimes)
{
    return (const char *const *)runtimes->with_image->pdata;
}

guint runtime_provision_timeout_s(const Runtime *runtime, guint override_s, guint declared_s)
{
    guint table_s = runtime ? runtime->provision_timeout_s : TIMEOUT_S;

    if (override_s)
        return override_s;
    return declared_s ? MAX(table_s, declared_s + TIMEOUT_DECLARED_S) : table_s;
}
