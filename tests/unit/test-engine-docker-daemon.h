/* A daemon that a test can tell what to do: HTTP on a Unix socket or loopback, one thread a
 * connection.
 *
 * Without rules it answers /_ping and /info well and everything else with 501. The first rule that
 * fits a request decides. It counts what it was asked. Only for tests; every failure of its own
 * aborts. */
#pragma once

#include "base/sync.h"

#include <string.h>

typedef enum {
    FAKE_ANSWER,         /* status, type, body */
    FAKE_HANG,           /* reads, and never answers */
    FAKE_CLOSE,          /* reads, and closes */
    FAKE_TRUNCATE,       /* promises one byte more than the body has, and closes */
    FAKE_STALL,          /* the same, and keeps the connection open */
    FAKE_DRIP,           /* the body byte by byte, 20 ms each, and then on with blanks */
    FAKE_FLOOD,          /* the body again and again, without an end */
    FAKE_GARBAGE,        /* no HTTP */
    FAKE_STREAM,         /* chunked: the body, and then open until somebody closes */
    FAKE_UPGRADE,        /* 101, the body, and closes */
    FAKE_ECHO,           /* 101, and gives back what comes */
    FAKE_SILENT_UPGRADE, /* 101, and nothing more */
} FakeMode;

typedef struct {
    const char *method;  /* NULL: any */
    const char *address; /* occurs in the request's path; NULL: any */
    FakeMode mode;
    guint status;
    const char *type;  /* NULL: application/json */
    const char *body;  /* NULL: empty */
    gsize body_length; /* 0: strlen */
    guint times;       /* 0: always; else the rule ends after so many requests */
} FakeRule;

typedef struct {
    char *folder, *path; /* of the socket */
    char *host;          /* for DOCKER_HOST */
    int fd;
    Thread *acceptor;
    Cancel *cancel;

    Mutex lock;    /* guards what follows */
    GArray *rules; /* FakeRule */
    GPtrArray *threads;
    GString *requests; /* "METHOD path\n" of all but pings */
    GString *auth;     /* values of X-Registry-Auth */
    guint connections, pings;
    guint api_minor;
} FakeDaemon;

FakeDaemon *fake_daemon_new(gboolean on_tcp);
void fake_daemon_free(FakeDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeDaemon, fake_daemon_free)

void fake_daemon_rule(FakeDaemon *daemon, const FakeRule *rule);
void fake_daemon_forget(FakeDaemon *daemon); /* rules and counts */
void fake_daemon_api(FakeDaemon *daemon, guint minor);
guint fake_daemon_count(FakeDaemon *daemon, const char *text); /* requests that hold `text` */
char *fake_daemon_auth_dup(FakeDaemon *daemon);
guint fake_daemon_connections(FakeDaemon *daemon);
