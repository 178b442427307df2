/* A container engine that is a table in memory, for the tests of the reconciler.
 *
 * The table lies in shared memory, so that it outlives a process that dies in the middle of a call.
 * A test says which call fails, before or after its effect, or ends the process there. Each effect
 * is one step under one lock. */
#pragma once

#include "base/clock.h"
#include "engine/engine.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef WORLD_CONTAINERS /* a test may need more */
#define WORLD_CONTAINERS 64
#define WORLD_VOLUMES    128
#endif
#define WORLD_FILES  16
#define WORLD_EVENTS 256
#define WORLD_EXIT   77 /* exit code of a process that was ended on purpose */

typedef struct {
    char installation[64], workspace[64], kind[32];
    gint64 generation;
} WorldLabels;

typedef struct {
    char path[64]; /* relative to /configs */
    char content[1024];
    guint size, owner;
} WorldFile;

typedef struct {
    gboolean exists;
    char name[96];
    WorldLabels labels;
    WorldFile files[WORLD_FILES];
    guint file_count;
} WorldVolume;

typedef struct {
    gboolean exists;
    char id[40], name[64], image[64], entrypoint[64];
    WorldLabels labels;
    ContainerState state;
    gboolean ever_started, has_agent;
    gint64 exit_code, started_at_us, finished_at_us, created_at_us;
    char volumes[4][96]; /* the first is /configs */
    char environment[4096];
    guint volume_count;
    guint16 port;
    ContainerHealth health;
} WorldContainer;

typedef struct {
    EngineEventType type;
    char container_id[40];
    WorldLabels labels;
    gint64 exit_code;
} WorldEvent;

typedef enum {
    FAULT_NONE,
    FAULT_BEFORE,         /* refused by the engine: ERROR_INTERNAL, no effect */
    FAULT_CONFLICT,       /* refused: "its state does not allow this now"; a moment later it does */
    FAULT_BEFORE_UNKNOWN, /* no effect, and nobody knows */
    FAULT_AFTER,          /* the effect, but its answer is lost */
    FAULT_CRASH_BEFORE,   /* the process ends */
    FAULT_CRASH_AFTER,
} WorldFault;

typedef struct {
    pthread_mutex_t lock;
    WorldContainer containers[WORLD_CONTAINERS];
    WorldVolume volumes[WORLD_VOLUMES];
    WorldEvent events[WORLD_EVENTS];
    guint event_count;
    guint next_id;
    char daemon_id[40];
    gboolean is_down, has_network;
    gboolean base_has_agent; /* images "base:..." come with it */
    guint agent_uploads;
    gboolean dies_at_start; /* every container ends as soon as it starts */
    gboolean pull_hangs, pulls_work;
    char pulled[8][64];
    guint pulled_count;
    guint calls; /* counted ones */
    guint fail_at;
    WorldFault fault;
    guint creates, starts, pulls;
    guint tries; /* of both, also those that had nothing to do any more */
    guint starting, stopping, most_starting, most_stopping; /* engine calls at once */
    guint slow_us;                                          /* each start and stop takes so long */
} World;

typedef struct {
    Engine base;
    World *world;
} WorldEngine;

static inline World *world_of(Engine *engine)
{
    return ((WorldEngine *)engine)->world;
}

static inline void world_init_lock(World *world)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&world->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static inline World *world_new(void)
{
    World *world =
        mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    g_assert_true(world != MAP_FAILED);
    world_init_lock(world);
    strcpy(world->daemon_id, "daemon-1");
    return world;
}

static inline void world_free(World *world)
{
    pthread_mutex_destroy(&world->lock);
    munmap(world, sizeof *world);
}

static inline void world_lock(World *world)
{
    g_assert_cmpint(pthread_mutex_lock(&world->lock), ==, 0);
}

static inline void world_unlock(World *world)
{
    pthread_mutex_unlock(&world->lock);
}

/* ---- Faults ---- */

