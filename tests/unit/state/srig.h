/* A state file in a folder of its own, and a store on it over the virtual world. */
#ifndef WEIR_TESTS_SRIG_H
#define WEIR_TESTS_SRIG_H
#include "state/sqlite.h"
#include "unit.h"
#include "vworld.h"

struct srig {
    struct vworld world;
    struct sqlite_store *sqlite;
    struct store store;
    char folder[64], path[128];
    struct store_owner owner;
    int told;   /* times that changed() was called */
    bool owned; /* what it said last */
    char reason[512];
    int status[64]; /* of letters, in order */
    size_t answers;
    char logged[600]; /* the last line */
    size_t lines;
};

void srig_begin(struct srig *rig); /* nothing on disk yet, and owned by nobody */
void srig_end(struct srig *rig);
/* The process ends, with or without a release; a new one begins. */
void srig_reopen(struct srig *rig);
void srig_release(struct srig *rig);
bool srig_acquire(struct srig *rig);
int srig_save(struct srig *rig, const struct state_row *rows, size_t count, char reason[200]);
/* Rows as "kind sink stream shard position|" in order; -errno. */
int srig_load(struct srig *rig, char *text, size_t room, char reason[200]);
struct store_put srig_put_of(struct srig *rig, weir_str sequence, weir_str record, int attempts);
int srig_put(struct srig *rig, weir_str sequence, weir_str record, int attempts);
struct srig_keep { /* one value of a sink with the plugin "http" */
    struct store_keep keep;
    int told, status;
};
void srig_keep_of(struct srig_keep *out, const char *sink, weir_str key, weir_str bytes);
int srig_keep(struct srig *rig, struct srig_keep *one);
/* What was kept when the file was opened, as "key=value " in order; -errno. */
int srig_kept(struct srig *rig, const char *sink, const char *plugin, char *text, size_t room);
struct state_row srig_row(const char *sink, const char *shard, const char *position);
long long srig_ask(const struct srig *rig, const char *sql); /* on a connection of its own */
void srig_do(const struct srig *rig, const char *sql);
#endif
