#include "lifecycle/notices.h"

#include "base/clock.h"
#include "base/log.h"

typedef struct {
    const char *type;
    char id[ID_SIZE];
    char *payload;
    gint64 time_us;
} Notice;

static void notice_free(void *data)
{
    Notice *notice = data;

    g_free(notice->payload);
    g_free(notice);
}

void notices_clear(Notices *notices)
{
    g_clear_pointer(&notices->all, g_ptr_array_unref);
}

gboolean notices_add(Notices *notices, const char *type, const char *id, char *payload,
                     GError **error)
{
    Notice *notice = g_new0(Notice, 1);

    if (!notices->all) {
        notices->all = g_ptr_array_new_with_free_func(notice_free);
        notices->time_us = clock_now_us();
    }
    notice->type = type;
    g_strlcpy(notice->id, id, ID_SIZE);
    notice->payload = payload;
    notice->time_us = notices->time_us + notices->all->len;
    g_ptr_array_add(notices->all, notice);
    return event_store(notices->lifecycle->db, type, id, payload, notice->time_us, error);
}

void notices_tell(const Notices *notices)
{
    const Lifecycle *lifecycle = notices->lifecycle;

    for (guint i = 0; notices->all && i < notices->all->len; i++) {
        const Notice *notice = notices->all->pdata[i];

        if (!org_tree_refresh(lifecycle->tree, notice->id, NULL))
            log_warning("a change shows up in memory a little later",
                        LOG_TEXT("workspace", notice->id));
    }
    for (guint i = 0; notices->all && i < notices->all->len; i++) {
        const Notice *notice = notices->all->pdata[i];

        events_announce(lifecycle->events, notice->type, notice->id, notice->payload,
                        notice->time_us);
        reconciler_poke(lifecycle->reconciler, notice->id);
    }
}