/* Every counted call: takes the lock; FALSE (lock released) when it fails before its effect. */
static inline gboolean world_enter(World *world, gboolean is_counted, GError **error)
{
    gboolean hits = FALSE;

    world_lock(world);
    if (world->is_down) {
        world_unlock(world);
        return error_set(error, ERROR_UNAVAILABLE, "the engine is down");
    }
    hits = is_counted && ++world->calls == world->fail_at;
    if (hits && world->fault == FAULT_CRASH_BEFORE)
        _exit(WORLD_EXIT);
    if (hits && world->fault == FAULT_BEFORE) {
        world_unlock(world);
        return error_set(error, ERROR_INTERNAL, "refused on purpose");
    }
    if (hits && world->fault == FAULT_CONFLICT) {
        world_unlock(world);
        return error_set(error, ERROR_CONFLICT, "a conflict on purpose");
    }
    if (hits && world->fault == FAULT_BEFORE_UNKNOWN) {
        world_unlock(world);
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "lost on purpose, before");
    }
    return TRUE;
}

/* The end of a counted call after its effect. */
static inline gboolean world_leave(World *world, GError **error)
{
    gboolean hits = world->calls == world->fail_at;

    if (hits && world->fault == FAULT_CRASH_AFTER)
        _exit(WORLD_EXIT);
    if (hits && world->fault == FAULT_AFTER) {
        world->fail_at = 0;
        world_unlock(world);
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "lost on purpose, after");
    }
    world_unlock(world);
    return TRUE;
}

static inline gboolean world_refuse(World *world, GError **error, ErrorCode code, const char *text)
{
    world_unlock(world);
    return error_set(error, code, "%s", text);
}

/* ---- Values ---- */

static inline void world_set_labels(WorldLabels *to, const EngineLabels *from)
{
    g_strlcpy(to->installation, from->installation ? from->installation : "", 64);
    g_strlcpy(to->workspace, from->workspace ? from->workspace : "", 64);
    g_strlcpy(to->kind, from->kind ? from->kind : "", 32);
    to->generation = from->generation;
}

static inline void world_get_labels(EngineLabels *to, const WorldLabels *from)
{
    *to = (EngineLabels){
        .installation = *from->installation ? g_strdup(from->installation) : NULL,
        .workspace = *from->workspace ? g_strdup(from->workspace) : NULL,
        .kind = *from->kind ? g_strdup(from->kind) : NULL,
        .generation = from->generation,
    };
}

static inline WorldContainer *world_find(World *world, const char *ref)
{
    for (guint i = 0; i < WORLD_CONTAINERS; i++) {
        WorldContainer *container = &world->containers[i];

        if (container->exists &&
            (strcmp(container->id, ref) == 0 || strcmp(container->name, ref) == 0))
            return container;
    }
    return NULL;
}

static inline WorldVolume *world_find_volume(World *world, const char *name)
{
    for (guint i = 0; i < WORLD_VOLUMES; i++)
        if (world->volumes[i].exists && strcmp(world->volumes[i].name, name) == 0)
            return &world->volumes[i];
    return NULL;
}

static inline WorldVolume *world_add_volume(World *world, const char *name)
{
    for (guint i = 0; i < WORLD_VOLUMES; i++)
        if (!world->volumes[i].exists) {
            world->volumes[i] = (WorldVolume){.exists = TRUE};
            g_strlcpy(world->volumes[i].name, name, sizeof world->volumes[i].name);
            return &world->volumes[i];
        }
    g_assert_not_reached();
}

static inline WorldContainer *world_add_container(World *world, const char *name)
{
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        if (!world->containers[i].exists) {
            WorldContainer *container = &world->containers[i];

            *container = (WorldContainer){.exists = TRUE, .created_at_us = clock_now_us()};
            g_snprintf(container->id, sizeof container->id, "c%u", ++world->next_id);
            g_strlcpy(container->name, name, sizeof container->name);
            return container;
        }
    g_assert_not_reached();
}

static inline void world_tell(World *world, EngineEventType type, const WorldContainer *container)
{
    WorldEvent *event = &world->events[world->event_count % WORLD_EVENTS];

    *event =
        (WorldEvent){.type = type, .labels = container->labels, .exit_code = container->exit_code};
    g_strlcpy(event->container_id, container->id, sizeof event->container_id);
    world->event_count++;
}

static inline void world_end_locked(World *world, WorldContainer *container, gint64 exit_code)
{
    container->state = CONTAINER_EXITED;
    container->exit_code = exit_code;
    container->finished_at_us = clock_now_us();
    world_tell(world, ENGINE_EVENT_DIE, container);
}

/* What is asked of the table from outside. */
static inline guint world_read(World *world, const guint *figure)
{
    guint value = 0;

    world_lock(world);
    value = *figure;
    world_unlock(world);
    return value;
}

