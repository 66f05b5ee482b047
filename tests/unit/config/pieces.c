#include "unit.h"

#include "config/endpoint.h"
#include "config/interpolate.h"
#include "config/load.h"
#include "config/tree.h"
#include "config/units.h"

#include <string.h>

static void timestamps_are_read_exactly(void)
{
    static const struct {
        const char *text;
        long long us;
        int rc;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2026-01-15T10:00:00Z", 1768471200000000, 0},
        {"2026-11-22T22:21:14.031Z", 1795386074031000, 0},
        {"2024-02-29T00:00:00.000001Z", 1709164800000001, 0},
        {"2023-02-29T00:00:00Z", 0, -1},
        {"2100-02-29T00:00:00Z", 0, -1},
        {"2026-13-01T00:00:00Z", 0, -1},
        {"2026-01-15T24:00:00Z", 0, -1},
        {"2026-01-15T10:00:00", 0, -1},
        {"2026-01-15T10:00:00.Z", 0, -1},
        {"2026-01-15T10:00:00.1234567Z", 0, -1},
        {"2026-01-15 10:00:00Z", 0, -1},
        {"", 0, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t us = 0;
        CHECK_INT(timestamp_parse(str_of(rows[i].text), &us) < 0 ? -1 : 0, rows[i].rc);
        CHECK_INT(us, rows[i].us);
    }
}

static void units_are_shown_as_they_are_written(void)
{
    char text[24];
    duration_show(604800000, text);
    CHECK_STR(text, "168h");
    duration_show(90000, text);
    CHECK_STR(text, "90s");
    duration_show(0, text);
    CHECK_STR(text, "0ms");
    size_show(64ll << 20, text);
    CHECK_STR(text, "64MiB");
    size_show(1025, text);
    CHECK_STR(text, "1025B");
}

static void S13_endpoints_that_may_not_be_named_are_refused(void)
{
    static const struct {
        const char *url;
        bool allow_http;
        const char *word; /* of the reason; NULL = fine */
    } rows[] = {
        {"https://dynamodb.eu-west-1.amazonaws.com", false, NULL},
        {"http://127.0.0.1:8000", false, NULL},
        {"http://localhost:8000/", false, NULL},
        {"http://[::1]:8000", false, NULL},
        {"http://[::ffff:127.0.0.1]:8000", false, NULL},
        {"http://10.0.0.7:8000", true, NULL},
        {"http://10.0.0.7:8000", false, "plain http"},
        {"http://localhost.example.com", false, "plain http"},
        {"http://127.0.0.1.example.com", false, "plain http"},
        {"https://169.254.169.254/", false, "metadata"},
        {"http://169.254.170.2", true, "metadata"},
        {"https://2852039166", false, "metadata"},
        {"https://0xa9fea9fe/", false, "metadata"},
        {"https://[fe80::1]", false, "metadata"},
        {"https://[fd00:ec2::254]", false, "metadata"},
        {"https://[::ffff:169.254.169.254]", false, "metadata"},
        {"https://METADATA.google.internal", false, "metadata"},
        {"https://user@example.com", false, "user information"},
        {"https://user:pw@example.com", false, "user information"},
        {"ftp://example.com", false, "begin with"},
        {"example.com", false, "begin with"},
        {"https://", false, "no host"},
        {"https://:80", false, "no host"},
        {"https://[::1", false, "no host"},
        {"https://example.com:", false, "port"},
        {"https://example.com:0", false, "port"},
        {"https://example.com:65536", false, "port"},
        {"https://example.com:8o", false, "port"},
        {"https://exa mple.com", false, "blank"},
        {"https://example.com\r\nX: y", false, "control"},
        {"https://example.com/\xc3\xa9", false, "ASCII"},
        {"", false, "begin with"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *problem = endpoint_problem(str_of(rows[i].url), rows[i].allow_http);
        bool right = rows[i].word ? problem && strstr(problem, rows[i].word) : !problem;
        CHECK(right);
        if (!right)
            printf("\n    %s: %s", rows[i].url, problem ? problem : "accepted");
    }
}

/* ---- interpolation ---- */

static char *environ_block[] = {(char *)"NAME=value", (char *)"EMPTY=", (char *)"NUMBER=12",
                                (char *)"LOOP=${NAME}", NULL};

/* The text that a value written as `written` (JSON) gets, or the code of the first problem. */
static void check_interpolated(const char *written, const char *expected)
{
    struct arena arena;
    struct diags diags;
    struct json_error error;
    char text[256];
    arena_init(&arena, 1024);
    diags_init(&diags);
    snprintf(text, sizeof text, "{\"k\": %s}", written);
    diags_add_text(&diags, "test", str_of(text));
    struct json_value *root = json_parse(&arena, str_of(text), 0, 0, &error);
    CHECK_FATAL(root != NULL);
    struct interpolation in = {&arena, &diags, environ_block, TEST_DATA "/config"};

    CHECK_INT(interpolate(&in, root), 0);

    const char *result = diags.count ? diags.items[0]->code : arena_text(&arena, root->first->text);
    CHECK_STR(result, expected);
    diags_done(&diags);
    arena_done(&arena);
}

static void interpolation_follows_its_grammar(void)
{
    static const char *const rows[][2] = {
        {"\"plain\"", "plain"},
        {"\"${NAME}\"", "value"},
        {"\"a-${NAME}-${NUMBER}\"", "a-value-12"},
        {"\"${EMPTY}\"", ""},
        {"\"${EMPTY:-other}\"", "other"},
        {"\"${UNSET:-}\"", ""},
        {"\"${UNSET:-${NAME}}\"", "value"},
        {"\"${UNSET:-a:-b}\"", "a:-b"},
        {"\"$$\"", "$"},
        {"\"$${NAME}\"", "${NAME}"},
        {"\"cost $5\"", "cost $5"},
        {"\"$\"", "$"},
        {"\"${LOOP}\"", "${NAME}"}, /* what came from outside is not read again */
        {"\"${file:secret.bytes}\"", "hunter2hunter2"},
        {"\"${file:${UNSET:-secret.bytes}}\"", "hunter2hunter2"},
        {"\"${UNSET}\"", "W0110"},
        {"\"${}\"", "W0111"},
        {"\"${NAME\"", "W0111"},
        {"\"${9}\"", "W0111"},
        {"\"${a b}\"", "W0111"},
        {"\"${A:-${A:-${A:-${A:-${A:-${A:-x}}}}}}\"", "W0111"},
        {"\"${file:}\"", "W0112"},
        {"\"${file:absent}\"", "W0112"},
        {"\"${file:not-utf8.json}\"", "W0112"},
        {"12", "12"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_interpolated(rows[i][0], rows[i][1]);
}

/* ---- --set ---- */

/* The JSON at `path` after one --set argument on a small tree, or the code of the problem. */
static void check_set(const char *argument, const char *path, const char *expected)
{
    static const char text[] = "{\"source\":{\"kind\":\"file\",\"tables\":[\"A\",\"B\"]}}";
    struct arena arena;
    struct diags diags;
    struct json_error error;
    arena_init(&arena, 1024);
    diags_init(&diags);
    struct json_value *root = json_parse(&arena, str_of(text), 0, 0, &error);
    diags_add_text(&diags, "--set", str_of(argument));

    CHECK_INT(tree_set(&arena, root, str_of(argument), &diags), 0);

    const struct json_value *at = root;
    char part[64];
    while (*path && at) {
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        at = at->kind == JSON_ARRAY ? json_at(at, (size_t)(part[0] - '0')) : json_member0(at, part);
        path += len + (path[len] == '.');
    }
    const char *shown = diags.count ? diags.items[0]->code
                        : at        ? arena_text(&arena, at->raw)
                                    : "absent";
    CHECK_STR(shown, expected);
    diags_done(&diags);
    arena_done(&arena);
}

static void set_overrides_one_value(void)
{
    check_set("source.kind=poll", "source.kind", "poll");
    check_set("source.kind=\"poll\"", "source.kind", "\"poll\"");
    check_set("source.batch_size=10", "source.batch_size", "10");
    check_set("source.tables=[\"C\"]", "source.tables.0", "\"C\"");
    check_set("source.tables.1=C", "source.tables.1", "C");
    check_set("sinks.a.config.url=http://x/?a=b", "sinks.a.config.url", "http://x/?a=b");
    check_set("a.b.c={\"d\":[1]}", "a.b.c.d", "[1]");
    check_set("name=", "name", "");
    check_set("name", "", "W0113");
    check_set("=1", "", "W0113");
    check_set("a..b=1", "", "W0113");
    check_set("source.kind.x=1", "", "W0113");
    check_set("source.tables.7=C", "", "W0113");
    check_set("source.tables.x=C", "", "W0113");
    check_set("a={\"b\":}", "", "W0001");
    check_set("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1", "", "W0113");
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"timestamps_are_read_exactly", timestamps_are_read_exactly},
        {"units_are_shown_as_they_are_written", units_are_shown_as_they_are_written},
        {"S13_endpoints_that_may_not_be_named_are_refused",
         S13_endpoints_that_may_not_be_named_are_refused},
        {"interpolation_follows_its_grammar", interpolation_follows_its_grammar},
        {"set_overrides_one_value", set_overrides_one_value},
        {0},
    };
    return unit_main(argc, argv, "config_pieces", tests);
}
