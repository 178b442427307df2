/* Registering, heartbeats, cards, discovery and liveness, on a real database. */
#include "a2a/discovery.h"
#include "a2a/liveness.h"
#include "a2a/registry.h"
#include "base/json_view.h"
#include "test-a2a-house.h"

#define UNKNOWN "00000000-0000-4000-8000-000000000000"

typedef struct {
    House house;
    Registry *registry;
    A2aOptions options;
} Fixture;

static void open_with(Fixture *fixture, A2aOptions options)
{
    memset(fixture, 0, sizeof *fixture);
    house_open(&fixture->house, 8);
    fixture->options = options;
    const RegistryOptions registry = {
        .db = fixture->house.db,
        .tree = fixture->house.tree,
        .tokens = fixture->house.tokens,
        .events = fixture->house.events,
        .forwards = fixture->house.forwards,
        .options = options,
    };
    fixture->registry = registry_new(&registry);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_with(fixture, (A2aOptions){.development = TRUE});
}

static void set_up_strict(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_with(fixture, (A2aOptions){.strict = TRUE});
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    registry_free(fixture->registry);
    house_close(&fixture->house);
}

/* ---- Register ---- */

static gboolean register_as(Fixture *fixture, const char *id, const char *url, const char *bearer,
                            gboolean is_admin, char token[CRYPTO_TOKEN_SIZE], GError **error)
{
    RegistryCaller caller = {.bearer = bearer, .is_admin = is_admin};
    RegisterBody body = {.url = (char *)url, .agent_card = (char *)"{\"name\":\"x\"}"};

    g_strlcpy(body.id, id, sizeof body.id);
    return registry_register(fixture->registry, &body, &caller, token, error);
}

static void assert_register_fails(Fixture *fixture, const char *id, const char *url,
                                  const char *bearer, ErrorCode code, const char *message)
{
    char token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;

    g_assert_false(register_as(fixture, id, url, bearer, FALSE, token, &error));
    g_assert_error(error, ERROR_DOMAIN, (gint)code);
    if (message)
        g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpstr(token, ==, "");
}

static void add_in_state(Fixture *fixture, WorkspaceStatus status, char id[ID_SIZE])
{
    WorkspaceRow *row = house_row("x", NULL, NULL);

    row->status = status;
    row->provision_started_at_us = clock_now_us();
    house_insert(&fixture->house, row, id);
}

static void test_first_register_gets_a_token(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE], token[CRYPTO_TOKEN_SIZE], again[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;
    g_autofree char *event = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_PROVISIONING, id);
    g_assert_true(register_as(fixture, id, "http://localhost:8001", NULL, FALSE, token, &error));
    g_assert_cmpuint(strlen(token), ==, 43);
    g_assert_cmpint(house_status(&fixture->house, id), ==, WORKSPACE_ONLINE);
    event = house_event_dup(&fixture->house, "WORKSPACE_ONLINE");
    g_assert_nonnull(
        strstr(event, "{\"url\":\"http://localhost:8001\",\"agent_card\":{\"name\":\"x\"}}"));
    g_autoptr(OrgNode) node = org_tree_find(fixture->house.tree, id);
    g_assert_cmpstr(org_node_row(node)->url, ==, "http://localhost:8001");
    g_assert_cmpint(org_node_row(node)->last_heartbeat_at_us, >, 0);

    g_assert_true(register_as(fixture, id, "http://localhost:8002", token, FALSE, again, &error));
    g_assert_cmpstr(again, ==, "");
    assert_register_fails(fixture, id, "http://localhost:8001", NULL, ERROR_UNAUTHENTICATED,
                          "missing workspace auth token");
    assert_register_fails(fixture, id, "http://localhost:8001", "nonsense", ERROR_UNAUTHENTICATED,
                          "invalid workspace auth token");
    assert_register_fails(fixture, id, "file:///x", "nonsense", ERROR_INVALID, NULL);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_ONLINE"), ==, 2);
}

static void test_bad_addresses_are_refused(Fixture *fixture, gconstpointer data)
{
    static const char *const bad[] = {"http://169.254.169.254/", "file:///x",
                                      "http://[::ffff:169.254.169.254]/", "http://", "x"};
    char id[ID_SIZE];

    (void)data;
    add_in_state(fixture, WORKSPACE_PROVISIONING, id);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_register_fails(fixture, id, bad[i], NULL, ERROR_INVALID, NULL);
    g_assert_cmpint(house_status(&fixture->house, id), ==, WORKSPACE_PROVISIONING);
}

