/* Workspace tokens: minting, looking up, revoking, with the live ones in memory so that a check
 * costs no query.
 *
 * A token is 43 characters; the database keeps its SHA-256 and its first 8 characters. `origin`
 * says who asked for it: the server for provisioning ("provision"), a first register ("register"),
 * a user ("user"), a test ("test"); rotation at restart revokes only the first two (D6). A miss in
 * memory asks the database once (another replica may have minted it), a hit never does;
 * last_used_at is written at most once a minute. Thread: any. Lock: place 4 in base/sync.h. Source:
 * spec 03 sections 4.2, 5; ARCHITECTURE D6, D10. */
#pragma once

#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef struct _Tokens Tokens;

#define TOKEN_ORIGIN_PROVISION "provision"
#define TOKEN_ORIGIN_REGISTER  "register"
#define TOKEN_ORIGIN_USER      "user"
#define TOKEN_ORIGIN_TEST      "test"

Tokens *tokens_new(Db *db, GError **error);
void tokens_free(Tokens *tokens);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tokens, tokens_free)

/* Makes and stores a token. `generation` (0: none) is remembered so that a heartbeat of an older
 * container can be told apart (spec 02 F12). Inside a transaction of the calling thread it is part
 * of it: call tokens_forget(workspace) when that rolls back. Errors: ERROR_CONFLICT (unknown or
 * removed workspace), ERROR_SUPERSEDED (another generation is wished). */
gboolean tokens_mint(Tokens *tokens, const char *workspace_id, const char *origin,
                     gint64 generation, char token[CRYPTO_TOKEN_SIZE], GError **error);

/* The same for a user (origin `user`), in a transaction of its own that holds the cap.
 * Errors: ERROR_NOT_FOUND (no such live workspace), ERROR_OVER_LIMIT (TOKENS_PER_WORKSPACE live
 * ones). */
#define TOKENS_PER_WORKSPACE 50 /* spec 03, section 5.2 */
gboolean tokens_mint_for_user(Tokens *tokens, const char *workspace_id,
                              char token[CRYPTO_TOKEN_SIZE], GError **error);
/* Revokes one live token of the workspace, effective at once. `revoked` FALSE: there is none of
 * that id. */
gboolean tokens_revoke(Tokens *tokens, const char *workspace_id, const char *token_id,
                       gboolean *revoked, GError **error);

typedef struct {
    char id[ID_SIZE];
    char workspace_id[ID_SIZE];
    gint64 generation; /* 0: not bound to one */
} TokenOwner;

/* What memory alone knows: TRUE and the owner for a token seen before. For I/O threads; never the
 * last word. */
gboolean tokens_peek(Tokens *tokens, const char *token, TokenOwner *owner);

/* Whose live token is this? `found` says whether it is one at all. Error: ERROR_UNAVAILABLE (never
 * read it as "not valid"). */
gboolean tokens_check(Tokens *tokens, const char *token, TokenOwner *owner, gboolean *found,
                      GError **error);
/* Whether the workspace has a live token. */
gboolean tokens_has_live(Tokens *tokens, const char *workspace_id, gboolean *has, GError **error);
/* Whether any live workspace token exists anywhere. */
gboolean tokens_any_live(Tokens *tokens, gboolean *any, GError **error);

/* Revokes the server's own tokens (provision, register) of a workspace except those of
 * `keep_generation` (0: none kept). */
gboolean tokens_revoke_issued(Tokens *tokens, const char *workspace_id, gint64 keep_generation,
                              GError **error);
/* Revokes the server's own tokens that an attempt of `generation`, or an older one, was given: it
 * failed, and whoever took over may have delivered one already. */
gboolean tokens_revoke_attempt(Tokens *tokens, const char *workspace_id, gint64 generation,
                               GError **error);
/* After rows were revoked by other means (a delete's transaction) or rolled back: reads the
 * workspace's tokens again at the next use. */
void tokens_forget(Tokens *tokens, const char *workspace_id);
/* A function told of each workspace whose tokens changed (the hub closes its sockets). Before
 * threads start. */
void tokens_watch(Tokens *tokens, void (*changed)(const char *workspace_id, void *data),
                  void *data);
/* Writes last_used_at of tokens used since the last flush. */
gboolean tokens_flush(Tokens *tokens, GError **error);
