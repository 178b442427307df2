#include "http/router.h"

#include <string.h>

/* A node is a place in a path: after "", "/workspaces", "/workspaces/:id" … Children are literals
 * (by binary search), one parameter, one rest. Lookup goes back from a literal to the parameter
 * when the literal leads nowhere. */

typedef struct _RouterNode RouterNode;

typedef struct {
    const char *method;
    guint index;
    gboolean head;
} RouterLeaf;

typedef struct {
    const char *text;
    gsize length;
    RouterNode *node;
} RouterEdge;

struct _RouterNode {
    GArray *edges; /* RouterEdge, sorted once the tree is complete */
    RouterNode *parameter, *rest;
    GArray *leaves; /* RouterLeaf: the methods of a path that ends here */
};

typedef struct {
    const char *parameters[ROUTER_PARAMETERS_MAX]; /* names in order */
} RowNames;

struct _Router {
    RouterNode *root;
    RowNames *names; /* one a row */
    guint count;
};

/* ---- Building ---- */

static RouterNode *node_new(void)
{
    RouterNode *node = g_new0(RouterNode, 1);

    node->edges = g_array_new(FALSE, FALSE, sizeof(RouterEdge));
    node->leaves = g_array_new(FALSE, FALSE, sizeof(RouterLeaf));
    return node;
}

static void node_free(RouterNode *node)
{
    if (!node)
        return;
    for (guint i = 0; i < node->edges->len; i++)
        node_free(g_array_index(node->edges, RouterEdge, i).node);
    node_free(node->parameter);
    node_free(node->rest);
    g_array_unref(node->edges);
    g_array_unref(node->leaves);
    g_free(node);
}

static int edge_compare(const char *text, gsize length, const RouterEdge *edge)
{
    int order = memcmp(text, edge->text, MIN(length, edge->length));

    return order != 0 ? order : (length > edge->length) - (length < edge->length);
}

