/* Who is calling, and may they? Every decision on a route's class is taken here, from plain values.
 *
 * A caller is worked out once a request from its bearer; then one pure function per class says yes
 * or which refusal. The route table names the class, so that what a route admits can be read in one
 * place (ARCHITECTURE idea 3). Closed by default: without a credential nobody is anybody. The
 * reference's openness exists only while MOLECULE_ENV is development and no ADMIN_TOKEN is set, and
 * only for callers on this machine or a private network. A database that cannot be asked is
 * ERROR_UNAVAILABLE, never "not valid" (D10). Source: spec 03 sections 4.1 to 4.4, 5.5;
 * ARCHITECTURE D1, D2, D3, D10. Thread: workers. */
#pragma once

#include "auth/tokens.h"
#include "base/config.h"

typedef struct _Access Access;

/* `admin_token` is the one in force (given or made at the first start). Pointers are borrowed until
 * access_free. */
Access *access_new(const Config *config, const char *admin_token, Db *db, Tokens *tokens);
void access_free(Access *access); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Access, access_free)

typedef enum {
    CALLER_NOBODY,
    CALLER_OPEN,      /* development's open door */
    CALLER_ADMIN,     /* the administrator's token */
    CALLER_ORG,       /* an organisation token */
    CALLER_WORKSPACE, /* a live token of `workspace` */
} CallerKind;

typedef struct {
    CallerKind kind;
    gboolean has_bearer;   /* something was presented, valid or not */
    gboolean at_open_door; /* development's open door would let this peer in */
    TokenOwner workspace;  /* CALLER_WORKSPACE */
    char org_prefix[9];    /* CALLER_ORG: first characters of its token */
    char org_id[ID_SIZE];  /* CALLER_ORG: "" when it belongs to none */
} Caller;

/* The token of an Authorization header: "Bearer ", then the rest without blanks around it. NULL
 * when there is none. Caller owns it. Source: spec 03, 4.1 (P1). */
char *access_bearer_dup(const char *header);
/* Works out who carries `bearer` (NULL: none). `is_near`: the peer is on this machine or a private
 * network. */
gboolean access_identify(Access *access, const char *bearer, gboolean is_near, Caller *caller,
                         GError **error);
/* Whether the bearer is the administrator's. Constant time; memory only. */
gboolean access_is_admin_token(const Access *access, const char *bearer);
/* Whether development's open door is open at all. */
gboolean access_is_open(const Access *access);

/* Whether the caller has authority over every workspace: administrator, organisation, open door. */
gboolean caller_is_operator(const Caller *caller);

/* The classes. FALSE sets ERROR_UNAUTHENTICATED or ERROR_FORBIDDEN with the sentence for the
 * client. */
gboolean access_check_admin(const Caller *caller, GError **error);
/* `workspace_id`: the folded id of the path. */
gboolean access_check_workspace(const Caller *caller, const char *workspace_id, GError **error);
/* Reading one workspace (D3): also by those who may talk to it; `may_talk` is asked for a
 * workspace's own token only. */
gboolean access_check_read(const Access *access, const Caller *caller, const char *workspace_id,
                           gboolean (*may_talk)(const char *caller, const char *target, void *data),
                           void *data, GError **error);
