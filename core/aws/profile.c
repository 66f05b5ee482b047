#include "aws/profile.h"

#include "aws/credentials.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum { FILE_BYTES_MAX = 1 << 20 };

enum section_kind { SECTION_IGNORED, SECTION_PROFILE, SECTION_SERVICES, SECTION_SSO };

struct property { /* key.len 0: the section's own line */
    enum section_kind kind;
    bool plain_default; /* of [default] in the config file */
    weir_str section, key, value;
};

struct profiles {
    char *texts[2]; /* config, credentials; properties point into them */
    size_t lens[2];
    struct property *properties;
    size_t count, capacity;
    bool prefixed_default; /* [profile default] was seen: [default] does not count */
};

extern char **environ;

const char *env_text(char *const *block, const char *name)
{
    size_t len = strlen(name);
    for (char *const *at = block ? block : environ; at && *at; at++)
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
            return (*at)[len + 1] ? *at + len + 1 : NULL;
    return NULL;
}

bool env_true(char *const *block, const char *name)
{
    const char *value = env_text(block, name);
    return value && strcasecmp(value, "true") == 0;
}

/* ---- parsing, in place ---- */

struct parser {
    struct profiles *profiles;
    const char *file; /* for messages */
    bool credentials;
    unsigned line;
    enum section_kind kind; /* of the open section */
    bool in_section, plain_default;
    weir_str section;
    bool in_property, nested;  /* nested: the value was empty, sub-properties may follow */
    struct property *property; /* NULL inside a property: it is ignored */
    struct err *err;
};

static int complain(struct parser *parser, const char *what)
{
    return err_set(parser->err, -EINVAL, "%s, line %u: %s", parser->file, parser->line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static weir_str trim(weir_str text)
{
    while (text.len && is_blank(text.ptr[0]))
        text = (weir_str){text.ptr + 1, text.len - 1};
    while (text.len && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool valid_name(weir_str name, const char *others)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(others, c))))
            return false;
    }
    return name.len > 0;
}

static int add(struct parser *parser, weir_str key, weir_str value)
{
    struct profiles *profiles = parser->profiles;
    if (profiles->count == profiles->capacity) {
        size_t capacity = profiles->capacity ? profiles->capacity * 2 : 32;
        struct property *grown =
            mem_realloc(profiles->properties, capacity * sizeof *profiles->properties);
        if (!grown)
            return err_set(parser->err, -ENOMEM, "out of memory");
        profiles->properties = grown;
        profiles->capacity = capacity;
    }
    parser->property = &profiles->properties[profiles->count++];
    *parser->property =
        (struct property){parser->kind, parser->plain_default, parser->section, key, value};
    return 0;
}

/* "[profile NAME]": what stands behind a word and white space, or nothing. */
static weir_str behind(weir_str text, const char *word)
{
    size_t len = strlen(word);
    if (text.len <= len || memcmp(text.ptr, word, len) != 0 || !is_blank(text.ptr[len]))
        return STR_NONE;
    return trim((weir_str){text.ptr + len, text.len - len});
}

static void name_section(struct parser *parser, weir_str inner)
{
    parser->kind = SECTION_PROFILE;
    parser->section = inner;
    parser->plain_default = false;
    if (parser->credentials)
        return;
    if (str_is(inner, "default")) {
        parser->plain_default = true;
    } else if (behind(inner, "profile").ptr) {
        parser->section = behind(inner, "profile");
        if (str_is(parser->section, "default"))
            parser->profiles->prefixed_default = true;
    } else if (behind(inner, "services").ptr) {
        parser->kind = SECTION_SERVICES;
        parser->section = behind(inner, "services");
    } else if (behind(inner, "sso-session").ptr) {
        parser->kind = SECTION_SSO;
        parser->section = behind(inner, "sso-session");
    } else {
        parser->kind = SECTION_IGNORED;
    }
}

static int parse_section(struct parser *parser, weir_str line)
{
    size_t len = 0;
    while (len < line.len && line.ptr[len] != '#' && line.ptr[len] != ';')
        len++;
    line = trim((weir_str){line.ptr, len});
    if (line.len < 2 || line.ptr[line.len - 1] != ']')
        return complain(parser, "Profile definition must end with ']'");
    name_section(parser, trim((weir_str){line.ptr + 1, line.len - 2}));
    parser->in_section = true;
    parser->in_property = false;
    if (!valid_name(parser->section, "-_/.%@:+"))
        parser->kind = SECTION_IGNORED;
    return parser->kind == SECTION_IGNORED ? 0 : add(parser, STR_NONE, STR_NONE);
}