static inline void world_write(World *world, gboolean *flag, gboolean value)
{
    world_lock(world);
    *flag = value;
    world_unlock(world);
}

/* -1: there is none. */
static inline int world_state(World *world, const char *ref)
{
    const WorldContainer *container = NULL;
    int state = -1;

    world_lock(world);
    container = world_find(world, ref);
    if (container)
        state = (int)container->state;
    world_unlock(world);
    return state;
}

static inline gboolean world_has_volume(World *world, const char *name)
{
    gboolean has = FALSE;

    world_lock(world);
    has = world_find_volume(world, name) != NULL;
    world_unlock(world);
    return has;
}

/* Its program ends by itself. */
static inline void world_kill(World *world, const char *ref)
{
    WorldContainer *container = NULL;

    world_lock(world);
    container = world_find(world, ref);
    g_assert_nonnull(container);
    world_end_locked(world, container, 1);
    world_unlock(world);
}

static inline ContainerInfo *world_info(const WorldContainer *from, gboolean with_address)
{
    ContainerInfo *info = g_new0(ContainerInfo, 1);

    info->id = g_strdup(from->id);
    info->name = g_strdup(from->name);
    info->image = g_strdup(from->image);
    info->user = with_address ? g_strdup("") : NULL;
    info->state = from->state;
    info->ever_started = from->ever_started;
    info->exit_code = from->exit_code;
    info->created_at_us = from->created_at_us;
    info->started_at_us = from->started_at_us;
    info->finished_at_us = from->finished_at_us;
    if (with_address && from->state == CONTAINER_RUNNING)
        info->address = g_strdup_printf("127.0.0.1:%u", from->port);
    info->health = from->health;
    if (with_address && from->health == HEALTH_UNHEALTHY)
        info->probe_output = g_strdup("refused: sk-0123456789abcdefghij");
    world_get_labels(&info->labels, &from->labels);
    return info;
}

/* ---- The operations ---- */

static inline gboolean world_ping(Engine *self, GError **error)
{
    if (!world_enter(world_of(self), FALSE, error))
        return FALSE;
    world_unlock(world_of(self));
    return TRUE;
}

static inline gboolean world_engine_info(Engine *self, EngineInfo **info, GError **error)
{
    World *world = world_of(self);

    if (!world_enter(world, FALSE, error))
        return FALSE;
    *info = g_new0(EngineInfo, 1);
    (*info)->id = g_strdup(world->daemon_id);
    (*info)->name = g_strdup("World");
    (*info)->cpus = 2;
    (*info)->memory_bytes = G_GINT64_CONSTANT(8) << 30;
    (*info)->limits_memory = (*info)->limits_cpu = (*info)->limits_pids = TRUE;
    world_unlock(world);
    return TRUE;
}

/* Everybody's without an installation. */
static inline gboolean world_lists(const WorldLabels *labels, const char *installation)
{
    return !installation || strcmp(labels->installation, installation) == 0;
}

static inline gboolean world_list(Engine *self, const char *installation, GPtrArray **containers,
                                  GError **error)
{
    World *world = world_of(self);

    if (!world_enter(world, FALSE, error))
        return FALSE;
    *containers = g_ptr_array_new_with_free_func((GDestroyNotify)container_info_free);
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        if (world->containers[i].exists && world_lists(&world->containers[i].labels, installation))
            g_ptr_array_add(*containers, world_info(&world->containers[i], FALSE));
    world_unlock(world);
    return TRUE;
}

static inline gboolean world_inspect(Engine *self, const char *ref, ContainerInfo **info,
                                     GError **error)
{
    World *world = world_of(self);
    const WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (!container)
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such container");
    *info = world_info(container, TRUE);
    if (world_leave(world, error))
        return TRUE;
    g_clear_pointer(info, container_info_free);
    return FALSE;
}

static inline gboolean world_has_image(World *world, const char *image)
{
    if (g_str_has_prefix(image, "base:"))
        return TRUE;
    for (guint i = 0; i < world->pulled_count; i++)
        if (strcmp(world->pulled[i], image) == 0)
            return TRUE;
    return FALSE;
}

