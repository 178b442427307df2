#include "engine/sandbox/record.h"

#include "engine/sandbox/tree.h"

#include <string.h>

static const char *const mount_words[] = {
    [ENGINE_MOUNT_VOLUME] = "volume",
    [ENGINE_MOUNT_BIND] = "bind",
    [ENGINE_MOUNT_TMPFS] = "tmpfs",
};

static void mount_clear(void *data)
{
    SandboxMount *mount = data;

    g_free(mount->source);
    g_free(mount->target);
}

static SandboxRecord *record_new(void)
{
    SandboxRecord *record = g_new0(SandboxRecord, 1);

    record->mounts = g_array_new(FALSE, TRUE, sizeof(SandboxMount));
    g_array_set_clear_func(record->mounts, mount_clear);
    return record;
}

void sandbox_record_free(SandboxRecord *record)
{
    if (!record)
        return;
    g_free(record->id);
    g_free(record->name);
    g_free(record->image);
    g_free(record->image_digest);
    g_free(record->hostname);
    g_free(record->user);
    g_strfreev(record->environment);
    g_strfreev(record->command);
    g_array_free(record->mounts, TRUE);
    engine_labels_clear(&record->labels);
    g_free(record);
}

/* ---- From a spec ---- */

static char **join_lists(const char *const *first, const char *const *second)
{
    GPtrArray *list = g_ptr_array_new();

    for (; first && *first; first++)
        g_ptr_array_add(list, g_strdup(*first));
    for (; second && *second; second++)
        g_ptr_array_add(list, g_strdup(*second));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

SandboxRecord *sandbox_record_new(const ContainerSpec *spec)
{
    SandboxRecord *record = record_new();

    record->name = g_strdup(spec->name);
    record->image = g_strdup(spec->image);
    record->hostname = g_strdup(spec->hostname);
    record->user = g_strdup(spec->user);
    record->environment = join_lists(spec->environment, NULL);
    record->command = join_lists(spec->entrypoint, spec->command);
    record->port = spec->port;
    record->read_only_root = spec->read_only_root;
    record->host_network = spec->host_network;
    record->keep_capabilities = spec->keep_capabilities || spec->privileged;
    record->caps = (SandboxCaps){
        .memory_bytes = spec->memory_bytes, .nano_cpus = spec->nano_cpus, .pids = spec->pids_limit};
    engine_labels_copy(&record->labels, &spec->labels);
    for (guint i = 0; i < spec->mount_count; i++) {
        const EngineMount *given = &spec->mounts[i];
        SandboxMount mount = {
            .type = given->type,
            .source = g_strdup(given->source),
            .target = g_strdup(given->target),
            .read_only = given->read_only,
            .size_bytes = given->size_bytes,
        };

        g_array_append_val(record->mounts, mount);
    }
    return record;
}

/* ---- Writing ---- */

void sandbox_labels_write(JsonOut *out, const EngineLabels *labels)
{
    json_out_text(out, "installation", labels->installation);
    json_out_text(out, "workspace", labels->workspace);
    json_out_text(out, "kind", labels->kind);
    json_out_int(out, "generation", labels->generation);
}

static void write_list(JsonOut *out, const char *key, char *const *texts)
{
    json_out_array(out, key);
    for (; texts && *texts; texts++)
        json_out_text(out, NULL, *texts);
    json_out_end(out);
}

static void write_mounts(JsonOut *out, const SandboxRecord *record)
{
    json_out_array(out, "mounts");
    for (guint i = 0; i < record->mounts->len; i++) {
        const SandboxMount *mount = &g_array_index(record->mounts, SandboxMount, i);

        json_out_object(out, NULL);
        json_out_text(out, "type", mount_words[mount->type]);
        json_out_text(out, "source", mount->source);
        json_out_text(out, "target", mount->target);
        json_out_bool(out, "read_only", mount->read_only);
        json_out_int(out, "size_bytes", mount->size_bytes);
        json_out_end(out);
    }
    json_out_end(out);
}

void sandbox_record_write(const SandboxRecord *record, GString *text)
{
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "id", record->id);
    json_out_text(&out, "name", record->name);
    json_out_text(&out, "image", record->image);
    json_out_text(&out, "image_digest", record->image_digest);
    json_out_int(&out, "created_at_us", record->created_at_us);
    json_out_text(&out, "hostname", record->hostname);
    json_out_text(&out, "user", record->user);
    write_list(&out, "environment", record->environment);
    write_list(&out, "command", record->command);
    write_mounts(&out, record);
    json_out_int(&out, "port", record->port);
    json_out_bool(&out, "read_only_root", record->read_only_root);
    json_out_bool(&out, "host_network", record->host_network);
    json_out_bool(&out, "keep_capabilities", record->keep_capabilities);
    json_out_int(&out, "memory_bytes", record->caps.memory_bytes);
    json_out_int(&out, "nano_cpus", record->caps.nano_cpus);
    json_out_int(&out, "pids_limit", record->caps.pids);
    json_out_object(&out, "labels");
    sandbox_labels_write(&out, &record->labels);
    json_out_end(&out);
    json_out_end(&out);
}

