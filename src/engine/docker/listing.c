#include "engine/docker/listing.h"

#include <string.h>

/* One element: its bytes in the text, and what they mean. */
typedef struct {
    const char *bytes;
    gsize length;
    guint sum;      /* of the bytes; 0: not counted yet */
    gpointer value; /* a reference */
} Entry;

typedef struct {
    GString *text;
    GArray *entries; /* Entry; they point into the text */
} List;

struct _DockerListing {
    const DockerElement *element;
    List last;         /* was read to its end */
    List fresh;        /* is being read; between two lists its text is the spare buffer */
    GHashTable *index; /* Entry of `last`, borrowed; NULL until one does not come in its turn */
    guint turn;        /* the entry of `last` that likely comes next */
    guint news;        /* elements of `fresh` that had to be read */
};

/* ---- Life ---- */

static void list_init(List *list)
{
    list->text = g_string_new(NULL);
    list->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
}

static void list_empty(List *list, GDestroyNotify unref)
{
    for (guint i = 0; i < list->entries->len; i++)
        unref(g_array_index(list->entries, Entry, i).value);
    g_array_set_size(list->entries, 0);
}

static void list_clear(List *list, GDestroyNotify unref)
{
    list_empty(list, unref);
    g_array_unref(list->entries);
    if (list->text)
        g_string_free(list->text, TRUE);
}

DockerListing *docker_listing_new(const DockerElement *element)
{
    DockerListing *listing = g_new0(DockerListing, 1);

    listing->element = element;
    list_init(&listing->last);
    list_init(&listing->fresh);
    return listing;
}

void docker_listing_free(DockerListing *listing)
{
    if (!listing)
        return;
    g_clear_pointer(&listing->index, g_hash_table_unref);
    list_clear(&listing->last, listing->element->unref);
    list_clear(&listing->fresh, listing->element->unref);
    g_free(listing);
}

GString *docker_listing_steal_buffer(DockerListing *listing)
{
    GString *buffer = g_steal_pointer(&listing->fresh.text);

    return buffer ? g_string_truncate(buffer, 0) : g_string_new(NULL);
}

guint docker_listing_news(const DockerListing *listing)
{
    return listing->news;
}

/* ---- Finding what is known ---- */

/* Eight bytes at a time; g_str_hash would be slower than reading the element. */
static guint count_sum(const Entry *entry)
{
    guint64 sum = entry->length;

    for (gsize at = 0; at < entry->length; at += sizeof(guint64)) {
        guint64 word = 0;

        memcpy(&word, entry->bytes + at, MIN(entry->length - at, sizeof word));
        sum = (sum ^ word) * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15);
        sum ^= sum >> 32; /* or the high bits would never count */
    }
    return MAX((guint)sum, 1);
}

static guint entry_hash(gconstpointer key)
{
    return ((const Entry *)key)->sum;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
    const Entry *one = a, *other = b;

    return one->length == other->length && memcmp(one->bytes, other->bytes, one->length) == 0;
}

static void index_last(DockerListing *listing)
{
    listing->index = g_hash_table_new(entry_hash, entry_equal);
    for (guint i = 0; i < listing->last.entries->len; i++) {
        Entry *entry = &g_array_index(listing->last.entries, Entry, i);

        if (!entry->sum)
            entry->sum = count_sum(entry);
        g_hash_table_add(listing->index, entry);
    }
}

/* The one in its turn, compared where it lies: no need to know where the element ends. */
static const Entry *skip_next(DockerListing *listing, JsonPieces *pieces)
{
    const Entry *entry = NULL;

    if (listing->turn >= listing->last.entries->len)
        return NULL;
    entry = &g_array_index(listing->last.entries, Entry, listing->turn);
    return json_pieces_skip(pieces, entry->bytes, entry->length) ? entry : NULL;
}

static const Entry *find(DockerListing *listing, Entry *wanted)
{
    if (listing->last.entries->len == 0)
        return NULL;
    if (!listing->index)
        index_last(listing);
    wanted->sum = count_sum(wanted);
    return g_hash_table_lookup(listing->index, wanted);
}

/* ---- Reading ---- */

/* `fresh` is where it lies now. */
static void keep_known(DockerListing *listing, Entry fresh, const Entry *known)
{
    listing->turn = (guint)(known - (const Entry *)(void *)listing->last.entries->data) + 1;
    fresh.sum = known->sum;
    fresh.value = listing->element->ref(known->value);
    g_array_append_val(listing->fresh.entries, fresh);
}

static gboolean read_new(DockerListing *listing, Entry fresh, JsonView view, GError **error)
{
    if (json_view_kind(view) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INTERNAL, "docker: the list holds more than %s",
                         listing->element->name);
    fresh.value = listing->element->read(view, error);
    if (!fresh.value)
        return FALSE;
    listing->news++;
    g_array_append_val(listing->fresh.entries, fresh);
    return TRUE;
}

/* FALSE without an error: the text is at fault, and `pieces` says where. */
static gboolean read_next(DockerListing *listing, JsonPieces *pieces, GError **error)
{
    const Entry *known = skip_next(listing, pieces);
    JsonView view = {0};
    Entry fresh = {0};

    if (known) {
        fresh = (Entry){.bytes = pieces->place - known->length, .length = known->length};
        keep_known(listing, fresh, known);
        return TRUE;
    }
    if (!json_pieces_value(pieces, &view))
        return FALSE;
    fresh = (Entry){.bytes = view.start, .length = (gsize)(view.end - view.start)};
    known = find(listing, &fresh);
    if (!known)
        return read_new(listing, fresh, view, error);
    keep_known(listing, fresh, known);
    return TRUE;
}

JsonPieces docker_listing_start(DockerListing *listing, GString *text)
{
    if (listing->fresh.text)
        g_string_free(listing->fresh.text, TRUE);
    list_empty(&listing->fresh, listing->element->unref);
    listing->fresh.text = text;
    listing->turn = 0;
    listing->news = 0;
    return json_pieces_start(text->str, text->len);
}

gboolean docker_listing_array(DockerListing *listing, JsonPieces *pieces, GError **error)
{
    if (!json_pieces_enter(pieces, '['))
        return error_set(error, ERROR_INTERNAL, "docker: the list of %s is no list",
                         listing->element->name);
    while (json_pieces_next(pieces, ']'))
        if (!read_next(listing, pieces, error))
            return pieces->fault != NULL; /* docker_listing_end says it */
    return TRUE;
}

static GPtrArray *values_of(const DockerListing *listing, const char *installation)
{
    const DockerElement *element = listing->element;
    const GArray *entries = listing->last.entries;
    GPtrArray *values = g_ptr_array_new_full(entries->len, element->unref);

    for (guint i = 0; i < entries->len; i++) {
        gpointer value = g_array_index(entries, Entry, i).value;

        if (engine_labels_belong(element->labels(value), installation))
            g_ptr_array_add(values, element->ref(value));
    }
    return values;
}

gboolean docker_listing_end(DockerListing *listing, JsonPieces *pieces, const char *installation,
                            GPtrArray **values, GError **error)
{
    g_autoptr(GError) cause = NULL;
    List former = listing->last;

    if (!json_pieces_end(pieces, &cause))
        return error_set(error, ERROR_INTERNAL, "docker: unreadable answer: %s", cause->message);
    g_clear_pointer(&listing->index, g_hash_table_unref);
    listing->last = listing->fresh;
    listing->fresh = former;
    list_empty(&listing->fresh, listing->element->unref);
    *values = values_of(listing, installation);
    return TRUE;
}
