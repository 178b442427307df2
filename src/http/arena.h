/* Memory of one request: bump allocation, freed as a whole.
 *
 * The first block lies inside the owner's struct, so that a usual request costs one allocation.
 * Thread: its owner's. */
#pragma once

#include <glib.h>

typedef struct _ArenaBlock ArenaBlock;

typedef struct {
    char *at, *end;
    ArenaBlock *blocks; /* those beyond the first */
} Arena;

/* `first` is borrowed and must be aligned for any type. */
void arena_init(Arena *arena, void *first, gsize size);
void arena_clear(Arena *arena);
/* Not zeroed, aligned for any type; never fails. */
void *arena_take(Arena *arena, gsize size);
/* A copy of `length` bytes with a NUL behind. */
char *arena_text(Arena *arena, const char *bytes, gsize length);
