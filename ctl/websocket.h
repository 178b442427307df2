/* The client's side of one WebSocket (RFC 6455) that is only listened to: wslay for the frames,
 * libcurl for the connection (names, TLS, proxies). Everything runs in the caller's thread. */
#pragma once

#include "api.h"

#define WEBSOCKET_MESSAGE_BYTES_MAX (32 * 1024 * 1024)

typedef struct _WebSocketClient WebSocketClient;

/* Connects and upgrades. `api` is borrowed: its target says where and with what token.
 * Errors: CTL_UNREACHABLE; CTL_REFUSED when the server answers with something else than the
 * upgrade. */
WebSocketClient *websocket_open(Api *api, const char *path, GError **error);
void websocket_free(WebSocketClient *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WebSocketClient, websocket_free)

/* Hands every text message to `message` until the connection ends; pings are answered meanwhile.
 * `message` returns FALSE to end the listening, and then so does this with TRUE.
 * Errors: CTL_REFUSED when the server closed it because of the token (1008), else CTL_UNREACHABLE.
 */
gboolean websocket_listen(WebSocketClient *socket,
                          gboolean (*message)(const char *text, gsize length, void *data),
                          void *data, GError **error);
