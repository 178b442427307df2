/* SQLite: one writer connection with group commit, up to READERS_MAX readers.
 *
 * A commit costs a flush of the disk, milliseconds on most machines. So transactions of several
 * threads that queue up share one: each runs in a savepoint of one transaction of SQLite, and
 * whoever finds nobody waiting behind it, or the group full, commits for all. A thread returns from
 * db_commit only when its group is on the disk. When the shared commit fails, it fails for every
 * member; when one member rolls back, the others keep what they did.
 *
 * Readers see the last commit and never wait for the writer (WAL). They are opened when first
 * needed. Source: ARCHITECTURE section 5; sqlite.org/wal.html, sqlite.org/lang_savepoint.html. */
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "db/sqlite_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define READERS_MAX 4
/* Bounds of a group: the first member waits for the last one. */
#define GROUP_MEMBERS_MAX 64
#define GROUP_AGE_US      (20 * 1000)

/* Transactions that share one commit. Guarded by the pool's lock; freed by the last member that
 * looked at the outcome. */
typedef struct {
    guint members; /* committed in their savepoint, wait for the outcome */
    gint64 began_us;
    gboolean is_done;
    GError *failure; /* NULL: it is on the disk */
} Group;

/* A thread in the queue for the writer; lives on its stack. */
typedef struct {
    Condition granted;
    gboolean is_granted;
    GList link;
} Turn;

typedef struct {
    Db base;
    char *path;

    Mutex lock;         /* place 6; guards the fields down to `returned` */
    gboolean is_taken;  /* somebody has the writer */
    GQueue turns;       /* of Turn: who waits for the writer */
    Condition ended;    /* a group ended */
    GQueue idle;        /* of SqliteConnection: readers nobody uses */
    guint readers;      /* opened ones */
    Condition returned; /* a reader came back */

    /* These belong to the thread that has the writer. */
    SqliteConnection *writer;
    Group *group; /* of the transaction that the writer has open, else NULL */
} SqliteDb;

/* What a transaction holds: the writer, as long as it lasts. There is one writer, so there is
 * nothing to keep but whether SQLite threw everything away. */
struct _DbSession {
    gboolean is_lost;
};

/* ---- The writer's turn ---- */

static gboolean wait_turn_locked(SqliteDb *db, Turn *turn) REQUIRES(db->lock)
{
    gint64 deadline_us = clock_monotonic_us() + clock_outside_us(DB_TURN_US);

    while (!turn->is_granted)
        if (!condition_wait_until(&turn->granted, &db->lock, deadline_us) && !turn->is_granted) {
            g_queue_unlink(&db->turns, &turn->link);
            return FALSE;
        }
    return TRUE;
}

static gboolean take_writer(SqliteDb *db, GError **error)
{
    Turn turn = {.link = {.data = &turn}};
    gboolean is_mine = TRUE;

    mutex_lock(&db->lock);
    if (db->is_taken) {
        condition_init(&turn.granted);
        g_queue_push_tail_link(&db->turns, &turn.link);
        is_mine = wait_turn_locked(db, &turn);
        condition_clear(&turn.granted);
    }
    db->is_taken = TRUE; /* when it is not mine it is somebody's */
    mutex_unlock(&db->lock);
    return is_mine || error_set(error, ERROR_UNAVAILABLE, "sqlite: waited too long for the writer");
}

/* Gives the writer to the next in the queue. */
static void pass_writer_locked(SqliteDb *db) REQUIRES(db->lock)
{
    GList *next = g_queue_pop_head_link(&db->turns);
    Turn *turn = next ? next->data : NULL;

    db->is_taken = turn != NULL;
    if (turn) {
        turn->is_granted = TRUE;
        condition_signal(&turn->granted);
    }
}

/* ---- Group commit ---- */

static void group_free(Group *group)
{
    g_clear_error(&group->failure);
    g_free(group);
}

