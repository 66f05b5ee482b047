#include "plugin/template.h"

#include "plugin/untyped.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>

enum kind { KIND_OPEN, KIND_CLOSE, KIND_LITERAL, KIND_PATH };

/* What a path begins with. */
enum root {
    ROOT_RECORD, /* `$` alone: the plain form */
    ROOT_EVENT,
    ROOT_TIME,
    ROOT_TIME_MS,
    ROOT_TTL_DELETE,
    ROOT_AWS,
    ROOT_FIELD,
    ROOT_IMAGE
};

static const struct name {
    const char *name;
    enum root root;
    int32_t which; /* WEIR_F_*, or the image */
} names[] = {
    {"event", ROOT_EVENT, 0},
    {"time", ROOT_TIME, 0},
    {"time_ms", ROOT_TIME_MS, 0},
    {"ttl_delete", ROOT_TTL_DELETE, 0},
    {"aws", ROOT_AWS, 0},
    {"event_id", ROOT_FIELD, WEIR_F_EVENT_ID},
    {"identity", ROOT_FIELD, WEIR_F_IDENTITY},
    {"table", ROOT_FIELD, WEIR_F_TABLE},
    {"stream_arn", ROOT_FIELD, WEIR_F_STREAM_ARN},
    {"shard", ROOT_FIELD, WEIR_F_SHARD},
    {"sequence", ROOT_FIELD, WEIR_F_SEQUENCE},
    {"dead_sink", ROOT_FIELD, WEIR_F_DEAD_SINK},
    {"dead_reason", ROOT_FIELD, WEIR_F_DEAD_REASON},
    {"dead_attempts", ROOT_FIELD, WEIR_F_DEAD_ATTEMPTS},
    {"keys", ROOT_IMAGE, WEIR_KEYS},
    {"old", ROOT_IMAGE, WEIR_OLD},
    {"new", ROOT_IMAGE, WEIR_NEW},
};
enum { NAMES = sizeof names / sizeof names[0] };

struct step {
    enum kind kind;
    enum root root;
    int32_t which;
    char bracket; /* of OPEN and CLOSE */
    char *name;   /* in an object: the member's, as JSON with its colon; else NULL */
    char *text;   /* of a literal its JSON; of a path into an image the rest, or NULL */
};

struct template
{
    struct step *steps;
    size_t count, room;
};

void template_free(struct template *template)
{
    for (size_t i = 0; template && i < template->count; i++) {
        mem_free(template->steps[i].name);
        mem_free(template->steps[i].text);
    }
    if (template)
        mem_free(template->steps);
    mem_free(template);
}

/* ---- made of the config's tree ---- */

static int refuse(struct option_problem *problem, const struct json_value *at, const char *why)
{
    struct buf shown;
    buf_init(&shown, 512);
    if (at->kind == JSON_STRING) {
        buf_putc(&shown, '`');
        buf_put_visible(&shown, at->text, 60);
        buf_puts(&shown, "`: ");
    }
    problem->at = at;
    snprintf(problem->msg, sizeof problem->msg, "%s%s", buf_cstr(&shown), why);
    buf_done(&shown);
    return -EINVAL;
}

static const struct name *find_name(weir_str word)
{
    for (size_t i = 0; i < NAMES; i++)
        if (str_is(word, names[i].name))
            return &names[i];
    return NULL;
}

static int refuse_name(struct option_problem *problem, const struct json_value *at, weir_str word)
{
    const char *list[NAMES + 1] = {NULL};
    struct buf why;
    for (size_t i = 0; i < NAMES; i++)
        list[i] = names[i].name;
    const char *near = nearest_name(word, list);
    buf_init(&why, 1024);
    buf_puts(&why, "a record has no such part");
    if (near)
        buf_printf(&why, "; did you mean $.%s?", near);
    else
        buf_puts(&why, ": $.keys, $.old, $.new, $.event, $.time, $.event_id, $.table ...");
    int rc = refuse(problem, at, buf_cstr(&why));
    buf_done(&why);
    return rc;
}

/* The rest of a path, as host->attr reads it: names behind dots, [12], ['x.y']. */
static bool path_is_sound(const char *path)
{
    for (bool first = true; *path; first = false) {
        const char *end = path;
        if (path[0] == '[' && path[1] == '\'') {
            end = strstr(path + 2, "']");
            if (!end)
                return false;
            path = end + 2;
        } else if (path[0] == '[') {
            end = path + 1 + strspn(path + 1, "0123456789");
            if (end == path + 1 || end > path + 10 || *end != ']')
                return false;
            path = end + 1;
        } else {
            path += !first && *path == '.';
            end = path + strcspn(path, ".[");
            if (end == path || (!first && path[-1] != '.'))
                return false;
            path = end;
        }
    }
    return true;
}