static inline gboolean world_create(Engine *self, const ContainerSpec *spec, char **id,
                                    GError **error)
{
    World *world = world_of(self);
    WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    world->tries++;
    if (world_find(world, spec->name))
        return world_refuse(world, error, ERROR_CONFLICT, "the name is taken");
    if (!world_has_image(world, spec->image))
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such image");
    g_assert_true(world->has_network || spec->host_network);
    container = world_add_container(world, spec->name);
    world->creates++;
    g_strlcpy(container->image, spec->image, sizeof container->image);
    container->has_agent = world->base_has_agent && g_str_has_prefix(spec->image, "base:");
    if (spec->entrypoint)
        g_strlcpy(container->entrypoint, spec->entrypoint[0], sizeof container->entrypoint);
    world_set_labels(&container->labels, &spec->labels);
    for (guint i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].type == ENGINE_MOUNT_VOLUME) {
            g_assert_nonnull(world_find_volume(world, spec->mounts[i].source));
            g_strlcpy(container->volumes[container->volume_count++], spec->mounts[i].source, 96);
        }
    for (const char *const *entry = spec->environment; *entry; entry++) {
        g_strlcat(container->environment, *entry, sizeof container->environment);
        g_strlcat(container->environment, "\n", sizeof container->environment);
    }
    *id = g_strdup(container->id);
    if (world_leave(world, error))
        return TRUE;
    g_clear_pointer(id, g_free);
    return FALSE;
}

static inline void world_busy(World *world, guint *now, guint *most, int step)
{
    guint slow_us = 0;

    world_lock(world);
    *now += (guint)step;
    *most = MAX(*most, *now);
    slow_us = step > 0 ? world->slow_us : 0;
    world_unlock(world);
    if (slow_us)
        g_usleep(slow_us);
}

static inline gboolean world_start_now(World *world, const char *ref, GError **error)
{
    WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (!container)
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such container");
    if (container->state != CONTAINER_RUNNING) {
        container->state = CONTAINER_RUNNING;
        container->ever_started = TRUE;
        container->started_at_us = clock_now_us();
        container->port = (guint16)(30000 + ++world->starts);
        world_tell(world, ENGINE_EVENT_START, container);
        if (world->dies_at_start)
            world_end_locked(world, container, 3);
    }
    return world_leave(world, error);
}

static inline gboolean world_start(Engine *self, const char *ref, GError **error)
{
    World *world = world_of(self);
    gboolean done = FALSE;

    world_busy(world, &world->starting, &world->most_starting, 1);
    world_lock(world);
    world->tries++;
    world_unlock(world);
    done = world_start_now(world, ref, error);
    world_busy(world, &world->starting, &world->most_starting, -1);
    return done;
}

static inline gboolean world_stop_now(World *world, const char *ref, GError **error)
{
    WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (container && container->state != CONTAINER_CREATED && container->state != CONTAINER_EXITED)
        world_end_locked(world, container, 143);
    return world_leave(world, error);
}

/* `from` -> `to`; already so is success. */
static inline gboolean world_halt(World *world, const char *ref, ContainerState from,
                                  ContainerState to, GError **error)
{
    WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (!container)
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such container");
    if (container->state != from && container->state != to)
        return world_refuse(world, error, ERROR_CONFLICT, "it does not run");
    container->state = to;
    return world_leave(world, error);
}

static inline gboolean world_freeze(Engine *self, const char *ref, GError **error)
{
    return world_halt(world_of(self), ref, CONTAINER_RUNNING, CONTAINER_PAUSED, error);
}

static inline gboolean world_thaw(Engine *self, const char *ref, GError **error)
{
    return world_halt(world_of(self), ref, CONTAINER_PAUSED, CONTAINER_RUNNING, error);
}

static inline gboolean world_stop(Engine *self, const char *ref, guint grace_seconds,
                                  GError **error)
{
    World *world = world_of(self);
    gboolean done = FALSE;

    (void)grace_seconds;
    world_busy(world, &world->stopping, &world->most_stopping, 1);
    done = world_stop_now(world, ref, error);
    world_busy(world, &world->stopping, &world->most_stopping, -1);
    return done;
}

static inline gboolean world_remove(Engine *self, const char *ref, GError **error)
{
    World *world = world_of(self);
    WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (container) {
        if (container->state == CONTAINER_RUNNING)
            world_end_locked(world, container, 137);
        world_tell(world, ENGINE_EVENT_DESTROY, container);
        container->exists = FALSE;
    }
    return world_leave(world, error);
}

