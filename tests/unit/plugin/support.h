/* What the plugin tests share: plugin files to tamper with, a world that stands still, a log. */
#ifndef WEIR_TESTS_PLUGIN_SUPPORT_H
#define WEIR_TESTS_PLUGIN_SUPPORT_H
#include "json/json.h"
#include "plugin/instance.h"
#include "unit.h"

#define PLUGINS TEST_BUILD "/tests/plugins"

/* An empty folder of its own for each test, below the build folder; removed with what it holds. */
struct folder {
    char path[512];
};
void folder_make(struct folder *folder);
void folder_remove(struct folder *folder);
/* Writes a file into it, mode 0644; returns the path in `out`. */
const char *folder_file(const struct folder *folder, const char *name, const void *bytes,
                        size_t len, char out[640]);
/* A copy of the test plugin `plugin` as NAME. */
const char *folder_plugin(const struct folder *folder, const char *plugin, const char *name,
                          char out[640]);

/* A clock and a worker that do nothing by themselves. */
struct still_world {
    struct world world;
    int64_t now_ms, wall_us;
    struct timer *timers[64];
    size_t timer_count;
    struct post *posts;
    struct work *works[64];
    size_t work_count;
    bool refuse_work, refuse_timer;
};
void still_world_init(struct still_world *still);
void still_advance(struct still_world *still, int64_t ms); /* fires what is due, in order */
void still_posts(struct still_world *still);               /* runs what was posted */
bool still_work(struct still_world *still);                /* runs and ends one work; false: none */

/* Collected log lines and option problems, one text line each. */
struct notes {
    struct buf text;
    unsigned problems;
    struct option_problem last;
};
void notes_init(struct notes *notes);
void notes_done(struct notes *notes);
const char *notes_text(struct notes *notes);
void notes_log(void *ctx, const char *sink, int32_t level, weir_str msg);
void notes_problem(void *arg, const struct option_problem *problem);

/* Loads PLUGINS/NAME.so; fails the test when it can't. */
struct plugin *load_plugin(const char *name);
/* JSON text to a tree in `arena`; fails the test when it is none. A member "${x}" is interpolated,
 * to "x", as the config does it: the text changes, the raw bytes do not. */
const struct json_value *json_of(struct arena *arena, const char *text);
/* An instance named "test"; fails the test when it can't be had. */
weir_instance *open_instance(struct plugin *plugin, const struct json_value *options,
                             const struct instance_services *services);

/* One sink of a test plugin and the board that its completions come to. on_completion writes
 * "INDEX OUTCOME REASON" lines to `notes`, with " last" behind the delivery's last. */
struct rig {
    struct still_world still;
    struct delivery_board board;
    struct notes notes;
    struct plugin *plugin;
    weir_instance *instance;
    struct arena arena;
    struct dead_info dead;   /* given to every record when dead.sink.ptr is set */
    weir_delivery *delivery; /* the latest; dangling once it has ended */
    size_t ended;
};
void rig_init(struct rig *rig, const char *plugin, const char *options);
void rig_done(struct rig *rig); /* closes; every delivery must have ended */
/* Decodes a Lambda event and delivers its records (record() or deliver()). Returns the token. */
uint64_t rig_deliver(struct rig *rig, const char *event);
void rig_drain(struct rig *rig); /* hands completions over */
/* A Lambda event of `count` MODIFY records e1, e2, ... */
const char *rig_event(unsigned count, struct buf *out);
#endif