static void test_own_addresses_are_trusted(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE], token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;
    WorkspaceRow *row = house_row("x", NULL, "http://127.0.0.1:32001");
    g_autofree char *container = NULL;

    (void)data;
    row->status = WORKSPACE_PROVISIONING;
    row->url_is_minted = TRUE;
    row->provision_started_at_us = clock_now_us();
    house_insert(&fixture->house, row, id);
    container = g_strdup_printf("http://ws-%.12s:8000", id);
    g_assert_true(register_as(fixture, id, container, NULL, FALSE, token, &error));
    /* The server's own way in stays; the agent's word is for its peers. */
    g_autoptr(OrgNode) node = org_tree_find(fixture->house.tree, id);
    g_assert_cmpstr(org_node_row(node)->url, ==, "http://127.0.0.1:32001");
    g_assert_cmpstr(org_node_row(node)->agent_url, ==, container);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_ONLINE"), ==, 1);
    g_autofree char *event = house_event_dup(&fixture->house, "WORKSPACE_ONLINE");
    g_assert_nonnull(strstr(event, "\"url\":\"http://127.0.0.1:32001\""));
}

static void test_removed_is_gone_and_paused_stays(Fixture *fixture, gconstpointer data)
{
    char removed[ID_SIZE], paused[ID_SIZE], token[CRYPTO_TOKEN_SIZE];
    g_autoptr(StoreRemoval) removal = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, removed);
    add_in_state(fixture, WORKSPACE_PAUSED, paused);
    g_assert_true(store_workspace_remove(fixture->house.db, removed, STORE_REMOVE_TREE, FALSE,
                                         &removal, NULL));
    g_assert_true(org_tree_refresh(fixture->house.tree, removed, NULL));
    assert_register_fails(fixture, removed, "http://localhost:1", NULL, ERROR_GONE, NULL);
    g_assert_true(register_as(fixture, paused, "http://localhost:1", NULL, FALSE, token, &error));
    g_assert_cmpint(house_status(&fixture->house, paused), ==, WORKSPACE_PAUSED);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_ONLINE"), ==, 0);
}

static void test_unknown_id(Fixture *fixture, gconstpointer data)
{
    char token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(register_as(fixture, UNKNOWN, "http://localhost:1", NULL, FALSE, token, &error));
    g_assert_cmpuint(strlen(token), ==, 43);
    g_assert_cmpint(house_status(&fixture->house, UNKNOWN), ==, WORKSPACE_ONLINE);
    g_autoptr(OrgNode) node = org_tree_find(fixture->house.tree, UNKNOWN);
    g_assert_cmpstr(org_node_row(node)->name, ==, UNKNOWN);
}

/* Cause L35: the purge commits between the look at the token and the registration; what was purged
 * came back as a workspace that nobody can remove for good. */
static void test_no_ghost_of_a_purged_workspace(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE], token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_PROVISIONING, id);
    g_assert_true(register_as(fixture, id, "http://localhost:8001", NULL, FALSE, token, &error));
    g_assert_true(db_exec(fixture->house.db, "DELETE FROM workspaces WHERE id = $1", NULL, &error,
                          DB_TEXT(id)));
    assert_register_fails(fixture, id, "http://localhost:8001", token, ERROR_NOT_FOUND, NULL);
    g_assert_true(store_workspace_find(fixture->house.db, id, &row, &error));
    g_assert_null(row);
}

