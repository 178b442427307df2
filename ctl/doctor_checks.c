/* What the server says of itself, and of each workspace's wish and reality. Source: spec 02, 17.3
 * J; docs/api/openapi.yaml. */
#include "base/reasons.h"
#include "doctor.h"

#include <string.h>

#define PAGES_MAX       1000 /* of a thousand workspaces each */
#define PASSING_SECONDS 120  /* spec 02, 17.3: reality follows the wish within two minutes */
#define FIND_MORE       "Look into the server's log."

/* ---- Reading ---- */

static gboolean child(JsonView object, const char *key, JsonKind kind, JsonView *value)
{
    return json_view_member(object, key, JSON_KEYS_EXACT, value) && json_view_kind(*value) == kind;
}

/* `fallback` when it is absent or null. */
static gint64 number(JsonView object, const char *key, gint64 fallback)
{
    JsonView value;
    gint64 read = fallback;

    return json_view_member(object, key, JSON_KEYS_EXACT, &value) && json_view_int(value, &read)
               ? read
               : fallback;
}

/* Caller owns it; "" when absent. */
static char *text(JsonView object, const char *key)
{
    char *read = api_text_dup(object, key);

    return read ? read : g_strdup("");
}

static gboolean ask(Session *session, const char *path, ApiAnswer *answer, JsonView *view,
                    Report *report)
{
    g_autoptr(GError) cause = NULL;

    if (api_call(session->api, "GET", path, NULL, answer, view, &cause))
        return TRUE;
    g_free(report->server_fault);
    report->server_fault = g_strdup(cause->message);
    return FALSE;
}

/* ---- The house ---- */

/* Answers 503 in words, too. */
static gboolean check_ready(Session *session, Report *report)
{
    const ApiRequest request = {.method = "GET", .path = "/ready"};
    g_autoptr(GError) cause = NULL;
    g_auto(ApiAnswer) answer = {0};
    JsonView view;

    if (!api_run(session->api, &request, &answer, &cause)) {
        report->server_fault = g_strdup(cause->message);
        return FALSE;
    }
    if (!api_answer_json(session->api, &answer, &view, &cause)) {
        report->server_fault = g_strdup(cause->message);
        return FALSE;
    }
    g_autofree char *database = text(view, "database");
    if (answer.status == 200)
        report_add(report, FINDING_FINE, "server", "is ready", NULL, NULL);
    else if (strcmp(database, "up") != 0)
        report_add(report, FINDING_DIFFERENCE, "database", "cannot be reached by the server", NULL,
                   "Bring the database back; the server goes on by itself then.");
    return TRUE;
}

static void check_loops(JsonView answer, Report *report)
{
    JsonView loops;
    guint count = 0, stuck = 0;

    if (!child(answer, "subsystems", JSON_KIND_OBJECT, &loops))
        return;
    for (JsonWalk walk = json_view_walk(loops); json_walk_next(&walk); count++) {
        g_autofree char *name = json_view_text_dup(walk.key, NULL);
        gint64 ago = number(walk.value, "seconds_ago", 0);

        if (api_flag(walk.value, "healthy"))
            continue;
        stuck++;
        g_autofree char *what =
            g_strdup_printf("did not turn for %" G_GINT64_FORMAT " seconds", ago);
        report_add(report, FINDING_DIFFERENCE, name ? name : "a loop", what, NULL, FIND_MORE);
    }
    if (stuck == 0 && count > 0) {
        g_autofree char *what = g_strdup_printf("all %u turn", count);
        report_add(report, FINDING_FINE, "loops", what, NULL, NULL);
    }
}

