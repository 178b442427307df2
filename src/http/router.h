/* Finds the route of a request in a constant table.
 *
 * A literal segment beats a parameter; `:name` matches one non-empty segment, a last `*name` the
 * rest with its leading slash. Matching is on the decoded path, without folding of case, `//`, `.`
 * or `..`. HEAD matches a GET route whose flag says so. The table is compiled once into a tree; a
 * lookup allocates nothing. Duplicate rows abort at start: a programmer's mistake. Source: spec 03,
 * section 1.3. */
#pragma once

#include <glib.h>

typedef struct _Router Router;

#define ROUTER_PARAMETERS_MAX 4

typedef struct {
    const char *name;  /* borrowed from the table */
    const char *value; /* borrowed from the path; not NUL-terminated */
    gsize length;
} RouterParameter;

typedef enum { ROUTER_FOUND, ROUTER_WRONG_METHOD, ROUTER_NO_ROUTE } RouterOutcome;

typedef struct {
    RouterOutcome outcome;
    guint index; /* row of the table; valid when found */
    RouterParameter parameters[ROUTER_PARAMETERS_MAX];
    guint parameter_count;
    char allow[64]; /* "GET, POST" when the method is wrong */
} RouterMatch;

/* `rows` rows, read through two accessors so that the table's type belongs to its owner. Both texts
 * are borrowed for ever. `head` says whether HEAD is answered like GET for that row. */
typedef struct {
    const char *method;
    const char *path;
    gboolean head;
} RouterRow;
Router *router_new(const RouterRow *rows, guint count);
void router_free(Router *router);
void router_match(const Router *router, const char *method, const char *path, RouterMatch *match);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Router, router_free)