static void test_strict_first_register_has_a_window(Fixture *fixture, gconstpointer data)
{
    char starting[ID_SIZE], late[ID_SIZE], running[ID_SIZE], token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;
    WorkspaceRow *row;

    (void)data;
    assert_register_fails(fixture, UNKNOWN, "http://localhost:1", NULL, ERROR_NOT_FOUND, NULL);
    g_assert_true(register_as(fixture, UNKNOWN, "http://localhost:1", NULL, TRUE, token, &error));

    add_in_state(fixture, WORKSPACE_PROVISIONING, starting);
    g_assert_true(register_as(fixture, starting, "http://localhost:1", NULL, FALSE, token, &error));
    g_assert_cmpuint(strlen(token), ==, 43);

    row = house_row("late", NULL, NULL);
    row->status = WORKSPACE_PROVISIONING;
    row->provision_started_at_us = clock_now_us() - 601 * CLOCK_SECOND_US;
    house_insert(&fixture->house, row, late);
    assert_register_fails(fixture, late, "http://localhost:1", NULL, ERROR_UNAUTHENTICATED,
                          "missing workspace auth token");

    add_in_state(fixture, WORKSPACE_ONLINE, running);
    assert_register_fails(fixture, running, "http://localhost:1", NULL, ERROR_UNAUTHENTICATED,
                          "missing workspace auth token");
}

/* ---- Heartbeat ---- */

static gboolean beat(Fixture *fixture, const char *id, const char *bearer, const char *rest,
                     GError **error)
{
    g_autofree char *text = g_strdup_printf("{\"workspace_id\":\"%s\"%s}", id, rest);
    g_auto(HeartbeatBody) body = {0};
    RegistryCaller caller = {.bearer = bearer};

    g_assert_true(heartbeat_body_decode(text, strlen(text), &body, error));
    return registry_heartbeat(fixture->registry, &body, &caller, error);
}

static void assert_beat(Fixture *fixture, const char *id, const char *rest, WorkspaceStatus status)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(beat(fixture, id, NULL, rest, &error));
    g_assert_no_error(error);
    g_assert_cmpint(house_status(&fixture->house, id), ==, status);
}

static void test_heartbeat_moves_the_status(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE];
    g_autofree char *event = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    assert_beat(fixture, id, ",\"error_rate\":0.5,\"sample_error\":\"boom\"", WORKSPACE_DEGRADED);
    event = house_event_dup(&fixture->house, "WORKSPACE_DEGRADED");
    g_assert_nonnull(strstr(event, "{\"error_rate\":0.5,\"sample_error\":\"boom\"}"));
    assert_beat(fixture, id, ",\"error_rate\":0.1", WORKSPACE_DEGRADED);
    assert_beat(fixture, id, ",\"error_rate\":0.05", WORKSPACE_ONLINE);
    assert_beat(fixture, id, ",\"error_rate\":0.9,\"runtime_state\":\"wedged\"",
                WORKSPACE_DEGRADED);
    assert_beat(fixture, id, ",\"runtime_state\":\"wedged\"", WORKSPACE_DEGRADED);
    assert_beat(fixture, id, "", WORKSPACE_ONLINE);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_DEGRADED"), ==, 2);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_ONLINE"), ==, 2);
}

static void test_heartbeat_lifts_what_was_down(Fixture *fixture, gconstpointer data)
{
    static const struct {
        WorkspaceStatus from, to;
        const char *payload;
    } cases[] = {
        {WORKSPACE_OFFLINE, WORKSPACE_ONLINE, "{}"},
        {WORKSPACE_PROVISIONING, WORKSPACE_ONLINE, "{\"recovered_from\":\"provisioning\"}"},
        {WORKSPACE_FAILED, WORKSPACE_ONLINE, "{\"recovered_from\":\"failed\"}"},
        {WORKSPACE_PAUSED, WORKSPACE_PAUSED, NULL},
        {WORKSPACE_HIBERNATED, WORKSPACE_HIBERNATED, NULL},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char id[ID_SIZE];
        g_autofree char *prefix = NULL;
        g_autofree char *event = NULL;
        add_in_state(fixture, cases[i].from, id);
        assert_beat(fixture, id, "", cases[i].to);
        prefix = g_strdup_printf("WORKSPACE_ONLINE %s", id);
        event = house_event_dup(&fixture->house, prefix);
        if (!cases[i].payload)
            g_assert_null(event);
        else
            g_assert_true(g_str_has_suffix(event, cases[i].payload));
    }
}

