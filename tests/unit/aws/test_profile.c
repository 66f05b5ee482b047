#include "aws/profile.h"

#include "unit.h"
#include "util/alloc.h"
#include "util/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void list(void *arg, bool sso, weir_str section, weir_str key, weir_str value)
{
    struct buf *text = arg;
    if (key.len == 0)
        return;
    buf_printf(text, "%s%.*s.%.*s=%.*s|", sso ? "sso:" : "", STR_ARG(section), STR_ARG(key),
               STR_ARG(value));
}

/* Shapes and texts are those of the parser cases that the AWS SDKs share. */
static const struct {
    const char *config, *credentials, *expected, *error;
} cases[] = {
    {"", "", "", NULL},
    {"[profile foo]\nname = value", "", "foo.name=value|", NULL},
    {"[profile foo]\r\nname = value\r\n", "", "foo.name=value|", NULL},
    {"[profile \tfoo \t]\nname \t=  \tval=ue \t", "", "foo.name=val=ue|", NULL},
    {"[profile\tfoo]\nname =", "", "foo.name=|", NULL},
    {"\t \n[profile foo]\n\t\n \nname = value\n", "", "foo.name=value|", NULL},
    {"# c\n[profile foo] # c\nname = value # c with #", "", "foo.name=value|", NULL},
    {"; c\n[profile foo]; c\nname = value ; c", "", "foo.name=value|", NULL},
    {"[profile foo]\na = value; adjacent\nb = value# too", "",
     "foo.a=value; adjacent|foo.b=value# too|", NULL},
    {"[profile foo]\nname = value\n \t -continued \t \n -and # kept", "",
     "foo.name=value\n-continued\n-and # kept|", NULL},
    {"[profile foo]\nname = value\n[profile foo]\nname2 = value2", "",
     "foo.name=value|foo.name2=value2|", NULL},
    {"[profile foo]\nName = value\n[profile foo]\nname = value2", "", "foo.name=value2|", NULL},
    {"[profile default]\na = 1\n[default]\nb = 2", "", "default.a=1|", NULL},
    {"[default]\nb = 2\n[profile default]\na = 1", "[default]\nc = 3", "default.a=1|default.c=3|",
     NULL},
    {"[default]\nb = 2", "", "default.b=2|", NULL},
    {"[profile in valid]\nname = value", "[in valid 2]\nname2 = value2", "", NULL},
    {"[profile foo]\nin valid = value\n continued\nok = 1", "", "foo.ok=1|", NULL},
    {"[profile foo]\ns3 =\n name = value\n\t \n name2 = value2", "",
     "foo.s3=\nname = value\nname2 = value2|", NULL},
    {"[profile foo]\nname = value", "[foo]\nname = value2", "foo.name=value2|", NULL},
    {"[foo]\nname = value", "", "", NULL},
    {"", "[profile foo]\nname = value", "", NULL},
    {"[profilefoo]\nname = value", "", "", NULL},
    {"[   profile foo    ]\nname = value", "", "foo.name=value|", NULL},
    {"[sso-session foo]\nname = value", "", "sso:foo.name=value|", NULL},
    {"", "[sso-sessionfoo]\nname = value", "sso-sessionfoo.name=value|", NULL},
    {"[profile foo", "", NULL, "config, line 1: Profile definition must end with ']'"},
    {"name = value", "", NULL, "config, line 1: Expected a profile definition"},
    {" -continued", "", NULL, "config, line 1: Expected a profile definition"},
    {"[profile foo]\n= value", "", NULL, "config, line 2: Property did not have a name"},
    {"[profile foo]\nkey : value", "", NULL,
     "config, line 2: Expected an '=' sign defining a property"},
    {"[profile foo]\nname = value\n[profile foo]\n -continued", "", NULL,
     "config, line 4: Expected a property definition, found continuation"},
    {"[profile foo]\ns3 =\n invalid", "", NULL,
     "config, line 3: Expected an '=' sign defining a sub-property"},
    {"", "[foo]\ns3 =\n = value", NULL, "credentials, line 3: Sub-property did not have a name"},
};

