/* One record's object: its members into struct record, its images into nodes. */
#include "record/fields.h"

#include "record/created.h"
#include "record/match.h"
#include "util/text.h"

/* Images and records that are null are as good as absent (Kinesis records say userIdentity: null).
 */
static bool skip_null(const char **p)
{
    if (memcmp(*p, "null", 4) != 0)
        return false;
    *p += 4;
    return true;
}

weir_str plain_text(struct decoder *d, weir_str raw, uint32_t escaped)
{
    if (!escaped)
        return raw;
    char *clean = arena_alloc(&d->batch->arena, raw.len + 1, 1);
    if (!clean) {
        d->out_of_memory = true;
        return STR_NONE;
    }
    return (weir_str){clean, json_unescape(raw, clean)};
}

static const char *text_field(struct decoder *d, const char *p, weir_str *out)
{
    uint32_t escaped = 0;
    if (unlikely(*p != '"'))
        return skip_null(&p) ? p
                             : scan_fail(&d->scan, p, "a member has the wrong type: expected text");
    const char *end = scan_text(&d->scan, p + 1, &escaped);
    if (!end)
        return NULL;
    *out = plain_text(d, (weir_str){p + 1, (size_t)(end - p - 1)}, escaped);
    return end + 1;
}

static const char *sequence_field(struct decoder *d, const char *p, weir_str *out)
{
    const char *start = p;
    if (likely(*p == '"')) {
        const char *end = p + 1;
        while (*end >= '0' && *end <= '9')
            end++;
        if (likely(*end == '"' && end > p + 1 && end - p - 1 <= SEQUENCE_DIGITS_MAX)) {
            *out = (weir_str){p + 1, (size_t)(end - p - 1)};
            return end + 1;
        }
    }
    p = text_field(d, p, out);
    if (p && out->ptr && !sequence_valid(*out))
        return scan_fail(&d->scan, start, "SequenceNumber is not a number of up to 128 digits");
    return p;
}

static const char *created_field(struct decoder *d, const char *p)
{
    int64_t seconds;
    if (likely(scan_seconds(p, &seconds)) && (p[10] == ',' || p[10] == '}')) {
        d->head->created_us = seconds * 1000000;
        d->head->precision = 1;
        return p + 10;
    }
    const char *end = *p == '-' || (*p >= '0' && *p <= '9') ? scan_number(&d->scan, p) : NULL;
    struct record *record = d->head;
    if (end && created_parse(p, end, &record->created_us, &record->precision) == 0)
        return end;
    if (!end && skip_null(&p))
        return p;
    return scan_fail(&d->scan, p, "ApproximateCreationDateTime is not a time");
}

/* ---- names ---- */

struct known {
    const char *name;
    enum member member;
};

static enum member find_known(weir_str name, const struct known *known)
{
    for (; known->name; known++)
        if (memcmp(name.ptr, known->name, name.len) == 0)
            return known->member;
    return M_UNKNOWN;
}

/* By length first: at most four names share one. */
static enum member member_plain(weir_str name)
{
    static const struct known len4[] = {
        {"Keys", M_KEYS}, {"data", M_DATA}, {"type", M_TYPE}, {"Type", M_TYPE | M_CAPITAL}, {0}};
    static const struct known len7[] = {
        {"eventID", M_EVENT_ID}, {"kinesis", M_KINESIS}, {"Records", M_RECORDS}, {0}};
    static const struct known len8[] = {
        {"dynamodb", M_DYNAMODB}, {"NewImage", M_NEW}, {"OldImage", M_OLD}, {0}};
    static const struct known len9[] = {{"eventName", M_EVENT_NAME},
                                        {"awsRegion", M_REGION},
                                        {"SizeBytes", M_SIZE},
                                        {"tableName", M_TABLE},
                                        {0}};
    static const struct known len11[] = {{"principalId", M_PRINCIPAL},
                                         {"PrincipalId", M_PRINCIPAL | M_CAPITAL},
                                         {"eventSource", M_EVENT_SOURCE},
                                         {0}};
    static const struct known len12[] = {{"userIdentity", M_USER}, {"recordFormat", M_FORMAT}, {0}};
    static const struct known len14[] = {{"SequenceNumber", M_SEQUENCE},
                                         {"sequenceNumber", M_ENVELOPE_SEQUENCE},
                                         {"StreamViewType", M_VIEW},
                                         {"eventSourceARN", M_ARN},
                                         {0}};
    static const struct known len17[] = {{"NextShardIterator", M_NEXT}, {0}};
    static const struct known len27[] = {{"ApproximateCreationDateTime", M_CREATED}, {0}};
    static const struct known *const by_length[28] = {
        [4] = len4,   [7] = len7,   [8] = len8,   [9] = len9,  [11] = len11,
        [12] = len12, [14] = len14, [17] = len17, [27] = len27};
    return name.len < 28 && by_length[name.len] ? find_known(name, by_length[name.len]) : M_UNKNOWN;
}