/* Whether the group goes on with the next in the queue instead of being committed now. */
static gboolean may_grow_locked(const SqliteDb *db, const Group *group) REQUIRES(db->lock)
{
    return db->turns.head && group->members < GROUP_MEMBERS_MAX &&
           clock_monotonic_us() - group->began_us < GROUP_AGE_US;
}

/* The shared commit; the caller has the writer. */
static GError *commit_group(SqliteDb *db, gboolean has_members)
{
    g_autoptr(GError) failure = NULL;

    if (!sqlite_connection_in_transaction(db->writer))
        /* An error (disk full, I/O) made SQLite roll back all that was not committed. */
        return g_error_new(ERROR_DOMAIN, ERROR_UNAVAILABLE, "sqlite: the transaction was lost");
    if (has_members && sqlite_connection_commit(db->writer, &failure))
        return NULL;
    if (sqlite_connection_in_transaction(db->writer) &&
        !sqlite_connection_command(db->writer, "ROLLBACK", NULL))
        log_error("sqlite does not roll back", LOG_TEXT("database", db->base.name));
    return g_steal_pointer(&failure);
}

static void end_group_locked(SqliteDb *db, Group *group, GError *failure) REQUIRES(db->lock)
{
    db->group = NULL;
    group->failure = failure;
    group->is_done = TRUE;
    if (group->members == 0)
        group_free(group);
    condition_broadcast(&db->ended);
}

/* Waits as a member for the group's outcome. */
static gboolean wait_group_locked(SqliteDb *db, Group *group, GError **error) REQUIRES(db->lock)
{
    gboolean is_good;

    while (!group->is_done)
        condition_wait_until(&db->ended, &db->lock, G_MAXINT64);
    is_good = group->failure == NULL;
    if (!is_good && error)
        *error = g_error_copy(group->failure);
    if (--group->members == 0)
        group_free(group);
    return is_good;
}

/* Lets the writer go after this thread's part: a member of the group when it `stays`. Who does not
 * has seen what the members before it did, and will say so: that is committed first. */
static gboolean leave_writer(SqliteDb *db, gboolean stays, GError **error)
{
    gboolean is_good = TRUE, has_members;
    Group *group;

    mutex_lock(&db->lock);
    group = db->group;
    has_members = stays || group->members > 0;
    if (stays)
        group->members++;
    if (!sqlite_connection_in_transaction(db->writer) || (!stays && has_members) ||
        !may_grow_locked(db, group)) {
        GError *failure;
        mutex_unlock(&db->lock);
        failure = commit_group(db, has_members);
        mutex_lock(&db->lock);
        end_group_locked(db, group, failure);
    }
    pass_writer_locked(db);
    /* An ended group without members is freed, but this one is a member. */
    if (stays)
        is_good = wait_group_locked(db, group, error);
    mutex_unlock(&db->lock);
    return is_good;
}

/* ---- Transactions ---- */

/* Opens SQLite's transaction unless the group before left it open. */
static gboolean join_group(SqliteDb *db, GError **error)
{
    Group *group;

    if (db->group)
        return TRUE;
    if (!sqlite_connection_command(db->writer, "BEGIN IMMEDIATE", error))
        return FALSE;
    group = g_new0(Group, 1);
    group->began_us = clock_monotonic_us();
    db->group = group;
    return TRUE;
}

static void give_writer_back(SqliteDb *db)
{
    mutex_lock(&db->lock);
    pass_writer_locked(db);
    mutex_unlock(&db->lock);
}

static DbSession *begin(Db *self, GError **error)
{
    SqliteDb *db = (SqliteDb *)self;

    if (!take_writer(db, error))
        return NULL;
    if (!join_group(db, error)) {
        give_writer_back(db);
        return NULL;
    }
    if (!sqlite_connection_command(db->writer, "SAVEPOINT part", error)) {
        leave_writer(db, FALSE, NULL);
        return NULL;
    }
    return g_new0(DbSession, 1);
}