static void test_heartbeat_tells_a_changed_task_once(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE];
    g_autofree char *event = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    assert_beat(fixture, id, ",\"current_task\":\"dig\",\"active_tasks\":2", WORKSPACE_ONLINE);
    assert_beat(fixture, id, ",\"current_task\":\"dig\",\"active_tasks\":2", WORKSPACE_ONLINE);
    g_assert_cmpuint(house_count(&fixture->house, "TASK_UPDATED"), ==, 1);
    assert_beat(fixture, id, "", WORKSPACE_ONLINE);
    event = house_event_dup(&fixture->house, "TASK_UPDATED");
    g_assert_true(g_str_has_suffix(event, "{\"current_task\":\"\",\"active_tasks\":0}"));
    g_assert_cmpuint(house_count(&fixture->house, "TASK_UPDATED"), ==, 2);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_HEARTBEAT"), ==, 0);
}

static void test_heartbeat_keeps_what_a_short_one_leaves_out(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE];

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    assert_beat(fixture, id, ",\"uptime_seconds\":50,\"monthly_spend\":15000", WORKSPACE_ONLINE);
    assert_beat(fixture, id, ",\"monthly_spend\":-9999", WORKSPACE_ONLINE);
    g_autoptr(OrgNode) node = org_tree_find(fixture->house.tree, id);
    g_assert_cmpint(org_node_row(node)->uptime_seconds, ==, 50);
    g_assert_cmpint(org_node_row(node)->monthly_spend, ==, 15000);
}

static void test_heartbeat_of_nobody_has_no_effect(Fixture *fixture, gconstpointer data)
{
    char removed[ID_SIZE];
    g_autoptr(StoreRemoval) removal = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, removed);
    g_assert_true(store_workspace_remove(fixture->house.db, removed, STORE_REMOVE_TREE, FALSE,
                                         &removal, NULL));
    g_assert_true(org_tree_refresh(fixture->house.tree, removed, NULL));
    g_assert_true(beat(fixture, UNKNOWN, NULL, ",\"current_task\":\"x\"", &error));
    g_assert_true(beat(fixture, removed, NULL, ",\"current_task\":\"x\"", &error));
    g_assert_cmpint(house_status(&fixture->house, removed), ==, WORKSPACE_REMOVED);
    g_assert_cmpuint(house_count(&fixture->house, ""), ==, 0);
}

static void test_heartbeat_needs_the_token(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE], other[ID_SIZE], token[CRYPTO_TOKEN_SIZE], others[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) wrong = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    add_in_state(fixture, WORKSPACE_ONLINE, other);
    g_assert_true(tokens_mint(fixture->house.tokens, id, TOKEN_ORIGIN_USER, 0, token, NULL));
    g_assert_true(tokens_mint(fixture->house.tokens, other, TOKEN_ORIGIN_USER, 0, others, NULL));
    g_assert_false(beat(fixture, id, NULL, "", &missing));
    g_assert_error(missing, ERROR_DOMAIN, ERROR_UNAUTHENTICATED);
    g_assert_false(beat(fixture, id, others, "", &wrong));
    g_assert_error(wrong, ERROR_DOMAIN, ERROR_UNAUTHENTICATED);
    g_assert_true(beat(fixture, id, token, "", NULL));
}

static void test_heartbeat_declares(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE];

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    assert_beat(
        fixture, id,
        ",\"runtime_metadata\":{\"capabilities\":{\"session\":true},\"idle_timeout_seconds\":9}",
        WORKSPACE_ONLINE);
    g_assert_cmpuint(forwards_declared(fixture->house.forwards, id).capabilities, ==,
                     CAPABILITY_SESSION);
    assert_beat(fixture, id, "", WORKSPACE_ONLINE);
    g_assert_cmpuint(forwards_declared(fixture->house.forwards, id).idle_timeout_s, ==, 0);
}

/* ---- Card ---- */