enum member member_named(weir_str name, uint32_t escaped)
{
    char clean[256];
    if (!escaped)
        return member_plain(name);
    if (name.len > sizeof clean) /* no known name is that long, even when all of it is escaped */
        return M_UNKNOWN;
    return member_plain((weir_str){clean, json_unescape(name, clean)});
}

const char *member_begin(struct scan *scan, const char *p, enum member *member)
{
    uint32_t escaped = 0;
    if (unlikely(*p != '"'))
        return scan_fail(scan, p, "expected a name");
    const char *end = scan_text(scan, p + 1, &escaped);
    if (unlikely(!end))
        return NULL;
    *member = member_named((weir_str){p + 1, (size_t)(end - p - 1)}, escaped);
    return scan_colon(scan, end + 1);
}

/* member_begin for an object whose names mostly stand in the order of the last one of its kind. */
static inline const char *member_expected(struct decoder *d, struct expected *expected,
                                          unsigned place, const char *p, enum member *member)
{
    struct expected *here = &expected[place];
    if (place >= EXPECTED_MAX)
        return member_begin(&d->scan, p, member);
    if (likely(here->mask && scan_same32(p, here->at, here->mask))) {
        *member = (enum member)here->member;
        return scan_space(p + __builtin_popcount(here->mask));
    }
    const char *value = member_begin(&d->scan, p, member);
    if (value && value - p <= 32)
        *here = (struct expected){p, (uint32_t)(UINT64_C(0xffffffff) >> (32 - (value - p))),
                                  (uint32_t)*member};
    return value;
}

const char *object_next(struct scan *scan, const char *p, bool *more)
{
    p = scan_space(p);
    *more = *p == ',';
    if (*more)
        return scan_space(p + 1);
    return *p == '}' ? p + 1 : scan_fail(scan, p, "expected ',' or '}'");
}

const char *object_open(struct scan *scan, const char *p, bool *more)
{
    if (*p != '{')
        return scan_fail(scan, p, "expected an object");
    p = scan_space(p + 1);
    *more = *p != '}';
    return *more ? p : p + 1;
}

/* What is known may stand only once in its object; the names of all objects differ. */
static bool seen_twice(struct decoder *d, const char *p, enum member member)
{
    if (likely(!(d->seen & (uint32_t)member))) {
        d->seen |= (uint32_t)member;
        return false;
    }
    scan_fail(&d->scan, p, "one member twice");
    return true;
}

/* ---- the dynamodb object ---- */

static const char *image_field(struct decoder *d, const char *p, int which)
{
    static const int slot[] = {[WEIR_KEYS] = 0, [WEIR_OLD] = 1, [WEIR_NEW] = 2};
    if (*p != '{')
        return skip_null(&p) ? p : scan_fail(&d->scan, p, "an image is not an object");
    d->head->images |= (uint8_t)which;
    if (!(d->wanted & (uint32_t)which)) {
        const char *end = trail_skip(d, p, 2);
        return end ? end : scan_skip(&d->scan, p, 2);
    }
    uint32_t index = d->node_count;
    uint32_t twin = which == WEIR_KEYS
                        ? 0
                        : d->head->image_at[which == WEIR_OLD ? slot[WEIR_NEW] : slot[WEIR_OLD]];
    p = image_build(d, p, 2, twin, which == WEIR_KEYS ? NULL : &d->trail);
    if (p)
        d->head->image_at[slot[which]] = index + 1;
    return p;
}

static const char *view_field(struct decoder *d, const char *p)
{
    weir_str view = STR_NONE;
    p = text_field(d, p, &view);
    if (str_is(view, "NEW_AND_OLD_IMAGES"))
        d->head->view = WEIR_KEYS | WEIR_OLD | WEIR_NEW;
    else if (str_is(view, "NEW_IMAGE"))
        d->head->view = WEIR_KEYS | WEIR_NEW;
    else if (str_is(view, "OLD_IMAGE"))
        d->head->view = WEIR_KEYS | WEIR_OLD;
    else if (str_is(view, "KEYS_ONLY"))
        d->head->view = WEIR_KEYS;
    return p;
}

