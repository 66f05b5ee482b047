/* Values out of the XML of STS. */
#include "aws/sts.h"

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

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(S22_xml_is_read_strictly),
    TEST(S22_depth_is_bounded_and_every_cut_is_seen),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_xml", tests);
}
