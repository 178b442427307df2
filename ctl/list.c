/* `list`: the organisation chart as a tree. */
#include "commands.h"
#include "terminal.h"
#include "workspaces.h"

#include <string.h>

#define DEPTH_MAX    64 /* drawn; a deeper one (or a circle) is shown at this depth */
#define ID_SHOWN     8  /* enough to name one */
#define NAME_COLUMNS 48
#define ROLE_COLUMNS 32

const Option list_options[] = {
    {.name = "names", .help = "print the names only, one a line"},
    {.name = "ids", .letter = 'q', .help = "print the whole ids only, one a line"},
    {0},
};

typedef struct {
    const Workspace *workspace;
    char *cells[6];
} Row;

static const char *const headings[] = {"ID", "NAME", "STATUS", "ROLE", "RUNTIME", "URL"};
G_STATIC_ASSERT(G_N_ELEMENTS(headings) == G_N_ELEMENTS(((Row *)0)->cells));

static void row_free(Row *row)
{
    for (guint i = 0; i < G_N_ELEMENTS(row->cells); i++)
        g_free(row->cells[i]);
    g_free(row);
}

typedef struct {
    const GPtrArray *workspaces;
    GHashTable *children; /* parent id -> GPtrArray of Workspace; "" -> roots */
    GHashTable *drawn;    /* set of Workspace: a circle of parents must not be drawn for ever */
    GPtrArray *rows;
} Tree;

/* "failed: out_of_memory" */
static char *status_dup(const Workspace *workspace)
{
    g_autofree char *text = *workspace->reason
                                ? g_strconcat(workspace->status, ": ", workspace->reason, NULL)
                                : g_strdup(workspace->status);

    return terminal_cell_dup(text, 0);
}

static void add_row(Tree *tree, const Workspace *workspace, const char *branch)
{
    Row *row = g_new0(Row, 1);
    g_autofree char *name = terminal_cell_dup(workspace->name, NAME_COLUMNS);

    row->workspace = workspace;
    row->cells[0] = g_strndup(workspace->id, ID_SHOWN);
    row->cells[1] = g_strconcat(branch, name, NULL);
    row->cells[2] = status_dup(workspace);
    row->cells[3] = terminal_cell_dup(workspace->role, ROLE_COLUMNS);
    row->cells[4] = terminal_cell_dup(workspace->runtime, 0);
    row->cells[5] = terminal_cell_dup(workspace->url, 0);
    g_ptr_array_add(tree->rows, row);
}

static void add_level(Tree *tree, const char *parent_id, const char *indent, guint depth);

static void add_node(Tree *tree, const Workspace *workspace, const char *indent, guint depth,
                     gboolean is_last)
{
    static const char *const branches[2][2] = {{"|- ", "`- "}, {"├─ ", "└─ "}};
    static const char *const trunks[2] = {"|  ", "│  "};
    gboolean is_utf8 = terminal_is_utf8();
    gboolean is_indented = depth > 0 && depth < DEPTH_MAX;

    if (!g_hash_table_add(tree->drawn, (void *)workspace))
        return;
    g_autofree char *branch =
        g_strconcat(indent, is_indented ? branches[is_utf8][is_last] : "", NULL);
    g_autofree char *below = g_strconcat(indent,
                                         !is_indented ? ""
                                         : is_last    ? "   "
                                                      : trunks[is_utf8],
                                         NULL);
    add_row(tree, workspace, branch);
    add_level(tree, workspace->id, below, depth + 1);
}

static void add_level(Tree *tree, const char *parent_id, const char *indent, guint depth)
{
    const GPtrArray *nodes = g_hash_table_lookup(tree->children, parent_id);

    for (guint i = 0; nodes && i < nodes->len; i++)
        add_node(tree, nodes->pdata[i], indent, depth, i + 1 == nodes->len);
}

static void group_by_parent(Tree *tree)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < tree->workspaces->len; i++)
        g_hash_table_add(ids, ((const Workspace *)tree->workspaces->pdata[i])->id);
    for (guint i = 0; i < tree->workspaces->len; i++) {
        Workspace *workspace = tree->workspaces->pdata[i];
        /* Whose parent is not listed stands at the top. */
        const char *parent =
            g_hash_table_contains(ids, workspace->parent_id) ? workspace->parent_id : "";
        GPtrArray *siblings = g_hash_table_lookup(tree->children, parent);
        if (!siblings) {
            siblings = g_ptr_array_new();
            g_hash_table_insert(tree->children, (void *)parent, siblings);
        }
        g_ptr_array_add(siblings, workspace);
    }
}

/* The rows in the order of the tree. Caller owns the array. */
static GPtrArray *rows_new(const GPtrArray *workspaces)
{
    Tree tree = {
        .workspaces = workspaces,
        .children =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref),
        .drawn = g_hash_table_new(NULL, NULL),
        .rows = g_ptr_array_new_with_free_func((GDestroyNotify)row_free),
    };

    group_by_parent(&tree);
    add_level(&tree, "", "", 0);
    for (guint i = 0; i < workspaces->len; i++) /* those in a circle, which no root leads to */
        add_node(&tree, workspaces->pdata[i], "", 0, TRUE);
    g_hash_table_unref(tree.children);
    g_hash_table_unref(tree.drawn);
    return tree.rows;
}

static void print_row(const char *const *cells, const guint *widths)
{
    guint last = G_N_ELEMENTS(headings) - 1;

    while (last > 0 && !*cells[last])
        last--;
    for (guint i = 0; i < last; i++)
        terminal_pad(stdout, cells[i], widths[i] + 2);
    printf("%s\n", cells[last]);
}

static void print_table(const GPtrArray *rows)
{
    guint widths[G_N_ELEMENTS(headings)];

    for (guint column = 0; column < G_N_ELEMENTS(widths); column++) {
        widths[column] = terminal_width(headings[column]);
        for (guint i = 0; i < rows->len; i++) {
            const Row *row = rows->pdata[i];
            widths[column] = MAX(widths[column], terminal_width(row->cells[column]));
        }
    }
    print_row(headings, widths);
    for (guint i = 0; i < rows->len; i++)
        print_row((const char *const *)((const Row *)rows->pdata[i])->cells, widths);
}

static void print_one_field(const GPtrArray *rows, gboolean wants_names)
{
    for (guint i = 0; i < rows->len; i++) {
        const Workspace *workspace = ((const Row *)rows->pdata[i])->workspace;
        g_autofree char *name = terminal_cell_dup(workspace->name, 0);
        printf("%s\n", wants_names ? name : workspace->id);
    }
}

gboolean list_run(Session *session, GError **error)
{
    g_auto(ApiAnswer) answer = {0};
    g_autoptr(GPtrArray) workspaces = workspaces_load(session->api, &answer, error);
    gboolean wants_names = arguments_has(session->arguments, "names");

    if (!workspaces)
        return FALSE;
    if (session->wants_json) {
        printf("%s\n", answer.body->str);
        return TRUE;
    }
    g_autoptr(GPtrArray) rows = rows_new(workspaces);
    if (wants_names || arguments_has(session->arguments, "ids"))
        print_one_field(rows, wants_names);
    else if (rows->len == 0)
        fputs("There are no workspaces yet. 'workspacectl create NAME' makes one.\n", stderr);
    else
        print_table(rows);
    return TRUE;
}
