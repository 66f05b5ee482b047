/* The XML of query services: one value out of it, and all of it as JSON. */
#include "aws/xml.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>

static const struct {
    const char *xml, *path, *text; /* NULL: the code */
    int code;
} rows[] = {
    {"<A><B>x</B></A>", "A/B", "x", 0},
    {"<?xml version=\"1.0\"?>\n<!-- > --><A xmlns=\"u\"><B> x\n</B></A>\n", "A/B", " x\n", 0},
    {"<A><B></B></A>", "A/B", "", 0},
    {"<A><C>no</C><B>x</B><B>y</B></A>", "A/B", "x", 0},
    {"<A><C><B>no</B></C><B>x</B></A>", "A/B", "x", 0},
    {"<A><B><C>no</C>x</B></A>", "A/B", NULL, -ENOENT},
    {"<A><B/></A>", "A/B", NULL, -ENOENT},
    {"<A><B >x</B\n></A>", "A/B", "x", 0},
    {"<A><BB>x</BB></A>", "A/B", NULL, -ENOENT},
    {"<A>x</A>", "A", "x", 0},
    {"<A/>", "A", NULL, -ENOENT},
    {"<A>x</A>", "A/B", NULL, -ENOENT},
    {"", "A", NULL, -EINVAL},
    {"x", "A", NULL, -EINVAL},
    {"<", "A", NULL, -EINVAL},
    {"<>", "A", NULL, -EINVAL},
    {"</>", "A", NULL, -EINVAL},
    {"</A>", "A", NULL, -EINVAL},
    {"<A", "A", NULL, -EINVAL},
    {"<A>", "A", NULL, -EINVAL},
    {"<A>x</A", "A", NULL, -EINVAL},
    {"<A><B>x</A></B>", "A/B", NULL, -EINVAL},
    {"<A>x</A><A>y</A>", "A", NULL, -EINVAL},
    {"<A>x</A>y", "A", NULL, -EINVAL},
    {"<A><!-- </A>", "A", NULL, -EINVAL},
    {"<!DOCTYPE A [<!ENTITY e \"x\">]><A>&e;</A>", "A", NULL, -EINVAL},
    {"<A><![CDATA[x]]></A>", "A", NULL, -EINVAL},
};

static void S22_xml_is_read_strictly(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_str text = STR_NONE;
        int rc = xml_text(str_of(rows[i].xml), rows[i].path, &text);
        CHECK_INT(rc, rows[i].code);
        CHECK(!rows[i].text || str_is(text, rows[i].text));
        if (rc != rows[i].code || (rows[i].text && !str_is(text, rows[i].text)))
            printf("\n    %s", rows[i].xml);
    }
}

static void S22_depth_is_bounded_and_every_cut_is_seen(void)
{
    char deep[512] = "", whole[] = "<?x?><A><!--c--><B a=\"1\">x</B><C/></A>";
    weir_str text;
    for (int i = 0; i < 100; i++)
        snprintf(deep + 3 * i, sizeof deep - 3 * (size_t)i, "<A>");
    CHECK_INT(xml_text(str_of(deep), "A", &text), -EINVAL);
    CHECK_INT(xml_text(str_of(whole), "A/B", &text), 0);
    for (size_t len = 0; len + 1 < sizeof whole; len++)
        CHECK_INT(xml_text((weir_str){whole, len}, "A/B", &text), -EINVAL);
}