/* The child for a literal; its place in the sorted list when there is none. */
static RouterNode *find_literal(const RouterNode *node, const char *text, gsize length,
                                guint *place)
{
    guint low = 0, high = node->edges->len;

    while (low < high) {
        guint middle = (low + high) / 2;
        const RouterEdge *edge = &g_array_index(node->edges, RouterEdge, middle);
        int order = edge_compare(text, length, edge);
        if (order == 0)
            return edge->node;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (place)
        *place = low;
    return NULL;
}

static RouterNode *literal_child(RouterNode *node, const char *text, gsize length)
{
    guint place = 0;
    RouterNode *child = find_literal(node, text, length, &place);
    RouterEdge edge;

    if (child)
        return child;
    edge = (RouterEdge){text, length, node_new()};
    g_array_insert_val(node->edges, place, edge);
    return edge.node;
}

static void add_name(Router *router, guint row, const char *path, guint at, const char *name)
{
    g_autofree char *text = g_strndup(name, strcspn(name, "/"));

    if (at >= ROUTER_PARAMETERS_MAX || !*text)
        g_error("route %s: at most %d parameters, each with a name", path, ROUTER_PARAMETERS_MAX);
    router->names[row].parameters[at] =
        g_intern_string(text); /* tables are few and live for ever */
}

static void add_leaf(RouterNode *node, const RouterRow *row, guint index)
{
    RouterLeaf leaf = {row->method, index, row->head};

    for (guint i = 0; i < node->leaves->len; i++)
        if (strcmp(g_array_index(node->leaves, RouterLeaf, i).method, row->method) == 0)
            g_error("route %s %s stands twice in the table", row->method, row->path);
    g_array_append_val(node->leaves, leaf);
}

/* "/a/:b" is walked as the segments "a", ":b"; "/a/" as "a", "". */
static void add_row(Router *router, const RouterRow *row, guint index)
{
    RouterNode *node = router->root;
    const char *rest = row->path;
    guint parameters = 0;

    if (*rest != '/')
        g_error("route %s does not begin with a slash", row->path);
    while (*rest == '/') {
        const char *segment = rest + 1;
        gsize length = strcspn(segment, "/");
        RouterNode **child = *segment == '*' ? &node->rest : &node->parameter;
        rest = segment + length;
        if (*segment != ':' && *segment != '*') {
            node = literal_child(node, segment, length);
            continue;
        }
        if (*segment == '*' && *rest)
            g_error("route %s: only the last segment may take the rest", row->path);
        add_name(router, index, row->path, parameters++, segment + 1);
        *child = *child ? *child : node_new();
        node = *child;
    }
    add_leaf(node, row, index);
}

Router *router_new(const RouterRow *rows, guint count)
{
    Router *router = g_new0(Router, 1);

    router->root = node_new();
    router->names = g_new0(RowNames, count);
    router->count = count;
    for (guint i = 0; i < count; i++)
        add_row(router, &rows[i], i);
    return router;
}

void router_free(Router *router)
{
    if (!router)
        return;
    node_free(router->root);
    g_free(router->names);
    g_free(router);
}

/* ---- Looking up ---- */

static const RouterLeaf *find_leaf(const RouterNode *node, const char *method)
{
    const RouterLeaf *head = NULL;
    gboolean is_head = strcmp(method, "HEAD") == 0;

    for (guint i = 0; i < node->leaves->len; i++) {
        const RouterLeaf *leaf = &g_array_index(node->leaves, RouterLeaf, i);
        if (strcmp(leaf->method, method) == 0)
            return leaf;
        if (is_head && leaf->head && strcmp(leaf->method, "GET") == 0)
            head = leaf;
    }
    return head;
}

static void allow_method(RouterMatch *match, const char *method)
{
    gsize length = strlen(match->allow);

    /* One method may be reached by a literal and by a parameter. */
    for (const char *at = match->allow; (at = strstr(at, method)); at += strlen(method)) {
        char after = at[strlen(method)];
        if ((at == match->allow || at[-1] == ' ') && (after == ',' || after == '\0'))
            return;
    }
    g_snprintf(match->allow + length, sizeof match->allow - length, "%s%s", length ? ", " : "",
               method);
}

/* The path ends here: TRUE when it has the method, else its methods are remembered. */
static gboolean end_at(const RouterNode *node, const char *method, RouterMatch *match)
{
    const RouterLeaf *leaf = find_leaf(node, method);

    if (leaf) {
        match->outcome = ROUTER_FOUND;
        match->index = leaf->index;
        return TRUE;
    }
    if (node->leaves->len > 0)
        match->outcome = ROUTER_WRONG_METHOD;
    for (guint i = 0; i < node->leaves->len; i++) {
        leaf = &g_array_index(node->leaves, RouterLeaf, i);
        allow_method(match, leaf->method);
        if (leaf->head)
            allow_method(match, "HEAD");
    }
    return FALSE;
}

/* `path` begins with the slash in front of the next segment, or is at its end. Depth is that of the
 * table, so the recursion is bounded. */
static gboolean walk(const RouterNode *node, const char *method, const char *path, guint taken,
                     RouterMatch *match)
{
    const char *segment, *rest;
    const RouterNode *literal;

    if (!*path) {
        match->parameter_count = taken;
        return end_at(node, method, match);
    }
    segment = path + 1;
    rest = segment + strcspn(segment, "/");
    literal = find_literal(node, segment, (gsize)(rest - segment), NULL);
    if (literal && walk(literal, method, rest, taken, match))
        return TRUE;
    if (node->parameter && rest > segment) {
        match->parameters[taken] = (RouterParameter){NULL, segment, (gsize)(rest - segment)};
        if (walk(node->parameter, method, rest, taken + 1, match))
            return TRUE;
    }
    if (!node->rest)
        return FALSE;
    match->parameters[taken] = (RouterParameter){NULL, path, strlen(path)};
    match->parameter_count = taken + 1;
    return end_at(node->rest, method, match);
}

void router_match(const Router *router, const char *method, const char *path, RouterMatch *match)
{
    match->outcome = ROUTER_NO_ROUTE;
    match->index = 0;
    match->parameter_count = 0;
    match->allow[0] = '\0';
    if (*path != '/' || !walk(router->root, method, path, 0, match)) {
        match->parameter_count = 0;
        return;
    }
    match->allow[0] = '\0';
    for (guint i = 0; i < match->parameter_count; i++)
        match->parameters[i].name = router->names[match->index].parameters[i];
}
