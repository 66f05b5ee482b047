#include "unit.h"

#include "cli/sample.h"
#include "cli/verbs.h"
#include "config/diag.h"
#include "record/record.h"
#include "util/alloc.h"

#include <stdlib.h>

enum { WORDS_MAX = 24 };

/* One command line, split at blanks; what it printed. */
struct said {
    char line[256], *argv[WORDS_MAX + 1];
    char *out, *err;
    size_t out_len, err_len;
    struct cli cli;
    int code, argc;
};

static void split(struct said *said, const char *line)
{
    snprintf(said->line, sizeof said->line, "weir %s", line);
    for (char *at = said->line; *at && said->argc < WORDS_MAX;) {
        said->argv[said->argc++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
    }
}

static void say(struct said *said, const char *line, char **environ_block, bool run)
{
    static char *nothing[] = {NULL};
    *said = (struct said){0};
    split(said, line);
    FILE *out = open_memstream(&said->out, &said->out_len);
    FILE *err = open_memstream(&said->err, &said->err_len);
    CHECK_FATAL(out && err);
    cli_init(&said->cli, out, err, environ_block ? environ_block : nothing);
    said->code = run ? cli_main(&said->cli, said->argc, said->argv)
                     : cli_parse(&said->cli, said->argc, said->argv);
    fclose(out);
    fclose(err);
}

static void said_done(struct said *said)
{
    cli_done(&said->cli);
    free(said->out);
    free(said->err);
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void options_are_read_in_all_their_forms(void)
{
    struct said said;

    say(&said,
        "--log-level debug check -c a.json --set x=1 --set=y=2 --strict --color=never -q -- --odd "
        "b",
        NULL, false);

    CHECK_INT(said.code, 0);
    CHECK_STR(said.cli.verb->name, "check");
    CHECK_STR(said.cli.log_level, "debug");
    CHECK_STR(said.cli.config_path, "a.json");
    CHECK_INT(said.cli.set_count, 2);
    CHECK_STR(said.cli.sets[0], "x=1");
    CHECK_STR(said.cli.sets[1], "y=2");
    CHECK(said.cli.strict && said.cli.quiet && !said.cli.verbose);
    CHECK_INT(cli_color(&said.cli), COLOR_NEVER);
    CHECK_INT(said.cli.arg_count, 2);
    CHECK_STR(said.cli.args[0], "--odd");
    CHECK_STR(said.cli.args[1], "b");
    said_done(&said);
}

static void environment_twins_stand_behind_flags(void)
{
    struct said said;
    char *block[] = {(char *)"WEIR_COUNT=7",
                     (char *)"WEIR_SEED=3",
                     (char *)"WEIR_PRICE_WALK=yes",
                     (char *)"WEIR_LOG_FORMAT=json",
                     (char *)"WEIR_HELP=1",
                     (char *)"WEIR_COLOR=",
                     NULL};

    say(&said, "sample --seed 9", block, false);

    CHECK_INT(said.code, 0);
    CHECK_INT(said.cli.count, 7);
    CHECK_INT(said.cli.seed, 9);
    CHECK(said.cli.price_walk && !said.cli.help);
    CHECK_STR(said.cli.log_format, "json");
    CHECK(said.cli.color == NULL);
    said_done(&said);

    block[0] = (char *)"WEIR_COUNT=many";
    say(&said, "sample", block, false);
    CHECK_INT(said.code, EXIT_USAGE);
    CHECK_STR(said.err, "weir: WEIR_COUNT wants a whole number, not \"many\"\n");
    said_done(&said);
}

static void usage_errors_are_short_and_helpful(void)
{
    static const char *const rows[][2] = {
        {"chekc", "weir: unknown verb \"chekc\". Did you mean \"check\"?\n"},
        {"smaple", "weir: unknown verb \"smaple\". Did you mean \"sample\"?\n"},
        {"plugin lst", "weir: unknown verb \"plugin lst\". Did you mean \"plugin list\"?\n"},
        {"plugin",
         "weir: \"plugin\" wants one more word\n      help: `weir help` shows the verbs.\n"},
        {"banana", "weir: unknown verb \"banana\"\n      help: `weir help` shows the verbs.\n"},
        {"check --strct", "weir: unknown option \"--strct\". Did you mean \"--strict\"?\n"},
        {"check --jsno=1", "weir: unknown option \"--jsno\". Did you mean \"--json\"?\n"},
        {"check --str", "weir: unknown option \"--str\" of check\n      help: `weir help check` "
                        "shows them all.\n"},
        {"check -x",
         "weir: unknown option \"-x\" of check\n      help: `weir help check` shows them all.\n"},
        {"check -cq",
         "weir: unknown option \"-cq\" of check\n      help: `weir help check` shows them all.\n"},
        {"check -c", "weir: -c wants a value: FILE\n"},
        {"check --strict=maybe", "weir: --strict is true or false, not \"maybe\"\n"},
        {"check --color=red", "weir: --color is one of auto|always|never, not \"red\"\n"},
        {"sample --count x", "weir: --count wants a whole number, not \"x\"\n"},
        {"sample --count 0", "weir: --count must be 1 to 10000000\n"},
        {"sample a b", "weir: sample does not take \"b\"\n"},
        {"plugin info", "weir: plugin info wants NAME|FILE\n"},
        {"version extra", "weir: version does not take \"extra\"\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct said said;
        say(&said, rows[i][0], NULL, true);
        CHECK_INT(said.code, EXIT_USAGE);
        CHECK_STR(said.err, rows[i][1]);
        CHECK_INT(said.out_len, 0);
        said_done(&said);
    }
}

static void every_verb_has_help(void)
{
    for (const struct verb *verb = verbs; verb->name; verb++) {
        struct said said;
        char line[64];
        snprintf(line, sizeof line, "help %s", verb->name);
        say(&said, line, NULL, true);
        CHECK_INT(said.code, 0);
        CHECK(strncmp(said.out + 5, verb->name, strlen(verb->name)) == 0);
        for (const struct cli_option *option = verb->options; option && option->name; option++)
            CHECK(strstr(said.out, option->name) != NULL);
        said_done(&said);
    }
}

static void front_help_version_and_codes(void)
{
    struct said said;
    say(&said, "", NULL, true);
    CHECK_INT(said.code, 0);
    CHECK_INT(lines(said.out), 10);
    said_done(&said);
    say(&said, "version --json", NULL, true);
    CHECK(strncmp(said.out, "{\"version\":\"", 12) == 0);
    said_done(&said);
    say(&said, "--version", NULL, true);
    CHECK(strncmp(said.out, "weir ", 5) == 0);
    said_done(&said);
    say(&said, "help W0101", NULL, true);
    CHECK(strncmp(said.out, "W0101: ", 7) == 0);
    said_done(&said);
    say(&said, "help W9999", NULL, true);
    CHECK_INT(said.code, EXIT_USAGE);
    said_done(&said);
}

static void codes_are_ordered_and_explained(void)
{
    for (const struct diag_code *code = diag_codes; code[1].code; code++) {
        CHECK(strcmp(code[0].code, code[1].code) < 0);
        CHECK(strlen(code->meaning) > 10);
        CHECK(code->remedy && strlen(code->remedy) > 10);
    }
}

static void log_levels_follow_flags_then_config(void)
{
    struct said said;
    say(&said, "check", NULL, false);
    CHECK_INT(cli_log_level(&said.cli, WEIR_LOG_WARN), WEIR_LOG_WARN);
    said_done(&said);
    say(&said, "check -v", NULL, false);
    CHECK_INT(cli_log_level(&said.cli, WEIR_LOG_WARN), WEIR_LOG_DEBUG);
    said_done(&said);
    say(&said, "check --log-level info -q", NULL, false);
    CHECK_INT(cli_log_level(&said.cli, WEIR_LOG_WARN), WEIR_LOG_INFO);
    said_done(&said);
}

/* ---- samples ---- */

/* Decodes what a sample verb printed: records, none of them poison. */
static struct batch *decode(const struct said *said)
{
    struct batch *batch = NULL;
    struct err err = {0};
    struct decode_options options = {.lines = true, .max_bytes = 16 << 20};
    char *bytes = mem_alloc(said->out_len + 64);
    CHECK_FATAL(bytes != NULL);
    memcpy(bytes, said->out, said->out_len);
    int rc = batch_decode(bytes, said->out_len, NULL, &options, &batch, &err);
    if (rc < 0)
        CHECK_STR(err.msg, "decoded");
    CHECK_FATAL(rc == 0);
    for (size_t i = 0; i < batch->record_count; i++)
        CHECK(batch->records[i]->poison == NULL);
    return batch;
}

static void samples_are_events_that_can_be_decoded(void)
{
    static const struct {
        const char *line;
        size_t lines, records;
    } rows[] = {
        {"sample", 1, 3},
        {"sample modify", 1, 1},
        {"sample insert,remove --count 5", 1, 5},
        {"sample modify --price-walk", 1, 20},
        {"sample --count 2001", 3, 2001},
        {"sample shop", 300, 300},
        {"sample shop --count 3", 3, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct said said;
        say(&said, rows[i].line, NULL, true);
        CHECK_INT(said.code, 0);
        CHECK_INT(lines(said.out), rows[i].lines);
        struct batch *batch = decode(&said);
        CHECK_INT(batch->read_count, rows[i].records);
        batch_unref(batch);
        said_done(&said);
    }
}

static void samples_are_the_same_for_the_same_seed(void)
{
    struct said one, two, other;
    say(&one, "sample shop --seed 5", NULL, true);
    say(&two, "sample shop --seed 5", NULL, true);
    say(&other, "sample shop --seed 6", NULL, true);
    CHECK_STR(one.out, two.out);
    CHECK(strcmp(one.out, other.out) != 0);
    said_done(&one);
    said_done(&two);
    said_done(&other);
}

static void a_price_walk_goes_from_each_price_to_the_next(void)
{
    struct said said;
    const struct record *last[8] = {0};
    size_t steps = 0;
    say(&said, "sample modify --price-walk --count 60", NULL, true);
    struct batch *batch = decode(&said);
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct record *record = batch->records[i];
        const struct node *old = value_path(record_image(record, WEIR_OLD), "price"),
                          *new = value_path(record_image(record, WEIR_NEW), "price");
        weir_str id = value_text(value_path(record_image(record, WEIR_KEYS), "product_id"));
        const struct record **slot = &last[id.ptr[1] & 7];
        CHECK(!value_equal(old, new));
        if (*slot && ++steps)
            CHECK(value_equal(old, value_path(record_image((*slot), WEIR_NEW), "price")));
        *slot = record;
    }
    CHECK(steps > 40);
    batch_unref(batch);
    said_done(&said);
}

static void the_shop_holds_every_trap(void)
{
    struct said said;
    size_t duplicates = 0, late = 0, twice = 0, same_number = 0, ttl = 0, hostile = 0, removes = 0;
    say(&said, "sample shop", NULL, true);
    struct batch *batch = decode(&said);
    for (size_t i = 1; i < batch->record_count; i++) {
        const struct record *record = batch->records[i], *before = batch->records[i - 1];
        const struct node *old = value_path(record_image(record, WEIR_OLD), "price"),
                          *new = value_path(record_image(record, WEIR_NEW), "price");
        duplicates +=
            str_eq(record_field(record, WEIR_F_SEQUENCE), record_field(before, WEIR_F_SEQUENCE));
        late += record->created_us < before->created_us;
        twice +=
            record->created_us == before->created_us &&
            !str_eq(record_field(record, WEIR_F_SEQUENCE), record_field(before, WEIR_F_SEQUENCE)) &&
            record->item_hash == before->item_hash;
        same_number +=
            old && new &&value_equal(old, new) && !str_eq(value_text(old), value_text(new));
        ttl += record->ttl_delete;
        removes += record->event == WEIR_REMOVE;
        weir_str name = value_text(value_path(record_image(record, WEIR_NEW), "name"));
        for (size_t c = 0; c < name.len; c++)
            hostile += (unsigned char)name.ptr[c] < ' ';
    }
    CHECK_INT(duplicates, 1);
    CHECK_INT(late, 1);
    CHECK(twice >= 1 && same_number == 1 && ttl == 1 && removes > 1 && hostile > 4);
    batch_unref(batch);
    said_done(&said);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"options_are_read_in_all_their_forms", options_are_read_in_all_their_forms},
        {"environment_twins_stand_behind_flags", environment_twins_stand_behind_flags},
        {"usage_errors_are_short_and_helpful", usage_errors_are_short_and_helpful},
        {"every_verb_has_help", every_verb_has_help},
        {"front_help_version_and_codes", front_help_version_and_codes},
        {"codes_are_ordered_and_explained", codes_are_ordered_and_explained},
        {"log_levels_follow_flags_then_config", log_levels_follow_flags_then_config},
        {"samples_are_events_that_can_be_decoded", samples_are_events_that_can_be_decoded},
        {"samples_are_the_same_for_the_same_seed", samples_are_the_same_for_the_same_seed},
        {"a_price_walk_goes_from_each_price_to_the_next",
         a_price_walk_goes_from_each_price_to_the_next},
        {"the_shop_holds_every_trap", the_shop_holds_every_trap},
        {0},
    };
    return unit_main(argc, argv, "cli", tests);
}
