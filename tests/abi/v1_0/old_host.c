/* A host as it was built against the headers of ABI 1.0: loads a plugin, gives it one record whose
 * price went from 10 to 12, and prints what it logs. Exit 0 when it was stored, 3 when the plugin
 * wants more than this host has. */
#include <weir/plugin.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const weir_value *const OLD_PRICE = (const weir_value *)"{\"N\":\"10\"}";
static const weir_value *const NEW_PRICE = (const weir_value *)"{\"N\":\"12\"}";

static void host_log(weir_instance *instance, int32_t level, weir_str msg)
{
    (void)instance;
    (void)level;
    printf("%.*s\n", (int)msg.len, msg.ptr);
}

static int32_t host_option_str(weir_instance *instance, const char *name, weir_str *out)
{
    (void)instance;
    (void)name;
    out->ptr = "price";
    out->len = 5;
    return 1;
}

static int32_t host_subscribe(weir_instance *instance, const weir_subscription *wants)
{
    (void)instance;
    return wants->struct_size == sizeof *wants ? 0 : -22;
}

static const weir_value *host_attr(const weir_record *record, int32_t image, const char *path)
{
    (void)record;
    return strcmp(path, "price") != 0 ? NULL : image == WEIR_OLD ? OLD_PRICE : NEW_PRICE;
}

static weir_str host_json(const weir_value *value)
{
    weir_str text = {(const char *)value, strlen((const char *)value)};
    return text;
}

static const weir_host host = {
    .abi = WEIR_ABI_CURRENT,
    .struct_size = sizeof host,
    .log = host_log,
    .option_str = host_option_str,
    .subscribe = host_subscribe,
    .attr = host_attr,
    .json = host_json,
};

int main(int argc, char **argv)
{
    const weir_plugin *(*entry)(uint32_t) = NULL;
    weir_plugin plugin;
    void *self = NULL;
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) {
        printf("%s\n", dlerror());
        return 2;
    }
    *(void **)&entry = dlsym(library, "weir_plugin_entry");
    const weir_plugin *theirs = entry ? entry(WEIR_ABI_CURRENT) : NULL;
    if (!theirs || theirs->abi >> 16 != WEIR_ABI_CURRENT >> 16 ||
        theirs->abi_min > WEIR_ABI_CURRENT) {
        printf("it wants more than ABI 1.0\n");
        return 3;
    }
    memset(&plugin, 0, sizeof plugin);
    memcpy(&plugin, theirs,
           theirs->struct_size < sizeof plugin ? theirs->struct_size : sizeof plugin);
    if (plugin.open(&host, (weir_instance *)argv, &self) != 0)
        return 1;
    int32_t outcome = plugin.record ? plugin.record(self, (const weir_record *)argv) : WEIR_FAIL;
    plugin.close(self);
    return outcome == WEIR_OK ? 0 : 1;
}