static void check_engine(JsonView house, Report *report)
{
    JsonView engine;

    if (!child(house, "engine", JSON_KIND_OBJECT, &engine))
        return;
    g_autofree char *kind = text(engine, "kind");
    g_autofree char *since = text(engine, "down_since");
    report->uses_docker = strcmp(kind, "docker") == 0 || strcmp(kind, "podman") == 0;
    report->is_engine_up = api_flag(engine, "up");
    if (!*kind) {
        report_add(report, FINDING_NOTE, "engine", reason_sentence(REASON_NO_ENGINE), NULL,
                   reason_hint(REASON_NO_ENGINE));
    } else if (report->is_engine_up) {
        g_autofree char *what = g_strconcat(kind, " answers", NULL);
        report_add(report, FINDING_FINE, "engine", what, NULL, NULL);
    } else {
        g_autofree char *what =
            g_strconcat(kind, " does not answer", *since ? " since " : "", since, NULL);
        report_add(report, FINDING_DIFFERENCE, "engine", what,
                   "nothing is started, stopped or concluded until it does",
                   reason_hint(REASON_ENGINE_DOWN));
    }
}

static void check_house(JsonView house, Report *report)
{
    JsonView held;
    gint64 pending = number(house, "removals_pending", 0);
    g_autofree char *version = text(house, "version");

    if (*version && strcmp(version, WORKSPACED_VERSION) != 0) {
        g_autofree char *what =
            g_strdup_printf("the server is %s, this workspacectl %s", version, WORKSPACED_VERSION);
        report_add(report, FINDING_NOTE, "versions", what, NULL, "Use both of one release.");
    }
    check_engine(house, report);
    if (child(house, "held", JSON_KIND_OBJECT, &held)) {
        g_autofree char *why = text(held, "why");
        report_add(report, FINDING_DIFFERENCE, "server", "holds everything until you confirm", why,
                   "If this is the right engine and database: POST /admin/runtime/confirm.");
    }
    if (pending > 0) {
        g_autofree char *what =
            g_strdup_printf("%" G_GINT64_FORMAT " removals are still to be done", pending);
        report_add(report, FINDING_NOTE, "removals", what, NULL, NULL);
    }
}

/* ---- One workspace ---- */

typedef struct {
    const char *word, *text;
} Words;

static const Words wishes[] = {
    {"running", "should run"},
    {"frozen", "should sleep in memory"},
    {"stopped", "should be stopped"},
    {"absent", "should be gone"},
};

static const Words phases[] = {
    {"pending", "waits for its turn"},
    {"pulling", "its image is being fetched"},
    {"created", "its container is made, not started"},
    {"seeded", "its container is filled, not started"},
    {"started", "its container runs"},
    {"ready", "its container runs"},
    {"frozen", "its container is frozen"},
    {"stopping", "its container is being stopped"},
    {"gone", "it has no container"},
    {"backoff", "waits for the next attempt"},
    {"failed", "was given up"},
};

/* The word itself when it is not in the table: a newer server's. */
static const char *find_words(const Words *table, guint count, const char *word)
{
    for (guint i = 0; i < count; i++)
        if (strcmp(table[i].word, word) == 0)
            return table[i].text;
    return word;
}

static gboolean is_older_than(const char *time, gint64 seconds)
{
    g_autoptr(GDateTime) then = g_date_time_new_from_iso8601(time, NULL);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    return then && g_date_time_difference(now, then) > seconds * G_TIME_SPAN_SECOND;
}

/* A row of /admin/runtime. Texts are owned and never NULL. */
typedef struct {
    char *id, *name, *status, *wish, *phase, *reason, *sentence, *since, *next_attempt;
    gint64 attempts, exit_code; /* -1: none */
    gboolean is_as_wished;
} Row;

static void row_read(JsonView object, Row *row)
{
    *row = (Row){
        .id = text(object, "workspace_id"),
        .name = text(object, "name"),
        .status = text(object, "status"),
        .wish = text(object, "wish"),
        .phase = text(object, "phase"),
        .reason = text(object, "reason"),
        .sentence = text(object, "last_error"),
        .since = text(object, "since"),
        .next_attempt = text(object, "next_attempt_at"),
        .attempts = number(object, "attempts", 0),
        .exit_code = number(object, "exit_code", -1),
        .is_as_wished = api_flag(object, "as_wished"),
    };
}