static weir_str without_comment(weir_str value)
{
    for (size_t i = 0; i + 1 < value.len; i++)
        if (is_blank(value.ptr[i]) && (value.ptr[i + 1] == '#' || value.ptr[i + 1] == ';'))
            return (weir_str){value.ptr, i};
    return value;
}

static int parse_property(struct parser *parser, weir_str line)
{
    const char *equals = memchr(line.ptr, '=', line.len);
    if (!parser->in_section)
        return complain(parser, "Expected a profile definition");
    if (parser->kind == SECTION_IGNORED)
        return 0;
    if (!equals)
        return complain(parser, "Expected an '=' sign defining a property");
    weir_str key = trim((weir_str){line.ptr, (size_t)(equals - line.ptr)});
    weir_str rest = {equals + 1, line.len - (size_t)(equals - line.ptr) - 1};
    weir_str value = trim(without_comment(rest));
    if (key.len == 0)
        return complain(parser, "Property did not have a name");
    if (value.len == 0)
        value.ptr = equals + 1; /* where sub-properties will be put together */
    parser->in_property = true;
    parser->nested = value.len == 0;
    parser->property = NULL;
    if (!valid_name(key, "-_./%@:+"))
        return 0;
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] >= 'A' && key.ptr[i] <= 'Z')
            ((char *)key.ptr)[i] += 32; /* the text is our copy */
    return add(parser, key, value);
}

static int parse_continuation(struct parser *parser, weir_str line)
{
    if (!parser->in_section)
        return complain(parser, "Expected a profile definition");
    if (parser->kind == SECTION_IGNORED)
        return 0;
    if (!parser->in_property)
        return complain(parser, "Expected a property definition, found continuation");
    line = trim(line);
    if (parser->nested) {
        const char *equals = memchr(line.ptr, '=', line.len);
        if (!equals)
            return complain(parser, "Expected an '=' sign defining a sub-property");
        if (trim((weir_str){line.ptr, (size_t)(equals - line.ptr)}).len == 0)
            return complain(parser, "Sub-property did not have a name");
    }
    if (parser->property) {
        /* Moved down to the value's end, over the line end and white space between. */
        weir_str *value = &parser->property->value;
        char *end = (char *)value->ptr + value->len;
        *end = '\n';
        memmove(end + 1, line.ptr, line.len);
        value->len += line.len + 1;
    }
    return 0;
}

