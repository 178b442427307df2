/* The Docker engine over TLS: certificates from a folder, both directions, half-closed streams,
 * terminals through their carrier. A small TLS server stands in front of the daemon that does as it
 * is told, and passes everything on. */
#include "engine/docker/docker.h"
#include "test-engine-docker-daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME_ONE "\x01\0\0\0\0\0\0\x04one\n"

typedef struct {
    FakeDaemon *daemon;
    char *folder, *host;
    SSL_CTX *context;
    int fd;
    Cancel *cancel;
    Thread *acceptor;
    GPtrArray *threads; /* the acceptor's until it is joined */
} World;

typedef struct {
    World *world;
    int fd;
} Passage;

/* ---- One key for everybody: authority, server and client ---- */

static char *file_of(World *world, const char *name)
{
    return g_build_filename(world->folder, name, NULL);
}

static void write_pem(World *world, const char *name, X509 *certificate, EVP_PKEY *key)
{
    g_autofree char *path = file_of(world, name);
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_true(certificate ? PEM_write_X509(file, certificate)
                              : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
}

static X509 *certificate_new(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_EXTENSION *address = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const guchar *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    X509_add_ext(certificate, address, -1);
    X509_EXTENSION_free(address);
    g_assert_cmpint(X509_sign(certificate, key, EVP_sha256()), >, 0);
    return certificate;
}

static void make_certificates(World *world)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_new(key);

    write_pem(world, "ca.pem", certificate, NULL);
    write_pem(world, "cert.pem", certificate, NULL);
    write_pem(world, "key.pem", NULL, key);
    world->context = SSL_CTX_new(TLS_server_method());
    g_assert_cmpint(SSL_CTX_use_certificate(world->context, certificate), ==, 1);
    g_assert_cmpint(SSL_CTX_use_PrivateKey(world->context, key), ==, 1);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(world->context), certificate);
    SSL_CTX_set_verify(world->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* ---- Passing on ---- */

static int connect_daemon(World *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, world->daemon->path, sizeof address.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

/* FALSE: the client is gone. A closing alert only ends its own direction. */
static gboolean pass_in(SSL *ssl, int daemon, gboolean *is_open)
{
    char piece[8192];
    int length = SSL_read(ssl, piece, sizeof piece);

    if (length > 0)
        return send(daemon, piece, (gsize)length, MSG_NOSIGNAL) == length;
    if (SSL_get_error(ssl, length) != SSL_ERROR_ZERO_RETURN)
        return FALSE;
    shutdown(daemon, SHUT_WR);
    *is_open = FALSE;
    return TRUE;
}

static gboolean pass_out(SSL *ssl, int daemon)
{
    char piece[8192];
    gssize length = recv(daemon, piece, sizeof piece, 0);

    return length > 0 && SSL_write(ssl, piece, (int)length) == length;
}

static void pass_all(Passage *passage, SSL *ssl, int daemon)
{
    gboolean goes_on = TRUE;
    gboolean is_open = TRUE;

    while (goes_on) {
        struct pollfd watch[] = {
            {.fd = is_open ? passage->fd : -1, .events = POLLIN},
            {.fd = daemon, .events = POLLIN},
            {.fd = cancel_fd(passage->world->cancel), .events = POLLIN},
        };
        if (is_open && SSL_pending(ssl) > 0)
            watch[0].revents = POLLIN;
        else
            poll(watch, 3, -1);
        if (watch[0].revents)
            goes_on = pass_in(ssl, daemon, &is_open);
        if (goes_on && watch[1].revents)
            goes_on = pass_out(ssl, daemon);
        goes_on = goes_on && !watch[2].revents;
    }
}

static void pass(void *data)
{
    Passage *passage = data;
    SSL *ssl = SSL_new(passage->world->context);

    SSL_set_fd(ssl, passage->fd);
    if (SSL_accept(ssl) == 1) {
        int daemon = connect_daemon(passage->world);
        pass_all(passage, ssl, daemon);
        SSL_shutdown(ssl);
        close(daemon);
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(passage->fd);
    g_free(passage);
}

static void accept_all(void *data)
{
    World *world = data;

    for (;;) {
        struct pollfd watch[] = {
            {.fd = world->fd, .events = POLLIN},
            {.fd = cancel_fd(world->cancel), .events = POLLIN},
        };
        poll(watch, 2, -1);
        if (watch[1].revents)
            return;
        Passage *passage = g_new0(Passage, 1);
        passage->world = world;
        passage->fd = accept4(world->fd, NULL, NULL, SOCK_CLOEXEC);
        g_ptr_array_add(world->threads, thread_start("tls", pass, passage));
    }
}

/* ---- The world ---- */

static void listen_tls(World *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    world->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(world->fd, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(world->fd, 16), ==, 0);
    g_assert_cmpint(getsockname(world->fd, (struct sockaddr *)&address, &length), ==, 0);
    world->host = g_strdup_printf("tcp://127.0.0.1:%d", ntohs(address.sin_port));
}

static void set_up(World *world, gconstpointer data)
{
    (void)data;
    world->daemon = fake_daemon_new(FALSE);
    world->folder = g_dir_make_tmp("docker-tls-XXXXXX", NULL);
    world->cancel = cancel_new();
    world->threads = g_ptr_array_new();
    make_certificates(world);
    listen_tls(world);
    world->acceptor = thread_start("tls", accept_all, world);
}

static void tear_down(World *world, gconstpointer data)
{
    static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};

    (void)data;
    cancel_fire(world->cancel);
    thread_join(world->acceptor);
    for (guint i = 0; i < world->threads->len; i++)
        thread_join(world->threads->pdata[i]);
    g_ptr_array_unref(world->threads);
    close(world->fd);
    fake_daemon_free(world->daemon);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = file_of(world, files[i]);
        g_unlink(path);
    }
    g_rmdir(world->folder);
    SSL_CTX_free(world->context);
    cancel_unref(world->cancel);
    g_free(world->folder);
    g_free(world->host);
}

static Engine *open_engine(World *world)
{
    DockerSettings settings = {
        .host = world->host,
        .cert_path = world->folder,
        .tls_verify = TRUE,
    };
    g_autoptr(GError) error = NULL;
    Engine *engine = engine_docker_open(&settings, &error);

    g_assert_no_error(error);
    return engine;
}

static void rule(World *world, FakeMode mode, const char *address, guint status, const char *body)
{
    FakeRule made = {.address = address, .mode = mode, .status = status, .body = body};
    fake_daemon_rule(world->daemon, &made);
}

static void plan_exec(World *world)
{
    rule(world, FAKE_ANSWER, "/containers/box/exec", 201, "{\"Id\":\"e1\"}");
    rule(world, FAKE_ECHO, "/exec/e1/start", 101, NULL);
    rule(world, FAKE_ANSWER, "/exec/e1/json", 200, "{\"Running\":false,\"ExitCode\":0}");
    rule(world, FAKE_ANSWER, "/exec/e1/resize", 200, NULL);
}

/* ---- The cases ---- */

static void test_answers(World *world, gconstpointer data)
{
    g_autoptr(Engine) engine = open_engine(world);
    g_autoptr(EngineInfo) info = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    engine_info(engine, &info, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(info->id, ==, "fake-daemon");
}

static void test_unknown_authority(World *world, gconstpointer data)
{
    g_autoptr(Engine) engine = NULL;
    g_autoptr(GError) error = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *other = certificate_new(key);

    (void)data;
    write_pem(world, "ca.pem", other, NULL);
    engine = open_engine(world);
    g_assert_false(engine_ping(engine, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
    X509_free(other);
    EVP_PKEY_free(key);
}

/* The echo gives the input back as the program's frames, and ends when the input does. */
static void test_exec_input_ends(World *world, gconstpointer data)
{
    g_autoptr(Engine) engine = open_engine(world);
    g_autoptr(GString) frames = g_string_new(NULL);
    g_autoptr(GBytes) input = NULL;
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    ExecSpec spec = {
        .argv = (const char *const[]){"cat", NULL},
        .max_output_bytes = 1 << 20,
        .timeout_ms = 10000,
    };

    (void)data;
    plan_exec(world);
    for (int i = 0; i < 10000; i++)
        g_string_append_len(frames, FRAME_ONE, sizeof FRAME_ONE - 1);
    input = g_bytes_new(frames->str, frames->len);
    spec.input = input;
    engine_exec(engine, "box", &spec, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(result->output->len, ==, 40000);
}

static gsize move(int fd, const char *out, gsize length, GString *in)
{
    struct pollfd watch = {.fd = fd, .events = (short)(length ? POLLIN | POLLOUT : POLLIN)};
    char piece[4096];
    gssize sent = 0, received;

    g_assert_cmpint(poll(&watch, 1, 10000), ==, 1);
    if (watch.revents & POLLOUT)
        sent = send(fd, out, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (watch.revents & POLLIN && (received = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
        g_string_append_len(in, piece, received);
    return sent > 0 ? (gsize)sent : 0;
}

static void test_terminal_both_ways(World *world, gconstpointer data)
{
    g_autoptr(Engine) engine = open_engine(world);
    g_autoptr(GString) in = g_string_new(NULL);
    g_autofree char *out = g_strnfill(300000, 'o');
    AttachSpec spec = {.argv = (const char *const[]){"sh", NULL}, .columns = 80, .rows = 24};
    EngineSession *session = NULL;
    g_autoptr(GError) error = NULL;
    gsize sent = 0;

    (void)data;
    plan_exec(world);
    engine_attach(engine, "box", &spec, &session, &error);
    g_assert_no_error(error);
    while (in->len < 300000)
        sent += move(engine_session_fd(engine, session), out + sent, 300000 - sent, in);
    g_assert_cmpuint(in->len, ==, 300000);
    g_assert_cmpstr(in->str, ==, out);
    g_assert_true(engine_session_resize(engine, session, 100, 30, NULL));
    fake_daemon_forget(world->daemon); /* the exec that would end the program is refused */
    engine_session_free(engine, session);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/engine-docker/tls/" path_, World, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("answers", test_answers);
    ADD("unknown-authority", test_unknown_authority);
    ADD("exec-input-ends", test_exec_input_ends);
    ADD("terminal-both-ways", test_terminal_both_ways);
    return g_test_run();
}