static void row_clear(Row *row)
{
    char **texts[] = {&row->id,     &row->name,     &row->status, &row->wish,        &row->phase,
                      &row->reason, &row->sentence, &row->since,  &row->next_attempt};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*texts[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Row, row_clear)

/* Caller owns it. */
static char *what_dup(const Row *row)
{
    GString *what = g_string_new(find_words(wishes, G_N_ELEMENTS(wishes), row->wish));

    g_string_append_printf(what, "; %s", find_words(phases, G_N_ELEMENTS(phases), row->phase));
    if (row->attempts > 0)
        g_string_append_printf(what, " after %" G_GINT64_FORMAT " %s", row->attempts,
                               row->attempts == 1 ? "attempt" : "attempts");
    if (*row->next_attempt)
        g_string_append_printf(what, ", the next at %s", row->next_attempt);
    if (*row->status)
        g_string_append_printf(what, " (status %s)", row->status);
    return g_string_free(what, FALSE);
}

/* NULL: nobody said. Caller owns it. */
static char *why_dup(const Row *row)
{
    g_autofree char *code =
        row->exit_code >= 0 ? g_strdup_printf(" (exit code %" G_GINT64_FORMAT ")", row->exit_code)
                            : g_strdup("");

    if (!*row->reason && !*row->sentence)
        return NULL;
    return g_strdup_printf("%s%s%s%s", *row->sentence ? row->sentence : row->reason, code,
                           *row->sentence && *row->reason ? " - " : "",
                           *row->sentence ? row->reason : "");
}

/* Caller owns it; NULL: nothing. */
static char *advice_dup(const Row *row)
{
    const char *hint = reason_hint(reason_parse(row->reason));
    gboolean is_given_up = strcmp(row->phase, "failed") == 0;

    if (!is_given_up)
        return *hint ? g_strdup(hint) : NULL;
    return g_strdup_printf("%s%sThen: workspacectl restart %.8s", hint, *hint ? " " : "", row->id);
}

static gboolean has_failed(const Row *row)
{
    return *row->reason || strcmp(row->phase, "failed") == 0 || strcmp(row->phase, "backoff") == 0;
}

/* Its container is as wished: its agent may still not be, or not be well. */
static gboolean is_agent_away(const Row *row)
{
    if (strcmp(row->status, "degraded") == 0 &&
        reason_parse(row->reason) == REASON_HEALTH_CHECK_FAILED)
        return TRUE;
    return strcmp(row->wish, "running") == 0 &&
           (strcmp(row->status, "offline") == 0 || strcmp(row->status, "failed") == 0);
}

static void check_row(const Row *row, Report *report)
{
    g_autofree char *what = what_dup(row);
    g_autofree char *why = why_dup(row);
    g_autofree char *advice = advice_dup(row);
    const char *name = *row->name ? row->name : "a removed workspace";

    if (row->is_as_wished && !is_agent_away(row))
        return;
    if (row->is_as_wished)
        report_add_workspace(report, FINDING_DIFFERENCE, row->id, name, what,
                             why ? why : "its agent does not report",
                             advice ? advice : "Read its log: workspacectl logs.");
    else if (has_failed(row))
        report_add_workspace(report, FINDING_DIFFERENCE, row->id, name, what, why,
                             advice ? advice : FIND_MORE);
    else if (!report->is_engine_up)
        report_add_workspace(report, FINDING_DIFFERENCE, row->id, name, what,
                             reason_sentence(REASON_ENGINE_DOWN), reason_hint(REASON_ENGINE_DOWN));
    else if (is_older_than(row->since, PASSING_SECONDS))
        report_add_workspace(report, FINDING_DIFFERENCE, row->id, name, what,
                             "it takes longer than it should", FIND_MORE);
    else
        report_add_workspace(report, FINDING_NOTE, row->id, name, what, "it is on its way", NULL);
}

/* Gives how many rows there were. */
static guint check_rows(JsonView page, Report *report)
{
    JsonView list;
    guint count = 0;

    if (!child(page, "workspaces", JSON_KIND_ARRAY, &list))
        return 0;
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk); count++) {
        g_auto(Row) row = {0};

        row_read(walk.value, &row);
        check_row(&row, report);
    }
    return count;
}

