#include "config/load.h"

#include "config/file.h"
#include "config/interpolate.h"
#include "config/keys.h"
#include "config/sinks.h"
#include "config/tree.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, VALUES_MAX = 200000 };

struct loading {
    const struct config_request *request;
    struct config *config;
    struct diags *diags;
    struct json_value *root;
};

static int no_configuration(struct loading *loading, const char *searched)
{
    struct diag *diag = diag_error(loading->diags, "W0003", STR_NONE, "no configuration");
    diag_help(loading->diags, diag, "looked for %s; name one with -c FILE or WEIR_CONFIG.",
              searched);
    return -ENOENT;
}

static int unreadable(struct loading *loading, int reason)
{
    diag_error(loading->diags, "W0002", STR_NONE, "can't read it: %s", file_reason(reason));
    return reason == -ENOMEM ? -ENOMEM : -EINVAL;
}

/* The file's bytes, without a byte order mark. A config of one --plugin needs no file. */
static int read_text(struct loading *loading)
{
    struct config *config = loading->config;
    const char *searched = NULL;
    if (loading->request->text || (loading->request->plugin && !loading->request->path)) {
        config->text = str_of(loading->request->text ? loading->request->text : "{}");
        return 0;
    }
    int rc = config_find(&config->arena, loading->request, &config->path, &searched);
    if (rc < 0)
        return rc;
    if (!config->path)
        return no_configuration(loading, searched);
    loading->diags->subject = arena_text(&loading->diags->arena, str_of(config->path));
    rc = file_read(&config->arena, config->path, CONFIG_MAX_BYTES, &config->text);
    if (rc == 0 && !utf8_valid(config->text.ptr, config->text.len))
        rc = -EILSEQ;
    if (rc < 0)
        return unreadable(loading, rc);
    if (str_starts(config->text, STR("\xef\xbb\xbf")))
        config->text = (weir_str){config->text.ptr + 3, config->text.len - 3};
    if (!loading->request->lambda) /* there the file system is read-only, its owner another user */
        config_mode_check(config->path, loading->diags);
    return 0;
}

static int parse_text(struct loading *loading)
{
    struct config *config = loading->config;
    struct json_error error;
    int rc = diags_add_text(loading->diags, config->path ? config->path : "--plugin", config->text);
    if (rc < 0)
        return rc;
    loading->root = json_parse(&config->arena, config->text, JSON_COMMENTS | JSON_KEEP_DUPLICATES,
                               VALUES_MAX, &error);
    if (!loading->root) {
        weir_str at = {config->text.ptr + error.offset, error.length};
        diag_error(loading->diags, "W0001", at, "%s", error.msg);
        return -EINVAL;
    }
    config->root = loading->root;
    if (loading->root->kind != JSON_OBJECT) {
        struct diag *diag = diag_error(loading->diags, "W0107", diag_value_of(loading->root),
                                       "a configuration is an object");
        diag_help(loading->diags, diag, "write { \"sinks\": { ... } }.");
        return -EINVAL;
    }
    return tree_drop_duplicates(&config->arena, loading->root, loading->diags);
}

static int find_folder(struct loading *loading)
{
    struct config *config = loading->config;
    char cwd[PATH_BYTES_MAX];
    const char *here = loading->request->cwd;
    if (!here)
        here = getcwd(cwd, sizeof cwd);
    if (!here)
        here = "/";
    const char *folder = config->path ? path_folder(&config->arena, config->path) : here;
    if (folder && strcmp(folder, ".") == 0)
        folder = here;
    config->dir = folder ? path_in(&config->arena, here, str_of(folder)) : NULL;
    return config->dir ? 0 : -ENOMEM;
}

/* --plugin DIR/my_sink.so: the sink "my_sink". */
static int add_plugin(struct loading *loading)
{
    struct arena *arena = &loading->config->arena;
    const char *given = loading->request->plugin;
    char cwd[PATH_BYTES_MAX];
    if (!given)
        return 0;
    const char *here = loading->request->cwd ? loading->request->cwd : getcwd(cwd, sizeof cwd);
    const char *path = path_in(arena, here ? here : "/", str_of(given));
    const char *text = arena_text(arena, str_of(given));
    if (!path || !text || diags_add_text(loading->diags, "--plugin", str_of(text)) < 0)
        return -ENOMEM;
    const char *slash = strrchr(text, '/');
    weir_str name = str_of(slash ? slash + 1 : text);
    if (str_ends(name, STR(".so")))
        name.len -= 3;
    struct json_value *sinks = tree_member(loading->root, STR("sinks"));
    if (!sinks)
        sinks = tree_add(arena, loading->root, STR("sinks"), text, JSON_OBJECT);
    if (sinks && sinks->kind != JSON_OBJECT)
        return 0; /* reported when the keys are read */
    struct json_value *sink = sinks ? tree_member(sinks, name) : NULL;
    if (sinks && !sink)
        sink = tree_add(arena, sinks, name, name.ptr, JSON_OBJECT);
    if (sink && sink->kind != JSON_OBJECT)
        return 0;
    struct json_value *value = sink ? tree_member(sink, STR("plugin")) : NULL;
    if (sink && !value)
        value = tree_add(arena, sink, STR("plugin"), text, JSON_STRING);
    if (!value)
        return -ENOMEM;
    value->kind = JSON_STRING;
    value->escaped = 0;
    value->raw = str_of(text);
    value->text = str_of(path);
    return 0;
}