static void test_card(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE], token[CRYPTO_TOKEN_SIZE];
    CardBody body = {.agent_card = (char *)"{\"v\":2}"};
    RegistryCaller nobody = {0}, admin = {.is_admin = TRUE};
    g_autoptr(GError) refused = NULL;
    g_autoptr(GError) unknown = NULL;
    g_autofree char *event = NULL;

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    g_assert_true(tokens_mint(fixture->house.tokens, id, TOKEN_ORIGIN_USER, 0, token, NULL));
    g_strlcpy(body.workspace_id, id, sizeof body.workspace_id);
    g_assert_false(registry_update_card(fixture->registry, &body, &nobody, &refused));
    g_assert_error(refused, ERROR_DOMAIN, ERROR_UNAUTHENTICATED);
    g_assert_true(registry_update_card(fixture->registry, &body, &admin, NULL));
    nobody.bearer = token;
    g_assert_true(registry_update_card(fixture->registry, &body, &nobody, NULL));
    g_assert_cmpuint(house_count(&fixture->house, "AGENT_CARD_UPDATED"), ==, 2);
    event = house_event_dup(&fixture->house, "AGENT_CARD_UPDATED");
    g_assert_true(g_str_has_suffix(event, "{\"agent_card\":{\"v\":2}}"));
    g_autoptr(OrgNode) node = org_tree_find(fixture->house.tree, id);
    g_assert_cmpstr(org_node_row(node)->agent_card, ==, "{\"v\":2}");

    g_strlcpy(body.workspace_id, UNKNOWN, sizeof body.workspace_id);
    g_assert_false(registry_update_card(fixture->registry, &body, &admin, &unknown));
    g_assert_error(unknown, ERROR_DOMAIN, ERROR_NOT_FOUND);
}

/* ---- Discovery ---- */

static void add_external(Fixture *fixture, const char *parent, const char *url, char id[ID_SIZE])
{
    WorkspaceRow *row = house_row("far", parent, url);

    g_free(row->runtime);
    row->runtime = g_strdup("external");
    row->status = WORKSPACE_OFFLINE;
    house_insert(&fixture->house, row, id);
}

static void assert_found(Fixture *fixture, const char *caller, const char *target, const char *url)
{
    g_auto(DiscoveryAnswer) answer = {0};

    g_assert_true(
        discovery_find(fixture->house.tree, &fixture->options, caller, target, &answer, NULL));
    g_assert_cmpint(answer.outcome, ==, DISCOVERY_FOUND);
    g_assert_cmpstr(answer.url, ==, url);
}

static void assert_not_found(Fixture *fixture, const char *caller, const char *target,
                             ErrorCode code)
{
    g_auto(DiscoveryAnswer) answer = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(
        discovery_find(fixture->house.tree, &fixture->options, caller, target, &answer, &error));
    g_assert_error(error, ERROR_DOMAIN, (gint)code);
}

static void test_discover(Fixture *fixture, gconstpointer data)
{
    char p[ID_SIZE], a[ID_SIZE], b[ID_SIZE], c[ID_SIZE], r[ID_SIZE], x[ID_SIZE], y[ID_SIZE];
    g_autofree char *of_a = NULL;
    g_auto(DiscoveryAnswer) unsafe = {0};
    g_auto(DiscoveryAnswer) down = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    WorkspaceRow *row = NULL;

    (void)data;
    house_add(&fixture->house, "P", NULL, NULL, p);
    house_add(&fixture->house, "A", p, NULL, a);
    row = house_row("B", p, "http://127.0.0.1:1");
    row->agent_url = g_strdup("http://b.example:8000");
    house_insert(&fixture->house, row, b);
    house_add(&fixture->house, "C", a, NULL, c);
    house_add(&fixture->house, "R", NULL, NULL, r);
    add_external(fixture, p, "http://localhost:9", x);
    add_external(fixture, p, "http://169.254.169.254/", y);
    of_a = g_strdup_printf("http://ws-%.12s:8000", a);

    assert_found(fixture, b, a, of_a);
    assert_found(fixture, a, b, "http://b.example:8000");
    assert_found(fixture, a, x, "http://host.docker.internal:9");
    assert_found(fixture, y, x, "http://localhost:9");
    assert_not_found(fixture, c, r, ERROR_FORBIDDEN);
    assert_not_found(fixture, c, UNKNOWN, ERROR_FORBIDDEN);
    assert_not_found(fixture, UNKNOWN, UNKNOWN, ERROR_NOT_FOUND);

    g_assert_true(discovery_find(fixture->house.tree, &fixture->options, a, y, &unsafe, NULL));
    g_assert_cmpint(unsafe.outcome, ==, DISCOVERY_UNSAFE);
    add_in_state(fixture, WORKSPACE_FAILED, r);
    g_assert_true(discovery_find(fixture->house.tree, &fixture->options, p, r, &down, NULL));
    discovery_answer_write(&down, r, json);
    g_assert_nonnull(strstr(json->str, "\"status\":\"failed\""));
}