static inline gboolean world_volume_create(Engine *self, const char *name,
                                           const EngineLabels *labels, EngineLabels *existing,
                                           GError **error)
{
    World *world = world_of(self);
    WorldVolume *volume = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    volume = world_find_volume(world, name);
    if (!volume) {
        volume = world_add_volume(world, name);
        world_set_labels(&volume->labels, labels);
    }
    world_get_labels(existing, &volume->labels);
    if (world_leave(world, error))
        return TRUE;
    engine_labels_clear(existing);
    return FALSE;
}

static inline gboolean world_volume_list(Engine *self, const char *installation,
                                         GPtrArray **volumes, GError **error)
{
    World *world = world_of(self);

    if (!world_enter(world, TRUE, error))
        return FALSE;
    *volumes = g_ptr_array_new_with_free_func((GDestroyNotify)volume_info_free);
    for (guint i = 0; i < WORLD_VOLUMES; i++)
        if (world->volumes[i].exists && world_lists(&world->volumes[i].labels, installation)) {
            VolumeInfo *info = g_new0(VolumeInfo, 1);

            info->name = g_strdup(world->volumes[i].name);
            world_get_labels(&info->labels, &world->volumes[i].labels);
            g_ptr_array_add(*volumes, info);
        }
    if (world_leave(world, error))
        return TRUE;
    g_clear_pointer(volumes, g_ptr_array_unref);
    return FALSE;
}

static inline gboolean world_is_in_use(World *world, const char *name)
{
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        for (guint j = 0; world->containers[i].exists && j < world->containers[i].volume_count; j++)
            if (strcmp(world->containers[i].volumes[j], name) == 0)
                return TRUE;
    return FALSE;
}

static inline gboolean world_volume_remove(Engine *self, const char *name, GError **error)
{
    World *world = world_of(self);
    WorldVolume *volume = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    if (world_is_in_use(world, name))
        return world_refuse(world, error, ERROR_CONFLICT, "the volume is in use");
    volume = world_find_volume(world, name);
    if (volume)
        volume->exists = FALSE;
    return world_leave(world, error);
}

static inline gboolean world_network_ensure(Engine *self, const char *name,
                                            const EngineLabels *labels, GError **error)
{
    World *world = world_of(self);

    (void)name;
    (void)labels;
    if (!world_enter(world, TRUE, error))
        return FALSE;
    world->has_network = TRUE;
    return world_leave(world, error);
}

static inline gboolean world_exec(Engine *self, const char *ref, const ExecSpec *spec,
                                  ExecResult **result, GError **error)
{
    (void)self, (void)ref, (void)spec, (void)result;
    return error_set(error, ERROR_INTERNAL, "not in this world");
}

static inline gboolean world_attach(Engine *self, const char *ref, const AttachSpec *spec,
                                    EngineSession **session, GError **error)
{
    (void)self, (void)ref, (void)spec, (void)session;
    return error_set(error, ERROR_INTERNAL, "not in this world");
}

static inline int world_session_fd(EngineSession *session)
{
    (void)session;
    return -1;
}

static inline gboolean world_session_resize(EngineSession *session, guint16 columns, guint16 rows,
                                            GError **error)
{
    (void)session, (void)columns, (void)rows;
    return error_set(error, ERROR_INTERNAL, "not in this world");
}

static inline void world_session_free(EngineSession *session)
{
    (void)session;
}

/* ---- Files ---- */

static inline WorldFile *world_file(WorldVolume *volume, const char *path)
{
    for (guint i = 0; i < volume->file_count; i++)
        if (strcmp(volume->files[i].path, path) == 0)
            return &volume->files[i];
    return NULL;
}

static inline void world_put_file(WorldVolume *volume, const char *path, const char *content,
                                  guint size, guint owner)
{
    WorldFile *file = world_file(volume, path);

    if (!file) {
        g_assert_cmpuint(volume->file_count, <, WORLD_FILES);
        file = &volume->files[volume->file_count++];
        g_strlcpy(file->path, path, sizeof file->path);
    }
    g_assert_cmpuint(size, <, sizeof file->content);
    memset(file->content, 0, sizeof file->content);
    memcpy(file->content, content, size);
    file->size = size;
    file->owner = owner;
}