static const char *change_member(struct decoder *d, const char *p, enum member member)
{
    switch (member) {
    case M_KEYS:
        return image_field(d, p, WEIR_KEYS);
    case M_NEW:
        return image_field(d, p, WEIR_NEW);
    case M_OLD:
        return image_field(d, p, WEIR_OLD);
    case M_CREATED:
        return created_field(d, p);
    case M_SEQUENCE:
        return sequence_field(d, p, &d->head->position);
    case M_VIEW:
        return view_field(d, p);
    default:
        return scan_skip(&d->scan, p, 2);
    }
}

/* ---- runs ---- */

/* What a run may hold: what the stream says, nothing that belongs to one record. */
enum { M_OF_RUN = M_REGION | M_ARN | M_TABLE | M_FORMAT | M_VIEW | M_DYNAMODB };

/* Does the remembered run stand at p? Then its members are taken as read. Otherwise it is to be
 * learned. */
static inline const char *run_apply(struct decoder *d, const struct run *run, const char *p)
{
    if (run->len == 0 || run->len > (size_t)(d->end - p) || (d->seen & run->seen) ||
        memcmp(p, run->at, run->len) != 0) {
        d->run_start = p;
        d->run_seen = d->seen;
        return NULL;
    }
    d->seen |= run->seen;
    if (run->seen & M_REGION)
        d->origin.region = run->origin.region;
    if (run->seen & M_ARN)
        d->origin.stream_arn = run->origin.stream_arn;
    if (run->seen & M_TABLE)
        d->origin.table = run->origin.table;
    if (run->seen & M_VIEW)
        d->head->view = run->view;
    return p + run->len;
}

/* The run that began at d->run_start ends at p, all of it sound. */
static void run_learn(struct decoder *d, struct run *run, const char *p)
{
    uint32_t seen = d->seen & ~d->run_seen;
    if (d->run_start && !(seen & ~(uint32_t)M_OF_RUN))
        *run = (struct run){.at = d->run_start,
                            .len = (size_t)(p - d->run_start),
                            .seen = seen,
                            .view = d->head->view,
                            .origin = d->origin};
    d->run_start = NULL;
}

static const char *change_parse(struct decoder *d, const char *p)
{
    enum member member = M_UNKNOWN;
    bool more = false;
    unsigned place = 0;
    const char *name = object_open(&d->scan, p, &more);
    while (name && more) {
        p = member_expected(d, d->expected[1], place++, name, &member);
        if (!p || seen_twice(d, name, member & M_OF_CHANGE))
            return NULL;
        const char *value = p;
        p = change_member(d, p, member);
        if (d->spot_count < SPOTS_MAX)
            d->spot[d->spot_count++] = (struct spot){value, p, (uint32_t)member};
        if (p && member == M_SIZE) {
            const char *end = run_apply(d, &d->tail, p);
            d->tail_done = end != NULL;
            if (end)
                return end;
        }
        name = p ? object_next(&d->scan, p, &more) : NULL;
    }
    return name;
}

/* ---- the record ---- */

/* Only DynamoDB's own TTL deletes carry this pair; both spellings of the names occur. */
static const char *user_parse(struct decoder *d, const char *p)
{
    weir_str type = STR_NONE, principal = STR_NONE;
    enum member member = M_UNKNOWN;
    bool more = false;
    if (skip_null(&p))
        return p;
    const char *name = object_open(&d->scan, p, &more);
    while (name && more) {
        p = member_begin(&d->scan, name, &member);
        if (!p)
            return NULL;
        d->capital_user |= (member & M_CAPITAL) != 0;
        if (member & (M_TYPE | M_PRINCIPAL))
            p = text_field(d, p, member & M_TYPE ? &type : &principal);
        else
            p = scan_skip(&d->scan, p, 2);
        name = p ? object_next(&d->scan, p, &more) : NULL;
    }
    d->head->ttl_delete = str_is(type, "Service") && str_is(principal, "dynamodb.amazonaws.com");
    return name;
}