static void files_are_read_as_every_sdk_reads_them(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct profiles *profiles = NULL;
        struct err err = {0};
        struct buf text;
        buf_init(&text, 4096);
        int rc =
            profiles_parse(str_of(cases[i].config), str_of(cases[i].credentials), &profiles, &err);
        if (cases[i].error) {
            CHECK_INT(rc, -EINVAL);
            CHECK_STR(err.msg, cases[i].error);
        } else {
            CHECK_INT(rc, 0);
            CHECK_FATAL(profiles != NULL);
            profiles_each(profiles, list, &text);
            CHECK_STR(buf_cstr(&text), cases[i].expected);
        }
        profiles_free(profiles);
        buf_done(&text);
    }
}

static void values_are_looked_up_by_profile_and_service(void)
{
    struct profiles *profiles = NULL;
    CHECK_INT(profiles_parse(STR("[profile a]\nservices = s\nregion = r1\n[services s]\n"
                                 "dynamodb =\n endpoint_url = http://d\n other = 1\n"
                                 "sqs =\n endpoint_url = http://q\n[profile empty]\n"),
                             STR("[a]\nregion = r2"), &profiles, NULL),
              0);
    CHECK(str_is(profiles_get(profiles, "a", "region"), "r2"));
    CHECK(!profiles_get(profiles, "a", "nothing").ptr);
    CHECK(!profiles_get(profiles, "b", "region").ptr);
    CHECK(profiles_has(profiles, "empty"));
    CHECK(!profiles_has(profiles, "s"));
    CHECK(str_is(profiles_service(profiles, "s", "dynamodb", "endpoint_url"), "http://d"));
    CHECK(str_is(profiles_service(profiles, "s", "sqs", "endpoint_url"), "http://q"));
    CHECK_INT(profiles_service(profiles, "s", "sns", "endpoint_url").len, 0);
    profiles_free(profiles);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK_FATAL(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void files_are_found_by_variable_or_home(void)
{
    char folder[] = "/tmp/weir-profile-XXXXXX", path[64], config[96], credentials[96], home[64];
    struct profiles *profiles = NULL;
    CHECK_FATAL(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/c", folder);
    write_text(path, "[profile p]\nregion = here\n");
    snprintf(config, sizeof config, "AWS_CONFIG_FILE=%s", path);
    snprintf(credentials, sizeof credentials, "AWS_SHARED_CREDENTIALS_FILE=%s/none", folder);
    snprintf(home, sizeof home, "HOME=%s", folder);

    char *named[] = {config, credentials, NULL};
    CHECK_INT(profiles_load(named, &profiles, NULL), 0);
    CHECK(str_is(profiles_get(profiles, "p", "region"), "here"));
    profiles_free(profiles);

    char *tilde[] = {(char *)"AWS_CONFIG_FILE=~/c", home, NULL};
    CHECK_INT(profiles_load(tilde, &profiles, NULL), 0);
    CHECK(str_is(profiles_get(profiles, "p", "region"), "here"));
    profiles_free(profiles);

    char *neither[] = {home, NULL};
    CHECK_INT(profiles_load(neither, &profiles, NULL), 0);
    CHECK(!profiles_has(profiles, "p"));
    profiles_free(profiles);

    struct err err;
    snprintf(config, sizeof config, "AWS_CONFIG_FILE=%s", folder); /* a folder can't be read */
    CHECK_INT(profiles_load(named, &profiles, &err), -EINVAL);
    CHECK(strstr(err.msg, folder) != NULL);
    unlink(path);
    rmdir(folder);
}

static void an_empty_variable_is_none(void)
{
    char *env[] = {(char *)"AB=2", (char *)"A=", (char *)"FLAG=True", NULL};
    CHECK(!env_text(env, "A"));
    CHECK(!env_text(env, "MISSING"));
    CHECK_STR(env_text(env, "AB"), "2");
    CHECK(env_true(env, "FLAG"));
    CHECK(!env_true(env, "AB"));
}

static void F72_parsing_fails_cleanly_without_memory(void)
{
    for (uint64_t n = 1; n <= 4; n++) {
        struct profiles *profiles = NULL;
        mem_fail_at(n);
        CHECK_INT(profiles_parse(STR("[default]\na = 1"), STR("[b]\nc = 2"), &profiles, NULL),
                  -ENOMEM);
        mem_fail_at(0);
        CHECK(!profiles);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(files_are_read_as_every_sdk_reads_them),
    TEST(values_are_looked_up_by_profile_and_service),
    TEST(files_are_found_by_variable_or_home),
    TEST(an_empty_variable_is_none),
    TEST(F72_parsing_fails_cleanly_without_memory),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_profile", tests);
}