static inline void world_unpack(World *world, WorldContainer *container, const char *path,
                                GBytes *tar)
{
    struct archive *in = archive_read_new();
    struct archive_entry *entry = NULL;
    WorldVolume *configs = world_find_volume(world, container->volumes[0]);

    archive_read_support_format_tar(in);
    g_assert_cmpint(
        archive_read_open_memory(in, g_bytes_get_data(tar, NULL), g_bytes_get_size(tar)), ==,
        ARCHIVE_OK);
    while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        char content[1024];
        la_ssize_t size = 0;

        if (archive_entry_filetype(entry) != AE_IFREG)
            continue;
        size = archive_read_data(in, content, sizeof content);
        g_assert_cmpint(size, >=, 0);
        if (g_str_has_suffix(name, "workspaced/agent")) {
            container->has_agent = TRUE;
            world->agent_uploads++;
        } else if (strcmp(path, "/configs") == 0) {
            world_put_file(configs, name, content, (guint)size, (guint)archive_entry_uid(entry));
        }
    }
    archive_read_free(in);
}

static inline gboolean world_copy_in(Engine *self, const char *ref, const char *path, GBytes *tar,
                                     GError **error)
{
    World *world = world_of(self);
    WorldContainer *container = NULL;

    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (!container)
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such container");
    world_unpack(world, container, path, tar);
    return world_leave(world, error);
}

static inline la_ssize_t world_append(struct archive *out, void *data, const void *bytes,
                                      size_t size)
{
    (void)out;
    g_byte_array_append(data, bytes, (guint)size);
    return (la_ssize_t)size;
}

static inline GBytes *world_pack(const WorldFile *file)
{
    GByteArray *bytes = g_byte_array_new();
    struct archive *out = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    g_autofree char *name = g_path_get_basename(file->path);

    archive_write_set_format_ustar(out);
    archive_write_open(out, bytes, NULL, world_append, NULL);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, file->size);
    archive_write_header(out, entry);
    archive_write_data(out, file->content, file->size);
    archive_entry_free(entry);
    archive_write_close(out);
    archive_write_free(out);
    return g_byte_array_free_to_bytes(bytes);
}

static inline gboolean world_copy_out(Engine *self, const char *ref, const char *path,
                                      gsize max_bytes, GBytes **tar, GError **error)
{
    World *world = world_of(self);
    WorldContainer *container = NULL;
    WorldFile *file = NULL;

    (void)max_bytes;
    if (!world_enter(world, TRUE, error))
        return FALSE;
    container = world_find(world, ref);
    if (container && g_str_has_prefix(path, "/configs/"))
        file =
            world_file(world_find_volume(world, container->volumes[0]), path + strlen("/configs/"));
    if (!file)
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such file");
    *tar = world_pack(file);
    if (world_leave(world, error))
        return TRUE;
    g_clear_pointer(tar, g_bytes_unref);
    return FALSE;
}

static inline gboolean world_logs(Engine *self, const char *ref, guint lines, gsize max_bytes,
                                  GBytes **text, GError **error)
{
    World *world = world_of(self);

    (void)lines, (void)max_bytes;
    if (!world_enter(world, TRUE, error))
        return FALSE;
    if (!world_find(world, ref))
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such container");
    *text = g_bytes_new("first\nlast words\n", 17);
    if (world_leave(world, error))
        return TRUE;
    g_clear_pointer(text, g_bytes_unref);
    return FALSE;
}

static inline gboolean world_logs_follow(Engine *self, const char *ref, guint lines, Cancel *cancel,
                                         EngineBytesFunction function, void *data, GError **error)
{
    g_autoptr(GBytes) text = NULL;

    (void)cancel;
    if (!world_logs(self, ref, lines, G_MAXSIZE, &text, error))
        return FALSE;
    function(g_bytes_get_data(text, NULL), g_bytes_get_size(text), data);
    return TRUE;
}

static inline gboolean world_stats(Engine *self, const char *ref, EngineStats *stats,
                                   GError **error)
{
    (void)self, (void)ref, (void)stats;
    return error_set(error, ERROR_INTERNAL, "not in this world");
}

/* ---- Events and images ---- */