/* As written it begins with a dollar sign that is neither doubled nor the begin of ${...}. */
static bool is_path(const struct json_value *value)
{
    weir_str raw = value->raw;
    if (value->kind != JSON_STRING || value->text.len == 0 || value->text.ptr[0] != '$')
        return false;
    return raw.len < 3 || raw.ptr[1] != '$' || (raw.ptr[2] != '$' && raw.ptr[2] != '{');
}

static int read_path(const struct json_value *value, struct step *step,
                     struct option_problem *problem)
{
    weir_str text = value->text;
    step->kind = KIND_PATH;
    if (text.len == 1) {
        step->root = ROOT_RECORD;
        return 0;
    }
    if (text.ptr[1] != '.')
        return refuse(problem, value,
                      "a path begins with \"$.\", such as $.new.price; a dollar sign is \"$$\"");
    if (memchr(text.ptr, '\0', text.len))
        return refuse(problem, value, "a path holds no zero byte");
    size_t len = 0;
    text = (weir_str){text.ptr + 2, text.len - 2};
    while (len < text.len && text.ptr[len] != '.' && text.ptr[len] != '[')
        len++;
    const struct name *name = find_name((weir_str){text.ptr, len});
    if (!name)
        return refuse_name(problem, value, (weir_str){text.ptr, len});
    step->root = name->root;
    step->which = name->which;
    if (len == text.len)
        return 0;
    if (name->root != ROOT_IMAGE)
        return refuse(problem, value, "only $.keys, $.old and $.new have parts");
    len += text.ptr[len] == '.';
    step->text = mem_dup0(text.ptr + len, text.len - len);
    if (!step->text)
        return -ENOMEM;
    return len < text.len && step->text[0] != '.' && path_is_sound(step->text)
               ? 0
               : refuse(problem, value, "write names behind dots, [12] or ['x.y']");
}

/* The buffer's content, NUL-terminated, as memory of its own; NULL when some was lost. */
static char *settle(struct buf *text)
{
    buf_putc(text, '\0');
    char *bytes = text->failed ? NULL : buf_take(text);
    buf_done(text);
    return bytes;
}

static struct step *add_step(struct template *template, enum kind kind)
{
    if (template->count == template->room) {
        size_t room = template->room ? template->room * 2 : 16;
        struct step *grown = mem_realloc(template->steps, room * sizeof *grown);
        if (!grown)
            return NULL;
        template->steps = grown;
        template->room = room;
    }
    struct step *step = &template->steps[template->count++];
    *step = (struct step){.kind = kind};
    return step;
}

static int add_literal(const struct json_value *value, struct step *step)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (value->kind == JSON_STRING)
        buf_put_json_string(&text, value->text);
    else
        buf_put_str(&text, value->text);
    step->text = settle(&text);
    return step->text ? 0 : -ENOMEM;
}

/* `value`, without what is in it. */
static int add_value(struct template *template, const struct json_value *value, bool member,
                     struct option_problem *problem)
{
    bool list = value->kind == JSON_ARRAY, open = list || value->kind == JSON_OBJECT;
    struct buf name;
    if (template->count >= 2 * TEMPLATE_VALUES_MAX)
        return refuse(problem, value, "a template holds at most 1000 values");
    struct step *step = add_step(template, open ? KIND_OPEN : KIND_LITERAL);
    if (!step)
        return -ENOMEM;
    if (member) {
        buf_init(&name, 1 << 20);
        buf_put_json_string(&name, value->name);
        buf_putc(&name, ':');
        step->name = settle(&name);
        if (!step->name)
            return -ENOMEM;
    }
    step->bracket = list ? '[' : '{';
    if (open)
        return 0;
    return is_path(value) ? read_path(value, step, problem) : add_literal(value, step);
}

static int add_close(struct template *template, const struct json_value *opened)
{
    struct step *step = add_step(template, KIND_CLOSE);
    if (step)
        step->bracket = opened->kind == JSON_ARRAY ? ']' : '}';
    return step ? 0 : -ENOMEM;
}