static int parse_line(struct parser *parser, weir_str line)
{
    if (trim(line).len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return 0;
    if (line.ptr[0] == '[')
        return parse_section(parser, line);
    return is_blank(line.ptr[0]) ? parse_continuation(parser, line) : parse_property(parser, line);
}

static int parse_text(struct profiles *profiles, int which, const char *file, struct err *err)
{
    struct parser parser = {
        .profiles = profiles, .file = file, .credentials = which == 1, .err = err};
    weir_str left = {profiles->texts[which], profiles->lens[which]};
    int rc = 0;
    while (left.len && rc == 0) {
        const char *newline = memchr(left.ptr, '\n', left.len);
        size_t len = newline ? (size_t)(newline - left.ptr) : left.len;
        size_t step = newline ? len + 1 : len;
        weir_str line = {left.ptr, len};
        left = (weir_str){left.ptr + step, left.len - step};
        parser.line++;
        rc = parse_line(&parser, line);
    }
    return rc;
}

static int parse_both(struct profiles *profiles, const char *const files[2], struct profiles **out,
                      struct err *err)
{
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = parse_text(profiles, i, files[i], err);
    if (rc == 0)
        *out = profiles;
    else
        profiles_free(profiles);
    return rc;
}

int profiles_parse(weir_str config, weir_str credentials, struct profiles **out, struct err *err)
{
    static const char *const names[2] = {"config", "credentials"};
    struct profiles *profiles = mem_zalloc(1, sizeof *profiles);
    if (!profiles)
        return err_set(err, -ENOMEM, "out of memory");
    profiles->texts[0] = mem_dup0(config.ptr, config.len);
    profiles->texts[1] = mem_dup0(credentials.ptr, credentials.len);
    if (!profiles->texts[0] || !profiles->texts[1]) {
        profiles_free(profiles);
        return err_set(err, -ENOMEM, "out of memory");
    }
    profiles->lens[0] = config.len;
    profiles->lens[1] = credentials.len;
    return parse_both(profiles, names, out, err);
}

/* ---- files ---- */

static int read_file(const char *path, char **out, size_t *out_len, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    char *text = mem_alloc(FILE_BYTES_MAX + 1);
    size_t len = file && text ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    bool failed = file && ferror(file);
    int why = errno;
    if (file)
        fclose(file);
    char *fitted = text ? mem_realloc(text, len + 1) : NULL;
    if (!fitted) {
        mem_free(text);
        return err_set(err, -ENOMEM, "out of memory");
    }
    *out = fitted;
    *out_len = len;
    if (!file && why != ENOENT && why != ENOTDIR)
        return err_set(err, -EINVAL, "%s: %s", path, strerror(why));
    if (failed)
        return err_set(err, -EINVAL, "%s can't be read", path);
    if (len > FILE_BYTES_MAX)
        return err_set(err, -EINVAL, "%s is larger than 1 MiB", path);
    return 0;
}

static void file_path(char *const *env, const char *variable, const char *name, char *out,
                      size_t out_bytes)
{
    const char *set = env_text(env, variable), *home = env_text(env, "HOME");
    if (set && strncmp(set, "~/", 2) == 0 && home)
        snprintf(out, out_bytes, "%s%s", home, set + 1);
    else if (set)
        snprintf(out, out_bytes, "%s", set);
    else if (home)
        snprintf(out, out_bytes, "%s/.aws/%s", home, name);
    else
        snprintf(out, out_bytes, "/nonexistent/.aws/%s", name);
}

int profiles_load(char *const *env, struct profiles **out, struct err *err)
{
    char config[4096], credentials[4096];
    const char *const files[2] = {config, credentials};
    file_path(env, "AWS_CONFIG_FILE", "config", config, sizeof config);
    file_path(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials, sizeof credentials);
    struct profiles *profiles = mem_zalloc(1, sizeof *profiles);
    if (!profiles)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = read_file(files[i], &profiles->texts[i], &profiles->lens[i], err);
    if (rc < 0) {
        profiles_free(profiles);
        return rc;
    }
    return parse_both(profiles, files, out, err);
}

void profiles_free(struct profiles *profiles)
{
    if (!profiles)
        return;
    for (int i = 0; i < 2; i++) {
        wipe(profiles->texts[i], profiles->lens[i]);
        mem_free(profiles->texts[i]);
    }
    mem_free(profiles->properties);
    mem_free(profiles);
}

/* ---- looking up ---- */

static bool counts(const struct profiles *profiles, const struct property *property)
{
    return !(property->plain_default && profiles->prefixed_default);
}

static const struct property *find(const struct profiles *profiles, enum section_kind kind,
                                   weir_str section, weir_str key)
{
    for (size_t i = profiles->count; i > 0; i--) {
        const struct property *property = &profiles->properties[i - 1];
        if (property->kind == kind && counts(profiles, property) &&
            str_eq(property->section, section) && str_eq(property->key, key))
            return property;
    }
    return NULL;
}

bool profiles_has(const struct profiles *profiles, const char *profile)
{
    return find(profiles, SECTION_PROFILE, str_of(profile), STR_NONE) != NULL;
}

weir_str profiles_get(const struct profiles *profiles, const char *profile, const char *key)
{
    const struct property *found = find(profiles, SECTION_PROFILE, str_of(profile), str_of(key));
    return found ? found->value : STR_NONE;
}

weir_str profiles_service(const struct profiles *profiles, const char *section, const char *service,
                          const char *key)
{
    const struct property *found =
        find(profiles, SECTION_SERVICES, str_of(section), str_of(service));
    weir_str left = found ? found->value : STR_NONE, value = STR_NONE;
    while (left.len) {
        const char *newline = memchr(left.ptr, '\n', left.len);
        size_t len = newline ? (size_t)(newline - left.ptr) : left.len;
        const char *equals = memchr(left.ptr, '=', len);
        if (equals && str_is(trim((weir_str){left.ptr, (size_t)(equals - left.ptr)}), key))
            value = trim((weir_str){equals + 1, len - (size_t)(equals - left.ptr) - 1});
        size_t step = newline ? len + 1 : len;
        left = (weir_str){left.ptr + step, left.len - step};
    }
    return value;
}

void profiles_each(const struct profiles *profiles,
                   void (*each)(void *arg, bool sso, weir_str section, weir_str key,
                                weir_str value),
                   void *arg)
{
    for (size_t i = 0; i < profiles->count; i++) {
        const struct property *property = &profiles->properties[i];
        if (property->kind != SECTION_SERVICES &&
            property == find(profiles, property->kind, property->section, property->key))
            each(arg, property->kind == SECTION_SSO, property->section, property->key,
                 property->value);
    }
}