static char *peers_dup(Fixture *fixture, const char *id, const char *query)
{
    g_autoptr(GString) json = g_string_new(NULL);
    g_autoptr(GString) names = g_string_new(NULL);
    JsonView view, name;
    JsonWalk walk;

    g_assert_true(discovery_peers(fixture->house.tree, id, query, json, NULL));
    g_assert_true(json_view_parse(json->str, json->len, JSON_ONE_VALUE, &view, NULL));
    walk = json_view_walk(view);
    while (json_walk_next(&walk)) {
        g_assert_true(json_view_member(walk.value, "name", JSON_KEYS_EXACT, &name));
        g_string_append_len(names, name.start + 1, name.end - name.start - 2);
        g_string_append_c(names, ' ');
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static void assert_peers(Fixture *fixture, const char *id, const char *query, const char *expected)
{
    g_autofree char *names = peers_dup(fixture, id, query);

    g_assert_cmpstr(names, ==, expected);
}

static void test_peers_and_access(Fixture *fixture, gconstpointer data)
{
    char p[ID_SIZE], a[ID_SIZE], b[ID_SIZE], c[ID_SIZE], r[ID_SIZE];
    WorkspaceRow *row;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) json = g_string_new(NULL);

    (void)data;
    house_add(&fixture->house, "P", NULL, NULL, p);
    house_add(&fixture->house, "A", p, NULL, a);
    row = house_row("B", p, NULL);
    row->role = g_strdup("Gärtner");
    house_insert(&fixture->house, row, b);
    house_add(&fixture->house, "C", a, NULL, c);
    house_add(&fixture->house, "R", NULL, NULL, r);

    assert_peers(fixture, c, NULL, "A ");
    assert_peers(fixture, a, "", "B C P ");
    assert_peers(fixture, a, " GÄRT ", "B ");
    assert_peers(fixture, a, "nobody", "");
    assert_peers(fixture, p, NULL, "R A B ");
    g_assert_false(discovery_peers(fixture->house.tree, UNKNOWN, NULL, json, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);

    const AccessBody same = {(char *)"x", (char *)"x"}, no_ids = {(char *)"x", a}, denied = {a, r},
                     allowed = {c, p};
    g_assert_true(discovery_may_talk(fixture->house.tree, &same));
    g_assert_false(discovery_may_talk(fixture->house.tree, &no_ids));
    g_assert_false(discovery_may_talk(fixture->house.tree, &denied));
    g_assert_true(discovery_may_talk(fixture->house.tree, &allowed));
}

static void test_a_peer_has_these_members(Fixture *fixture, gconstpointer data)
{
    char p[ID_SIZE], a[ID_SIZE];
    g_autoptr(GString) json = g_string_new(NULL);
    g_autofree char *expected = NULL;

    (void)data;
    house_add(&fixture->house, "P", NULL, NULL, p);
    house_add(&fixture->house, "A", p, NULL, a);
    expected = g_strdup_printf("[{\"id\":\"%s\",\"name\":\"A\",\"role\":null,\"tier\":2,"
                               "\"status\":\"online\",\"agent_card\":null,\"url\":\"\","
                               "\"parent_id\":\"%s\",\"active_tasks\":0}]",
                               a, p);
    g_assert_true(discovery_peers(fixture->house.tree, p, NULL, json, NULL));
    g_assert_cmpstr(json->str, ==, expected);
}

/* ---- Liveness ---- */

static void note_poke(const char *workspace_id, void *data)
{
    g_ptr_array_add(data, g_strdup(workspace_id));
}

static Liveness *liveness_open(Fixture *fixture, GPtrArray *poked)
{
    const LivenessOptions options = {
        .db = fixture->house.db,
        .tree = fixture->house.tree,
        .events = fixture->house.events,
        .poke = note_poke,
        .data = poked,
    };

    return liveness_new(&options);
}

static void test_the_silent_go_offline(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) poked = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Liveness) liveness = liveness_open(fixture, poked);
    char silent[ID_SIZE], lively[ID_SIZE], remote[ID_SIZE], failed[ID_SIZE];

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, silent);
    add_in_state(fixture, WORKSPACE_DEGRADED, lively);
    add_external(fixture, NULL, "http://localhost:9", remote);
    assert_beat(fixture, remote, "", WORKSPACE_ONLINE);
    add_in_state(fixture, WORKSPACE_FAILED, failed);
    assert_beat(fixture, silent, "", WORKSPACE_ONLINE);
    g_assert_cmpuint(liveness_sweep(liveness), ==, 0);

    clock_advance(91 * CLOCK_SECOND_US); /* the remote one's window */
    g_assert_cmpuint(liveness_sweep(liveness), ==, 1);
    g_assert_cmpint(house_status(&fixture->house, remote), ==, WORKSPACE_OFFLINE);
    clock_advance(88 * CLOCK_SECOND_US);
    assert_beat(fixture, lively, ",\"error_rate\":0.3", WORKSPACE_DEGRADED);
    clock_advance(2 * CLOCK_SECOND_US);
    g_assert_cmpuint(liveness_sweep(liveness), ==, 1);
    g_assert_cmpint(house_status(&fixture->house, silent), ==, WORKSPACE_OFFLINE);
    g_assert_cmpint(house_status(&fixture->house, lively), ==, WORKSPACE_DEGRADED);
    g_assert_cmpint(house_status(&fixture->house, failed), ==, WORKSPACE_FAILED);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_OFFLINE"), ==, 2);
    g_assert_cmpuint(poked->len, ==, 1);
    g_assert_cmpstr(poked->pdata[0], ==, silent);
    g_assert_cmpuint(liveness_sweep(liveness), ==, 0);

    assert_beat(fixture, silent, "", WORKSPACE_ONLINE);
    clock_advance(181 * CLOCK_SECOND_US);
    g_assert_cmpuint(liveness_sweep(liveness), ==, 2); /* it and the lively one */
}