/* ---- Reading ---- */

char *sandbox_json_text(JsonView object, const char *key)
{
    JsonView value;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value))
        return NULL;
    return json_view_text_dup(value, NULL);
}

gint64 sandbox_json_int(JsonView object, const char *key)
{
    JsonView value;
    gint64 number = 0;

    if (json_view_member(object, key, JSON_KEYS_EXACT, &value) && !json_view_int(value, &number))
        number = 0;
    return number;
}

static gboolean json_flag(JsonView object, const char *key)
{
    JsonView value;
    gboolean flag = FALSE;

    return json_view_member(object, key, JSON_KEYS_EXACT, &value) && json_view_bool(value, &flag) &&
           flag;
}

void sandbox_labels_read(JsonView object, EngineLabels *labels)
{
    *labels = (EngineLabels){
        .installation = sandbox_json_text(object, "installation"),
        .workspace = sandbox_json_text(object, "workspace"),
        .kind = sandbox_json_text(object, "kind"),
        .generation = sandbox_json_int(object, "generation"),
    };
}

static char **read_list(JsonView object, const char *key)
{
    GPtrArray *list = g_ptr_array_new();
    JsonView array;

    if (json_view_member(object, key, JSON_KEYS_EXACT, &array)) {
        JsonWalk walk = json_view_walk(array);

        while (json_walk_next(&walk))
            g_ptr_array_add(list, json_view_text_dup(walk.value, NULL));
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

static EngineMountType mount_type(const char *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(mount_words); i++)
        if (g_strcmp0(word, mount_words[i]) == 0)
            return (EngineMountType)i;
    return ENGINE_MOUNT_TMPFS;
}

static void read_mounts(JsonView object, GArray *mounts)
{
    JsonView array;

    if (!json_view_member(object, "mounts", JSON_KEYS_EXACT, &array))
        return;
    for (JsonWalk walk = json_view_walk(array); json_walk_next(&walk);) {
        g_autofree char *word = sandbox_json_text(walk.value, "type");
        SandboxMount mount = {
            .type = mount_type(word),
            .source = sandbox_json_text(walk.value, "source"),
            .target = sandbox_json_text(walk.value, "target"),
            .read_only = json_flag(walk.value, "read_only"),
            .size_bytes = sandbox_json_int(walk.value, "size_bytes"),
        };

        g_array_append_val(mounts, mount);
    }
}

SandboxRecord *sandbox_record_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(SandboxRecord) record = record_new();
    JsonView object, labels;

    if (!json_view_parse(text, length, JSON_ONE_VALUE, &object, NULL) ||
        json_view_kind(object) != JSON_KIND_OBJECT ||
        !json_view_member(object, "labels", JSON_KEYS_EXACT, &labels)) {
        error_set(error, ERROR_INTERNAL, SANDBOX_RECORD_FILE " is broken");
        return NULL;
    }
    record->id = sandbox_json_text(object, "id");
    record->name = sandbox_json_text(object, "name");
    record->image = sandbox_json_text(object, "image");
    record->image_digest = sandbox_json_text(object, "image_digest");
    record->created_at_us = sandbox_json_int(object, "created_at_us");
    record->hostname = sandbox_json_text(object, "hostname");
    record->user = sandbox_json_text(object, "user");
    record->environment = read_list(object, "environment");
    record->command = read_list(object, "command");
    read_mounts(object, record->mounts);
    record->port = (guint16)sandbox_json_int(object, "port");
    record->read_only_root = json_flag(object, "read_only_root");
    record->host_network = json_flag(object, "host_network");
    record->keep_capabilities = json_flag(object, "keep_capabilities");
    record->caps.memory_bytes = sandbox_json_int(object, "memory_bytes");
    record->caps.nano_cpus = sandbox_json_int(object, "nano_cpus");
    record->caps.pids = sandbox_json_int(object, "pids_limit");
    sandbox_labels_read(labels, &record->labels);
    if (!record->id || !record->name) {
        error_set(error, ERROR_INTERNAL, SANDBOX_RECORD_FILE " names no container");
        return NULL;
    }
    return g_steal_pointer(&record);
}

SandboxRecord *sandbox_record_load(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, SANDBOX_RECORD_FILE, NULL);
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!sandbox_tree_read(path, SANDBOX_RECORD_MAX_BYTES, &text, &length, error))
        return NULL;
    return sandbox_record_parse(text, length, error);
}

const char *sandbox_environment_find(char *const *environment, const char *key)
{
    gsize length = strlen(key);

    for (; environment && *environment; environment++)
        if (strncmp(*environment, key, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}