static const char *event_name_field(struct decoder *d, const char *p)
{
    struct record *record = d->head;
    const weir_str *name = &d->rare.event_name;
    p = text_field(d, p, &d->rare.event_name);
    if (str_is(*name, "MODIFY"))
        record->event = WEIR_MODIFY;
    else if (str_is(*name, "INSERT"))
        record->event = WEIR_INSERT;
    else if (str_is(*name, "REMOVE"))
        record->event = WEIR_REMOVE;
    return p;
}

static uint32_t images_wanted(const struct decoder *d)
{
    static const int events[] = {0, WEIR_INSERT, WEIR_MODIFY, WEIR_REMOVE};
    uint32_t wanted = WEIR_KEYS;
    if (!d->plan)
        return WEIR_KEYS | WEIR_OLD | WEIR_NEW;
    if (d->seen & M_EVENT_NAME)
        return wanted | match_images(d->plan, d->head->event);
    for (size_t i = 0; i < sizeof events / sizeof *events;
         i++) /* the name comes later: any of them */
        wanted |= match_images(d->plan, events[i]);
    return wanted;
}

static const char *data_field(struct decoder *d, const char *p)
{
    const char *end = *p == '"' ? scan_text(&d->scan, p + 1, &d->data_escaped) : NULL;
    if (!end)
        return *p == '"' ? NULL : scan_fail(&d->scan, p, "data is not a string");
    d->data = (weir_str){p + 1, (size_t)(end - p - 1)};
    return end + 1;
}

static const char *kinesis_parse(struct decoder *d, const char *p)
{
    enum member member = M_UNKNOWN;
    bool more = false;
    const char *name = object_open(&d->scan, p, &more);
    while (name && more) {
        p = member_begin(&d->scan, name, &member);
        if (!p || seen_twice(d, name, member & (M_DATA | M_ENVELOPE_SEQUENCE)))
            return NULL;
        if (member == M_DATA)
            p = data_field(d, p);
        else if (member == M_ENVELOPE_SEQUENCE)
            p = sequence_field(d, p, &d->envelope_sequence);
        else
            p = scan_skip(&d->scan, p, 2);
        name = p ? object_next(&d->scan, p, &more) : NULL;
    }
    return name;
}

static const char *record_member(struct decoder *d, const char *p, enum member member, bool inner)
{
    struct record *record = d->head;
    switch (member) {
    case M_EVENT_ID:
        return text_field(d, p, &record->event_id);
    case M_REGION:
        return text_field(d, p, &d->origin.region);
    case M_ARN:
        return text_field(d, p, &d->origin.stream_arn);
    case M_TABLE:
        return text_field(d, p, &d->origin.table);
    case M_USER:
        return user_parse(d, p);
    case M_KINESIS:
        return inner ? scan_skip(&d->scan, p, 1) : kinesis_parse(d, p);
    case M_DATA:
        return inner || *p != '"' ? scan_skip(&d->scan, p, 1) : data_field(d, p);
    case M_ENVELOPE_SEQUENCE:
        return inner ? scan_skip(&d->scan, p, 1) : sequence_field(d, p, &d->envelope_sequence);
    default:
        return scan_skip(&d->scan, p, 1);
    }
}

/* `p` on the value of dynamodb: behind it, or behind the record when its remembered tail was met.
 */
static const char *change_value(struct decoder *d, const char *p)
{
    d->wanted = images_wanted(d);
    d->tail_done = false;
    d->run_start = NULL;
    return change_parse(d, p);
}

const char *record_parse(struct decoder *d, const char *p, bool inner)
{
    enum member member = M_UNKNOWN;
    bool more = false;
    unsigned place = 0;
    d->run_start = NULL;
    const char *name = object_open(&d->scan, p, &more);
    while (name && more) {
        p = member_expected(d, d->expected[0], place++, name, &member);
        if (!p || seen_twice(d, name, member & M_OF_RECORD))
            return NULL;
        if (member == M_EVENT_NAME) {
            p = event_name_field(d, p);
            const char *value = p ? run_apply(d, &d->lead, p) : NULL;
            if (value) {
                member = M_DYNAMODB;
                p = scan_space(value);
                place = EXPECTED_MAX;
            }
        } else if (member == M_DYNAMODB) {
            run_learn(d, &d->lead, p);
        }
        if (member == M_DYNAMODB) {
            p = change_value(d, p);
            if (p && d->tail_done)
                return p;
        } else if (p && member != M_EVENT_NAME) {
            p = record_member(d, p, member, inner);
        }
        name = p ? object_next(&d->scan, p, &more) : NULL;
    }
    if (name)
        run_learn(d, &d->tail, name);
    return name;
}