static void test_nobody_is_judged_right_after_the_start(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) poked = g_ptr_array_new_with_free_func(g_free);
    char id[ID_SIZE];

    (void)data;
    add_in_state(fixture, WORKSPACE_ONLINE, id);
    assert_beat(fixture, id, "", WORKSPACE_ONLINE);
    clock_advance(1000 * CLOCK_SECOND_US);
    g_autoptr(Liveness) liveness = liveness_open(fixture, poked);
    clock_advance(179 * CLOCK_SECOND_US);
    g_assert_cmpuint(liveness_sweep(liveness), ==, 0);
    clock_advance(2 * CLOCK_SECOND_US);
    g_assert_cmpuint(liveness_sweep(liveness), ==, 1);
}

#define ADD(path_, function_) g_test_add("/a2a/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("register/first-gets-a-token", test_first_register_gets_a_token);
    ADD("register/bad-addresses-are-refused", test_bad_addresses_are_refused);
    ADD("register/own-addresses-are-trusted", test_own_addresses_are_trusted);
    ADD("register/removed-is-gone-and-paused-stays", test_removed_is_gone_and_paused_stays);
    ADD("register/unknown-id", test_unknown_id);
    ADD("register/no-ghost-of-a-purged-workspace", test_no_ghost_of_a_purged_workspace);
    g_test_add("/a2a/register/strict-first-has-a-window", Fixture, NULL, set_up_strict,
               test_strict_first_register_has_a_window, tear_down);
    ADD("heartbeat/moves-the-status", test_heartbeat_moves_the_status);
    ADD("heartbeat/lifts-what-was-down", test_heartbeat_lifts_what_was_down);
    ADD("heartbeat/tells-a-changed-task-once", test_heartbeat_tells_a_changed_task_once);
    ADD("heartbeat/keeps-what-a-short-one-leaves-out",
        test_heartbeat_keeps_what_a_short_one_leaves_out);
    ADD("heartbeat/of-nobody-has-no-effect", test_heartbeat_of_nobody_has_no_effect);
    ADD("heartbeat/needs-the-token", test_heartbeat_needs_the_token);
    ADD("heartbeat/declares", test_heartbeat_declares);
    ADD("card", test_card);
    ADD("discovery/discover", test_discover);
    ADD("discovery/peers-and-access", test_peers_and_access);
    ADD("discovery/a-peer-has-these-members", test_a_peer_has_these_members);
    ADD("liveness/the-silent-go-offline", test_the_silent_go_offline);
    ADD("liveness/nobody-is-judged-right-after-the-start",
        test_nobody_is_judged_right_after_the_start);
    return g_test_run();
}