static int override(struct loading *loading)
{
    int rc = add_plugin(loading);
    for (size_t i = 0; rc == 0 && i < loading->request->set_count; i++) {
        const char *copy = arena_text(&loading->config->arena, str_of(loading->request->sets[i]));
        rc = copy ? diags_add_text(loading->diags, "--set", str_of(copy)) : -ENOMEM;
        if (rc == 0 && !utf8_valid(copy, strlen(copy)))
            diag_error(loading->diags, "W0113", str_of(copy), "this is not UTF-8");
        else if (rc == 0)
            rc = tree_set(&loading->config->arena, loading->root, str_of(copy), loading->diags);
    }
    return rc;
}

static int fill(struct loading *loading)
{
    struct config *config = loading->config;
    struct apply apply = {config, loading->diags, loading->request->environ_block, false};
    config->name = "weir";
    config->source_at = json_member0(loading->root, "source");
    apply_section(&apply, config_keys, loading->root, "the configuration", config);
    if (loading->request->from) {
        config->source = SOURCE_FILE;
        config->file_path = arena_text(&config->arena, str_of(loading->request->from));
        apply.no_memory = apply.no_memory || !config->file_path;
    }
    if (loading->request->lambda) {
        config->source = SOURCE_LAMBDA;
        config->in_lambda = true;
    }
    config_rules(&apply);
    bool elsewhere = config->source == SOURCE_NONE || config->source == SOURCE_LAMBDA;
    if (loading->request->dry_run && !loading->request->lambda && elsewhere) {
        config->source = SOURCE_FILE;
        config->file_path = "-";
    }
    if (loading->diags->errors && !apply.no_memory && !loading->request->no_plugins)
        sink_set_probe(config, loading->diags);
    return apply.no_memory ? -ENOMEM : loading->diags->errors ? -EINVAL : 0;
}

int config_load(const struct config_request *request, struct config **out, struct diags *diags)
{
    struct config *config = mem_zalloc(1, sizeof *config);
    if (!config)
        return -ENOMEM;
    arena_init(&config->arena, 16 * 1024);
    struct loading loading = {request, config, diags, NULL};

    int rc = read_text(&loading);
    if (rc == 0)
        rc = parse_text(&loading);
    if (rc == 0)
        rc = find_folder(&loading);
    if (rc == 0)
        rc = override(&loading);
    if (rc == 0) {
        struct interpolation in = {&config->arena, diags, request->environ_block, config->dir};
        rc = interpolate(&in, loading.root);
    }
    if (rc == 0)
        rc = fill(&loading);
    if (rc == 0) {
        *out = config;
        return 0;
    }
    diags_forget_texts(diags);
    config_free(config);
    return rc;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->sink_count; i++)
        filter_free(config->sinks[i].filter);
    arena_done(&config->arena);
    mem_free(config);
}

int config_runnable(const struct config *config, struct diags *diags)
{
    const struct json_value *kind = json_member0(config->source_at, "kind");
    weir_str at = kind ? diag_value_of(kind) : STR_NONE;
    struct diag *diag = NULL;
    switch (config->source) {
    case SOURCE_NONE:
        diag = diag_error(diags, "W0402", STR_NONE,
                          "there is no \"source\": nothing says where records come from");
        diag_help(diags, diag,
                  "add \"source\": { \"kind\": \"file\", \"path\": \"-\" }, or give --from FILE.");
        return -ENOTSUP;
    case SOURCE_LAMBDA:
        if (config->in_lambda)
            return 0;
        diag = diag_error(diags, "W0402", at,
                          "a source of kind \"lambda\" runs only inside AWS Lambda");
        diag_help(
            diags, diag,
            "AWS_LAMBDA_RUNTIME_API is not set; --from FILE plays a file through the same sinks.");
        return -ENOTSUP;
    case SOURCE_KCL:
    case SOURCE_POLL:
    case SOURCE_FILE:
        break;
    }
    return 0;
}
