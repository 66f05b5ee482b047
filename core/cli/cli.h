/* What the command line said: filled from the verb table's options by cli_parse. */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H
#include "observe/log.h"
#include "util/arena.h"
#include "util/buf.h"
#include <stdio.h>

/* Exit codes, as documented in UX; 128 + n is a signal's. */
enum {
    EXIT_DONE = 0,
    EXIT_NO = 1, /* ran, and the answer is no */
    EXIT_USAGE = 2,
    EXIT_GAP = 65,
    EXIT_UNAVAILABLE = 69,
    EXIT_SOFTWARE = 70,
    EXIT_CANTCREATE = 73,
    EXIT_TEMPFAIL = 75,
    EXIT_NOPERM = 77,
    EXIT_CONFIG = 78
};

enum { COLOR_AUTO = -1, COLOR_NEVER, COLOR_ALWAYS };

/* What `weir demo` runs instead of a configuration and a file. */
struct demo {
    const char *config;
    weir_str records;
    int pace_ms; /* between two of them */
};

struct verb;
struct cli {
    FILE *out, *err;
    char **environ_block; /* never NULL */
    const struct verb *verb;
    struct arena arena; /* of the lists below */
    bool lambda;        /* AWS_LAMBDA_RUNTIME_API is set */

    /* every verb */
    const char *config_path; /* -c; NULL = search (WEIR_CONFIG is part of the search) */
    const char *const *sets; /* --set, in order */
    size_t set_count;
    const char *plugin;     /* --plugin, as given */
    const char *log_level;  /* NULL = the config's */
    const char *log_format; /* "auto", "text", "json", NULL = the config's */
    const char *color;      /* "auto", "always", "never" */
    bool quiet, verbose, json, help, version;

    /* run */
    const struct demo *demo; /* NULL but in the demo */
    const char *from;
    bool once, dry_run, watch_config, require_healthy;
    /* check */
    bool strict, probe;
    /* sample */
    int64_t count, seed;
    bool price_walk;

    /* config init, explain, test, tap */
    const char *sinks, *record, *filter, *junit;
    bool tap;

    /* plan */
    int64_t per_day, shards;

    /* plugin check, plugin new */
    const char *options, *lang, *kind;
    int64_t records; /* bench */

    /* dead, shards */
    const char *sink, *stream, *shard;
    int64_t limit;
    bool all;

    /* status, top, tap */
    const char *socket, *event;
    int64_t interval_s;

    /* lambda */
    const char *bootstrap, *table, *key;
    const char *esm, *on_failure, *function;
    int64_t timeout_s;
    bool sam;

    const char *const *args; /* positional, NULL-terminated */
    size_t arg_count;
};

/* Parses argv[1..] and the environment twins into *cli. 0, or an exit code after a message of at
 * most three lines on cli->err. */
int cli_parse(struct cli *cli, int argc, char **argv);
void cli_init(struct cli *cli, FILE *out, FILE *err, char **environ_block);
void cli_done(struct cli *cli);
/* Parses, then runs the verb: the exit code of the process. */
int cli_main(struct cli *cli, int argc, char **argv);

/* The level asked for by --log-level, -q, -v, or `fallback` (the config's). */
int cli_log_level(const struct cli *cli, int fallback);
/* The log as flags and config want it. `format` is the config's. NULL when out of memory. */
struct log *cli_log_new(const struct cli *cli, int level, const char *format, struct clock *clock);
int cli_color(const struct cli *cli); /* COLOR_* */
/* Whether standard output gets colour: as asked, else on a terminal (NO_COLOR, TERM=dumb). */
bool cli_colors(const struct cli *cli);
/* Prints "weir: ..." and an optional second line; returns `code`. */
int cli_fail(const struct cli *cli, int code, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Writes a whole buffer; false when the stream failed (a closed pipe). */
bool cli_write(FILE *file, struct buf *text);

struct config_request;
/* The request that the flags describe: config_load(&request, ...). */
void cli_config_request(const struct cli *cli, struct config_request *request);
#endif