/* A document's JSON; NULL: it is refused. */
static const struct {
    const char *xml, *json;
} documents[] = {
    {"<A>x</A>", "{\"A\":\"x\"}"},
    {"<A/>", "{\"A\":\"\"}"},
    {"<A></A>", "{\"A\":\"\"}"},
    {"<?xml version=\"1.0\"?>\n<A xmlns=\"u\">\n <B>x</B><!-- > -->\n <C/>\n</A>\n",
     "{\"A\":{\"B\":\"x\",\"C\":\"\"}}"},
    {"<A><member>1</member><member><B>2</B></member><member/></A>",
     "{\"A\":[\"1\",{\"B\":\"2\"},\"\"]}"},
    {"<A><B>1</B><B>2</B></A>", "{\"A\":{\"B\":\"1\",\"B\":\"2\"}}"},
    {"<A><B>1</B><member>2</member></A>", "{\"A\":{\"B\":\"1\",\"member\":\"2\"}}"},
    {"<A>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#x20AC;&#128512;</A>",
     "{\"A\":\"<&>\\\"'AB\\u20ac\\ud83d\\ude00\"}"},
    {"<A>\xc3\xa9 \xff \\ \x1b</A>", "{\"A\":\"\\u00e9 \\ufffd \\\\ \\u001b\"}"},
    {"<A\"b>x</A\"b>", "{\"A\\\"b\":\"x\"}"},
    {"<member>1</member>", "{\"member\":\"1\"}"},
    {"<A><member>1</member><B>2</B></A>", NULL},
    {"<A>x<B>1</B></A>", NULL},
    {"<A><B>1</B>x</A>", NULL},
    {"<A><B>1</B>x<C>2</C></A>", NULL},
    {"<A>x<!-- c -->y</A>", NULL},
    {"<A>&b;</A>", NULL},
    {"<A>&amp</A>", NULL},
    {"<A>&</A>", NULL},
    {"<A>&;</A>", NULL},
    {"<A>&#;</A>", NULL},
    {"<A>&#x;</A>", NULL},
    {"<A>&#0;</A>", NULL},
    {"<A>&#8;</A>", NULL},
    {"<A>&#xD800;</A>", NULL},
    {"<A>&#x110000;</A>", NULL},
    {"<A>&#99999999999999999999;</A>", NULL},
    {"<A>&#6G;</A>", NULL},
    {"<!DOCTYPE A [<!ENTITY e \"x\">]><A>&e;</A>", NULL},
    {"<A><![CDATA[x]]></A>", NULL},
    {"<A><B>x</A></B>", NULL},
    {"<A>x</A><A>y</A>", NULL},
    {"<A/><A/>", NULL},
    {"<A>x</A>y", NULL},
    {"", NULL},
    {"{}", NULL},
    {"<A", NULL},
    {"<//>", NULL},
};

static void S22_a_document_becomes_json_or_is_refused(void)
{
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        buf_reset(&out);
        int rc = xml_to_json(str_of(documents[i].xml), &out);
        CHECK_INT(rc, documents[i].json ? 0 : -EINVAL);
        if (documents[i].json)
            CHECK_STR(buf_cstr(&out), documents[i].json);
    }
    buf_done(&out);
}

static void S22_json_of_a_cut_deep_or_large_document_is_refused(void)
{
    char deep[1024] = "", whole[] = "<?x?><A><!--c--><B a=\"1\">x&amp;</B><C/></A>";
    struct buf out;
    size_t len = 0;
    buf_init(&out, 4096);
    for (int i = 0; i < 33; i++)
        len += (size_t)snprintf(deep + len, sizeof deep - len, "<A>");
    for (int i = 0; i < 33; i++)
        len += (size_t)snprintf(deep + len, sizeof deep - len, "</A>");
    CHECK_INT(xml_to_json(str_of(deep), &out), -EINVAL);
    buf_reset(&out);
    CHECK_INT(xml_to_json((weir_str){deep + 3, len - 7}, &out), 0);
    buf_done(&out);
    buf_init(&out, 64);
    CHECK_INT(xml_to_json((weir_str){deep + 3, len - 7}, &out), -EMSGSIZE);
    for (len = 0; len + 1 < sizeof whole; len++) {
        buf_reset(&out);
        CHECK_INT(xml_to_json((weir_str){whole, len}, &out), -EINVAL);
    }
    buf_done(&out);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(S22_xml_is_read_strictly),
    TEST(S22_a_document_becomes_json_or_is_refused),
    TEST(S22_json_of_a_cut_deep_or_large_document_is_refused),
    TEST(S22_depth_is_bounded_and_every_cut_is_seen),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_xml", tests);
}
