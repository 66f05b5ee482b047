#include "support.h"

#include <stdio.h>

void notes_init(struct notes *notes)
{
    *notes = (struct notes){0};
    buf_init(&notes->text, 1 << 20);
}

void notes_done(struct notes *notes)
{
    buf_done(&notes->text);
}

const char *notes_text(struct notes *notes)
{
    return buf_cstr(&notes->text);
}

void notes_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    struct notes *notes = ctx;
    buf_printf(&notes->text, "%s %d %.*s\n", sink, level, STR_ARG(msg));
}

void notes_problem(void *arg, const struct option_problem *problem)
{
    struct notes *notes = arg;
    notes->problems++;
    notes->last = *problem;
    buf_printf(&notes->text, "%s %s | %s\n", problem->code, problem->msg, problem->help);
}

const struct json_value *json_of(struct arena *arena, const char *text)
{
    struct json_error error;
    struct json_value *value = json_parse(arena, str_of(text), 0, 0, &error);
    CHECK_FATAL(value != NULL);
    for (struct json_value *member = value->first; member; member = member->next)
        if (member->kind == JSON_STRING && str_starts(member->text, STR("${")))
            member->text = (weir_str){member->text.ptr + 2, member->text.len - 3};
    return value;
}
