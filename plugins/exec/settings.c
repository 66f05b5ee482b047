/* The options: what is run, with what, and within which bounds. open() reads them. */
#include "exec/exec.h"

#include <errno.h>

static int refuse(const struct exec *exec, const char *option, const char *why)
{
    exec->inbox.host->option_error(exec->inbox.instance, option, weir_cstr(why));
    return -EINVAL;
}

static void free_list(char **list)
{
    for (char **at = list; at && *at; at++)
        free(*at);
    free(list);
}

void settings_free(struct settings *settings)
{
    free_list(settings->argv);
    free_list(settings->environment);
}

/* "NAME=VALUE", or one text where `name` is NULL. NULL: no memory. */
static char *new_text(const char *name, const char *value)
{
    size_t name_bytes = name ? strlen(name) + 1 : 0, bytes = strlen(value) + 1;
    char *text = malloc(name_bytes + bytes);
    if (!text)
        return NULL;
    if (name)
        snprintf(text, name_bytes + 1, "%s=", name);
    memcpy(text + name_bytes, value, bytes);
    return text;
}

/* Text of a JSON string, NUL-terminated; NULL when it is no string or holds a NUL. */
static bool get_text(const weir_json *json, const weir_json_node *node, weir_buf *out)
{
    weir_str text = json->text(node);
    weir_buf_clear(out);
    put(out, text);
    put_char(out, '\0');
    return json->kind(node) == WEIR_J_STRING && !out->failed &&
           (text.len == 0 || !memchr(text.ptr, '\0', text.len));
}

static weir_json_doc *parse(const struct exec *exec, const char *option)
{
    weir_str text = WEIR_NONE;
    exec->inbox.host->option_str(exec->inbox.instance, option, &text);
    return text.len > 0 ? exec->json->parse(text) : NULL;
}

/* argv[0] is the path as configured: some programs look at it to know who they are. */
static int read_arguments(struct exec *exec, const weir_json_node *list)
{
    const weir_json *json = exec->json;
    size_t count = json->size(list);
    char **argv = calloc(count + 2, sizeof *argv);
    weir_buf text = {0};
    int rc = argv ? 0 : -ENOMEM;
    exec->settings.argv = argv;
    if (rc == 0 && !(argv[0] = new_text(NULL, exec->settings.program)))
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (!get_text(json, json->entry(list, i, NULL), &text))
            rc = refuse(exec, "args", "must be a list of texts without NUL");
        else if (!(argv[i + 1] = new_text(NULL, text.ptr)))
            rc = -ENOMEM;
    }
    weir_buf_free(&text);
    return rc;
}

static bool is_name(weir_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == '=')
            return false;
    return name.len > 0 && name.len < 256;
}

/* The ones that are set go first; a name that is passed as well is left out. */
static int set_variables(struct exec *exec, const weir_json_node *set, size_t *used)
{
    const weir_json *json = exec->json;
    weir_buf text = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json->size(set); i++) {
        weir_str name;
        char key[256];
        const weir_json_node *value = json->entry(set, i, &name);
        if (!is_name(name) || !get_text(json, value, &text)) {
            rc = refuse(exec, "env", "must be an object of names and texts without NUL");
            break;
        }
        snprintf(key, sizeof key, "%.*s", WEIR_ARG(name));
        exec->settings.environment[*used] = new_text(key, text.ptr);
        rc = exec->settings.environment[(*used)++] ? 0 : -ENOMEM;
    }
    weir_buf_free(&text);
    return rc;
}

static int pass_variables(struct exec *exec, const weir_json_node *pass, const weir_json_node *set,
                          size_t *used)
{
    const weir_json *json = exec->json;
    weir_buf name = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json->size(pass); i++) {
        const weir_json_node *entry = json->entry(pass, i, NULL);
        if (!get_text(json, entry, &name) || !is_name(json->text(entry))) {
            rc = refuse(exec, "pass_env", "must be a list of names of variables");
            break;
        }
        const char *value = getenv(name.ptr);
        if (!value || json->member(set, name.ptr))
            continue;
        exec->settings.environment[*used] = new_text(name.ptr, value);
        rc = exec->settings.environment[(*used)++] ? 0 : -ENOMEM;
    }
    weir_buf_free(&name);
    return rc;
}

static int read_lists(struct exec *exec)
{
    const weir_json *json = exec->json;
    weir_json_doc *args = parse(exec, "args"), *set = parse(exec, "env"),
                  *pass = parse(exec, "pass_env");
    const weir_json_node *list = json->root(args), *vars = json->root(set),
                         *names = json->root(pass);
    size_t used = 0;
    int rc = -ENOMEM;
    exec->settings.environment = calloc(json->size(vars) + json->size(names) + 1, sizeof(char *));
    if (list && json->kind(list) != WEIR_J_ARRAY)
        rc = refuse(exec, "args", "must be a list of texts");
    else if (vars && json->kind(vars) != WEIR_J_OBJECT)
        rc = refuse(exec, "env", "must be an object of names and texts");
    else if (names && json->kind(names) != WEIR_J_ARRAY)
        rc = refuse(exec, "pass_env", "must be a list of names of variables");
    else if (exec->settings.environment)
        rc = read_arguments(exec, list);
    if (rc == 0)
        rc = set_variables(exec, vars, &used);
    if (rc == 0)
        rc = pass_variables(exec, names, vars, &used);
    json->free(args);
    json->free(set);
    json->free(pass);
    return rc;
}

static int read_range(const struct exec *exec, const char *option, int64_t least, int64_t most,
                      const char *why, int64_t *out)
{
    exec->inbox.host->option_i64(exec->inbox.instance, option, out);
    return *out < least || *out > most ? refuse(exec, option, why) : 0;
}

int settings_read(struct exec *exec, const weir_host *host, weir_instance *instance)
{
    struct settings *settings = &exec->settings;
    weir_str program = WEIR_NONE, folder = WEIR_NONE;
    int64_t insecure = 0;
    host->option_str(instance, "program", &program);
    host->option_str(instance, "cwd", &folder);
    host->option_i64(instance, "insecure", &insecure);
    settings->program = program.ptr;
    settings->folder = folder.len > 0 ? folder.ptr : NULL;
    settings->insecure = insecure != 0;
    if (program.len == 0)
        return refuse(exec, "program", "must name a file");
    int rc = read_range(exec, "window", 1, 1000, "must be 1 to 1000 records", &settings->window);
    if (rc == 0)
        rc = read_range(exec, "answer_timeout", 10, 86400000, "must be 10ms to 24h",
                        &settings->answer_ms);
    if (rc == 0)
        rc = read_range(exec, "grace", 0, 5000, "must be 0s to 5s: the others wait for it",
                        &settings->grace_ms);
    if (rc == 0)
        rc = read_range(exec, "restart_max", 1, 600000, "must be 1ms to 10m",
                        &settings->restart_max_ms);
    return rc < 0 ? rc : read_lists(exec);
}