/* Takes back what this thread did; what the group did before stays. */
static void undo_part(SqliteDb *db)
{
    if (!sqlite_connection_in_transaction(db->writer))
        return;
    if (sqlite_connection_command(db->writer, "ROLLBACK TO part", NULL) &&
        sqlite_connection_command(db->writer, "RELEASE part", NULL))
        return;
    /* It cannot be taken back alone: nothing of the group may reach the disk. */
    log_error("sqlite does not take back a savepoint", LOG_TEXT("database", db->base.name));
    if (!sqlite_connection_command(db->writer, "ROLLBACK", NULL))
        log_error("sqlite does not roll back", LOG_TEXT("database", db->base.name));
}

static gboolean commit(Db *self, DbSession *session, GError **error)
{
    SqliteDb *db = (SqliteDb *)self;

    g_free(session);
    if (!sqlite_connection_command(db->writer, "RELEASE part", error)) {
        undo_part(db);
        leave_writer(db, FALSE, NULL);
        return FALSE;
    }
    return leave_writer(db, TRUE, error);
}

static void rollback(Db *self, DbSession *session)
{
    SqliteDb *db = (SqliteDb *)self;

    g_free(session);
    undo_part(db);
    leave_writer(db, FALSE, NULL);
}

/* ---- Readers ---- */

/* Takes an idle reader, or the right to open one (*reader NULL). */
static gboolean take_reader_locked(SqliteDb *db, SqliteConnection **reader) REQUIRES(db->lock)
{
    gint64 deadline_us = clock_monotonic_us() + clock_outside_us(DB_TURN_US);
    gboolean is_late = FALSE;

    while (!db->idle.head && db->readers == READERS_MAX) {
        if (is_late)
            return FALSE;
        is_late = !condition_wait_until(&db->returned, &db->lock, deadline_us);
    }
    *reader = g_queue_pop_tail(&db->idle); /* the one used last has the warmest cache */
    db->readers += *reader == NULL;
    return TRUE;
}

static void give_reader(SqliteDb *db, SqliteConnection *reader)
{
    mutex_lock(&db->lock);
    if (reader)
        g_queue_push_tail(&db->idle, reader);
    else
        db->readers--;
    condition_signal(&db->returned);
    mutex_unlock(&db->lock);
}

static SqliteConnection *take_reader(SqliteDb *db, GError **error)
{
    SqliteConnection *reader = NULL;
    gboolean may;

    mutex_lock(&db->lock);
    may = take_reader_locked(db, &reader);
    mutex_unlock(&db->lock);
    if (!may)
        error_set(error, ERROR_UNAVAILABLE, "sqlite: waited too long for a reader");
    if (may && !reader) {
        reader = sqlite_connection_open(db->path, SQLITE_CONNECTION_READER, error);
        if (!reader)
            give_reader(db, NULL);
    }
    return reader;
}

/* ---- Statements ---- */

static gboolean run_read(SqliteDb *db, const DbStatement *statement, DbRows *rows, GError **error)
{
    SqliteConnection *reader = take_reader(db, error);
    gboolean is_done;

    if (!reader)
        return FALSE;
    is_done = sqlite_connection_run(reader, statement, rows, NULL, error);
    give_reader(db, reader);
    return is_done;
}

static gboolean run_write(SqliteDb *db, const DbStatement *statement, DbRows *rows, gint64 *changed,
                          GError **error)
{
    gint64 written = 0;
    DbSession *session = begin(&db->base, error);

    if (!session)
        return FALSE;
    if (!sqlite_connection_run(db->writer, statement, rows, &written, error)) {
        rollback(&db->base, session);
        return FALSE;
    }
    if (!commit(&db->base, session, error))
        return FALSE;
    if (changed)
        *changed = written;
    return TRUE;
}

static gboolean run_in_session(SqliteDb *db, DbSession *session, const DbStatement *statement,
                               DbRows *rows, gint64 *changed, GError **error)
{
    if (session->is_lost)
        return error_set(error, ERROR_UNAVAILABLE, "sqlite: the transaction was lost");
    if (sqlite_connection_run(db->writer, statement, rows, changed, error))
        return TRUE;
    session->is_lost = !sqlite_connection_in_transaction(db->writer);
    return FALSE;
}