/* Gives the next one; FALSE: none yet, or the engine is down. */
static inline gboolean world_next_event(World *world, guint *seen, WorldEvent *event,
                                        gboolean *is_down)
{
    gboolean has = FALSE;

    world_lock(world);
    *is_down = world->is_down;
    has = !world->is_down && *seen < world->event_count;
    if (has)
        *event = world->events[(*seen)++ % WORLD_EVENTS];
    world_unlock(world);
    return has;
}

static inline gboolean world_events(Engine *self, const char *installation, gint64 since_us,
                                    Cancel *cancel, EngineEventFunction function, void *data,
                                    GError **error)
{
    World *world = world_of(self);
    EngineEvent connected = {.type = ENGINE_EVENT_CONNECTED, .container_id = ""};
    gboolean is_down = FALSE;
    guint seen = 0;

    (void)since_us;
    if (!world_enter(world, FALSE, error))
        return FALSE;
    seen = world->event_count;
    world_unlock(world);
    function(&connected, data);
    while (!cancel_fired(cancel) && !is_down) {
        WorldEvent event;
        EngineEvent out = {0};

        if (!world_next_event(world, &seen, &event, &is_down)) {
            g_usleep(2000);
            continue;
        }
        if (strcmp(event.labels.installation, installation) != 0)
            continue;
        out.type = event.type;
        out.container_id = event.container_id;
        out.exit_code = event.exit_code;
        out.time_us = clock_now_us();
        world_get_labels(&out.labels, &event.labels);
        function(&out, data);
        engine_labels_clear(&out.labels);
    }
    return !is_down || error_set(error, ERROR_UNAVAILABLE, "the stream broke off");
}

static inline gboolean world_image_inspect(Engine *self, const char *image, char **digest,
                                           GError **error)
{
    World *world = world_of(self);

    if (!world_enter(world, TRUE, error))
        return FALSE;
    if (!world_has_image(world, image))
        return world_refuse(world, error, ERROR_NOT_FOUND, "no such image");
    if (!world_leave(world, error))
        return FALSE;
    if (digest)
        *digest = g_strconcat("sha256:", image, NULL);
    return TRUE;
}

static inline gboolean world_image_import(Engine *self, const char *image, GBytes *tar,
                                          GError **error)
{
    (void)self, (void)image, (void)tar;
    return error_set(error, ERROR_INTERNAL, "not in this world");
}

static inline gboolean world_image_pull(Engine *self, const char *image,
                                        EngineBytesFunction progress, void *data, Cancel *cancel,
                                        GError **error)
{
    World *world = world_of(self);
    gboolean hangs = FALSE;

    (void)progress, (void)data;
    if (!world_enter(world, TRUE, error))
        return FALSE;
    world->pulls++;
    hangs = world->pull_hangs;
    if (!world->pulls_work && !hangs)
        return world_refuse(world, error, ERROR_NOT_FOUND, "no registry has it");
    if (!hangs)
        g_strlcpy(world->pulled[world->pulled_count++], image, 64);
    if (!world_leave(world, error))
        return FALSE;
    if (!hangs)
        return TRUE;
    cancel_wait_until(cancel, G_MAXINT64);
    return error_set(error, ERROR_OUTCOME_UNKNOWN, "the pull was ended");
}

static inline void world_engine_free(Engine *self)
{
    g_free(self);
}

static inline Engine *world_engine_new(World *world)
{
    static const EngineOps ops = {
        .name = "world",
        .ping = world_ping,
        .info = world_engine_info,
        .list = world_list,
        .inspect = world_inspect,
        .create = world_create,
        .start = world_start,
        .stop = world_stop,
        .remove = world_remove,
        .freeze = world_freeze,
        .thaw = world_thaw,
        .volume_create = world_volume_create,
        .volume_list = world_volume_list,
        .volume_remove = world_volume_remove,
        .network_ensure = world_network_ensure,
        .exec = world_exec,
        .attach = world_attach,
        .session_fd = world_session_fd,
        .session_resize = world_session_resize,
        .session_free = world_session_free,
        .copy_in = world_copy_in,
        .copy_out = world_copy_out,
        .logs = world_logs,
        .logs_follow = world_logs_follow,
        .stats = world_stats,
        .events = world_events,
        .image_inspect = world_image_inspect,
        .image_import = world_image_import,
        .image_pull = world_image_pull,
        .free = world_engine_free,
    };
    WorldEngine *engine = g_new0(WorldEngine, 1);

    engine->world = world;
    engine_init(&engine->base, &ops);
    return &engine->base;
}
