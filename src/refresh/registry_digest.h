/* Asks a registry which image stands behind a tag. Source: spec 02 section 15; the OCI distribution
 * specification. Thread: one asks; stop from any. */
#pragma once

#include "http/client.h"

typedef struct _RegistryDigests RegistryDigests;

/* `base`: "https://ghcr.io"; `service`: what the token is for, "ghcr.io"; `user` and `token`: both
 * or none. Texts are copied, the client is borrowed. */
RegistryDigests *registry_digests_new(HttpClient *client, const char *base, const char *service,
                                      const char *user, const char *token);
/* Ends a call under way and refuses further ones. */
void registry_digests_stop(RegistryDigests *registry);
void registry_digests_free(RegistryDigests *registry); /* NULL is fine */

/* The digest of the manifest, owned. Blocks for at most 10 s for each of its two calls. Errors:
 * ERROR_UNAVAILABLE, ERROR_FORBIDDEN, ERROR_NOT_FOUND, ERROR_INTERNAL; texts for the log. */
gboolean registry_digest_load(RegistryDigests *registry, const char *repository, const char *tag,
                              char **digest, GError **error);