static gboolean run(Db *self, DbSession *session, const DbStatement *statement, DbRows *rows,
                    gint64 *changed, GError **error)
{
    SqliteDb *db = (SqliteDb *)self;

    if (session)
        return run_in_session(db, session, statement, rows, changed, error);
    if (statement->is_read)
        return run_read(db, statement, rows, error);
    return run_write(db, statement, rows, changed, error);
}

static gboolean script(Db *self, DbSession *session, const char *sql, GError **error)
{
    SqliteDb *db = (SqliteDb *)self;

    (void)session;
    return sqlite_connection_script(db->writer, sql, error);
}

static gboolean lock_name(Db *self, DbSession *session, const char *name, GError **error)
{
    /* The session has the only writer, and other processes wait for BEGIN IMMEDIATE. */
    (void)self;
    (void)session;
    (void)name;
    (void)error;
    return TRUE;
}

static gboolean ping(Db *self, GError **error)
{
    const DbStatement statement = {.sql = "SELECT 1 FROM sqlite_schema LIMIT 1", .is_read = TRUE};

    return run_read((SqliteDb *)self, &statement, NULL, error);
}

/* ---- The pool ---- */

static void close_pool(Db *self) UNCHECKED_SYNC
{
    SqliteDb *db = (SqliteDb *)self;

    g_assert(!db->is_taken && !db->group && db->idle.length == db->readers);
    while (db->idle.head)
        sqlite_connection_close(g_queue_pop_head(&db->idle));
    /* Last, so that it writes the log back into the file and removes it. */
    sqlite_connection_close(db->writer);
    condition_clear(&db->returned);
    condition_clear(&db->ended);
    mutex_clear(&db->lock);
    g_free(db->path);
    g_free(db);
}

static const DbOps sqlite_ops = {
    .kind = DB_SQLITE,
    .close = close_pool,
    .ping = ping,
    .run = run,
    .script = script,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .lock = lock_name,
};

/* A new file is ours alone; SQLite gives its log and shared memory the same mode. */
static gboolean make_file(const char *path, GError **error)
{
    int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    if (file >= 0)
        close(file);
    else if (errno != EEXIST)
        return error_set(error, ERROR_UNAVAILABLE, "make %s: %s", path, g_strerror(errno));
    return TRUE;
}

/* Some network file systems cannot hold the log; then SQLite works, but readers and the writer wait
 * for each other. */
static void warn_without_log(Db *db)
{
    const DbStatement statement = {.sql = "PRAGMA journal_mode"};
    g_autoptr(DbRows) rows = db_rows_new();

    if (sqlite_connection_run(((SqliteDb *)db)->writer, &statement, rows, NULL, NULL) &&
        db_rows_next(rows) && g_strcmp0(db_rows_text(rows, 0), "wal") != 0)
        log_warning("the file system keeps SQLite from its write-ahead log; it will be slow",
                    LOG_TEXT("database", db->name), LOG_TEXT("mode", db_rows_text(rows, 0)));
}

Db *sqlite_open(const char *path, GError **error)
{
    SqliteConnection *writer;
    SqliteDb *db;

    if (*path == '\0' || *path == ':') {
        error_set(error, ERROR_INVALID, "the database URL must be sqlite:PATH");
        return NULL;
    }
    if (!make_file(path, error))
        return NULL;
    writer = sqlite_connection_open(path, SQLITE_CONNECTION_WRITER, error);
    if (!writer)
        return NULL;
    db = g_new0(SqliteDb, 1);
    db->base.ops = &sqlite_ops;
    db->base.name = g_strconcat("sqlite:", path, NULL);
    db->path = g_strdup(path);
    db->writer = writer;
    mutex_init(&db->lock);
    condition_init(&db->ended);
    condition_init(&db->returned);
    warn_without_log(&db->base);
    return &db->base;
}