static int add_tree(struct template *template, const struct json_value *tree,
                    struct option_problem *problem)
{
    const struct json_value *stack[TEMPLATE_DEPTH_MAX]; /* what is open */
    const struct json_value *next = tree;
    size_t depth = 0;
    int rc = 0;
    while (rc == 0 && (next || depth > 0)) {
        if (!next) {
            const struct json_value *opened = stack[--depth];
            rc = add_close(template, opened);
            next = depth > 0 ? opened->next : NULL;
            continue;
        }
        rc = add_value(template, next, depth > 0 && stack[depth - 1]->kind == JSON_OBJECT, problem);
        if (next->kind != JSON_ARRAY && next->kind != JSON_OBJECT) {
            next = depth > 0 ? next->next : NULL;
        } else if (depth == TEMPLATE_DEPTH_MAX) {
            rc = rc < 0 ? rc : refuse(problem, next, "a template is at most 32 levels deep");
        } else {
            stack[depth++] = next;
            next = next->first;
        }
    }
    return rc;
}

int template_new(const struct json_value *tree, struct template **out,
                 struct option_problem *problem)
{
    struct template *template = mem_zalloc(1, sizeof *template);
    int rc = template ? add_tree(template, tree, problem) : -ENOMEM;
    if (rc < 0)
        template_free(template);
    else
        *out = template;
    return rc;
}

uint32_t template_images(const struct template *template, bool *whole)
{
    uint32_t images = 0;
    *whole = false;
    for (size_t i = 0; i < template->count; i++) {
        const struct step *step = &template->steps[i];
        if (step->kind == KIND_PATH && step->root == ROOT_IMAGE)
            images |= (uint32_t)step->which;
        *whole |= step->kind == KIND_PATH && step->root == ROOT_RECORD;
    }
    return images;
}

/* ---- filled in ---- */

struct filling {
    const weir_host *host;
    const weir_record *record;
    struct buf *out;
};

/* The value that a path leads to, when it is one of an image. */
static const weir_value *value_of(const struct filling *in, const struct step *step)
{
    return step->text ? in->host->attr(in->record, step->which, step->text)
                      : in->host->image(in->record, step->which);
}

static bool is_there(const struct filling *in, const struct step *step)
{
    int32_t precision = 0;
    if (step->kind != KIND_PATH)
        return true;
    switch (step->root) {
    case ROOT_IMAGE:
        return value_of(in, step) != NULL;
    case ROOT_FIELD:
        return in->host->field(in->record, step->which).len > 0;
    case ROOT_AWS:
        return in->host->field(in->record, WEIR_F_EVENT_JSON).len > 0;
    case ROOT_TIME:
    case ROOT_TIME_MS:
        in->host->created_us(in->record, &precision);
        return precision > 0;
    default:
        return true;
    }
}

static int put_path(const struct filling *in, const struct step *step)
{
    const weir_host *host = in->host;
    int32_t precision;
    switch (step->root) {
    case ROOT_RECORD:
        return untyped_put_record(host, in->record, in->out);
    case ROOT_IMAGE:
        return untyped_put_value(host, value_of(in, step), in->out);
    case ROOT_EVENT:
        return buf_put_json_string(in->out, str_of(untyped_event(host->event(in->record))));
    case ROOT_TIME:
        untyped_put_time(host, in->record, in->out);
        return buf_error(in->out);
    case ROOT_TIME_MS:
        return buf_put_i64(in->out, host->created_us(in->record, &precision) / 1000);
    case ROOT_TTL_DELETE:
        return buf_puts(in->out,
                        host->field(in->record, WEIR_F_TTL_DELETE).len > 0 ? "true" : "false");
    case ROOT_AWS:
        return buf_put_json_ascii(in->out, host->field(in->record, WEIR_F_EVENT_JSON));
    default:
        return buf_put_json_string(in->out, host->field(in->record, step->which));
    }
}

int template_put(const struct template *template, const weir_host *host, const weir_record *record,
                 struct buf *out)
{
    const struct filling in = {host, record, out};
    bool begun = false; /* something stands before, in what is open */
    int rc = 0;
    for (size_t i = 0; i < template->count && rc == 0; i++) {
        const struct step *step = &template->steps[i];
        bool there = is_there(&in, step);
        if (step->kind == KIND_CLOSE) {
            rc = buf_putc(out, step->bracket);
            begun = true;
            continue;
        }
        if (!there && step->name)
            continue;
        buf_puts(out, begun ? "," : "");
        buf_puts(out, step->name ? step->name : "");
        begun = step->kind != KIND_OPEN;
        if (step->kind == KIND_OPEN)
            rc = buf_putc(out, step->bracket);
        else if (step->kind == KIND_LITERAL)
            rc = buf_puts(out, step->text);
        else
            rc = there ? put_path(&in, step) : buf_puts(out, "null");
    }
    return rc < 0 ? rc : buf_error(out);
}