static gboolean check_runtime(Session *session, Report *report)
{
    g_autofree char *after = g_strdup("");
    guint count = 0;

    for (guint page = 0; page < PAGES_MAX; page++) {
        g_autofree char *path = g_strconcat("/admin/runtime", *after ? "?after=" : "", after, NULL);
        g_auto(ApiAnswer) answer = {0};
        JsonView view;

        if (!ask(session, path, &answer, &view, report))
            return FALSE;
        if (page == 0)
            check_house(view, report);
        count += check_rows(view, report);
        g_free(after);
        after = text(view, "next");
        if (!*after)
            break;
    }
    g_autofree char *what = g_strdup_printf("%u looked at", count);
    report_add(report, FINDING_FINE, "workspaces", what, NULL, NULL);
    return TRUE;
}

/* ---- What nobody wishes ---- */

static void check_orphan(JsonView orphan, Report *report)
{
    g_autofree char *kind = text(orphan, "kind");
    g_autofree char *name = text(orphan, "name");
    g_autofree char *seen = text(orphan, "first_seen_at");
    g_autofree char *action = text(orphan, "action");
    g_autofree char *due = text(orphan, "due_at");
    g_autofree char *what = g_strdup_printf("is a %s of this server that no workspace wants", kind);
    g_autofree char *why =
        g_strdup_printf("seen since %s; next by itself: %s at %s", seen, action, due);

    report_add(report, FINDING_DIFFERENCE, name, what, why,
               "Wait for it, or: workspacectl reap --dry-run");
}

/* An older server has no such list. */
static void check_stuck(JsonView answer, Report *report)
{
    JsonView list;

    if (!child(answer, "stuck", JSON_KIND_ARRAY, &list))
        return;
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk);) {
        g_autofree char *kind = text(walk.value, "kind");
        g_autofree char *name = text(walk.value, "name");
        g_autofree char *since = text(walk.value, "since");
        g_autofree char *cause = text(walk.value, "last_error");
        g_autofree char *what = g_strdup_printf("is a %s that cannot be removed", kind);
        g_autofree char *why = g_strdup_printf("%s; tried %" G_GINT64_FORMAT " times since %s",
                                               cause, number(walk.value, "attempts", 0), since);

        report_add(report, FINDING_DIFFERENCE, name, what, why,
                   "End what holds it; the server tries again every minute.");
    }
}

/* As it was set: nothing differs. */
static void check_kept(JsonView answer, Report *report)
{
    JsonView list;
    guint count = 0;
    g_autofree char *first = NULL;

    if (!child(answer, "kept", JSON_KIND_ARRAY, &list)) /* an older server */
        return;
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk); count++)
        if (!first)
            first = text(walk.value, "due_at");
    if (count == 0)
        return;
    g_autofree char *what =
        g_strdup_printf("%u of deleted workspaces kept, the first until %s", count, first);
    report_add(report, FINDING_NOTE, "volumes", what,
               "WORKSPACED_VOLUME_RETENTION_HOURS keeps them, so that a delete can be undone",
               "To remove them now: workspacectl reap --kept");
}

/* An older server has no such list. */
static void check_orphans(Session *session, Report *report)
{
    const ApiRequest request = {.method = "GET", .path = "/admin/runtime/orphans"};
    g_auto(ApiAnswer) answer = {0};
    JsonView view, list;

    if (!api_run(session->api, &request, &answer, NULL) || answer.status != 200 ||
        !api_answer_json(session->api, &answer, &view, NULL) ||
        !child(view, "orphans", JSON_KIND_ARRAY, &list))
        return;
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk);)
        check_orphan(walk.value, report);
    check_stuck(view, report);
    check_kept(view, report);
}

void doctor_check_server(Session *session, Report *report)
{
    g_auto(ApiAnswer) answer = {0};
    JsonView view;

    if (!check_ready(session, report) || !ask(session, "/admin/liveness", &answer, &view, report))
        return;
    check_loops(view, report);
    if (check_runtime(session, report))
        check_orphans(session, report);
}
