/* Any bytes as a configuration: an error with places inside the text, never a crash or a leak. */
#include "config/load.h"
#include <weir/ext/aws.h>
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No plugin is opened here, so nobody asks for it. */
extern const weir_aws aws_extension;
const weir_aws aws_extension = {.revision = 1};

static void check(int condition)
{
    if (!condition)
        abort();
}

static void load(const char *path)
{
    static char *block[] = {(char *)"NAME=value", (char *)"N=12", NULL};
    struct config_request request = {.path = path, .environ_block = block, .no_plugins = true};
    struct config *config = NULL;
    struct diags diags;
    struct buf text;
    diags_init(&diags);
    buf_init(&text, 16 << 20);
    int rc = config_load(&request, &config, &diags);
    check(rc == 0 || rc == -EINVAL);
    check((rc == 0) == (diags.errors == 0));
    for (size_t i = 0; i < diags.count; i++)
        check(diags.items[i]->line == 0 || diags.items[i]->column < diags.items[i]->end_column);
    check(diags_print(&diags, "nothing was started", &text) == 0);
    check(diags_print_json(&diags, &text) == 0);
    buf_done(&text);
    config_free(config);
    diags_done(&diags);
    check(mem_live() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/weir-fuzz-XXXXXX";
    int fd = mkstemp(path);
    check(fd >= 0);
    check(write(fd, data, size) == (ssize_t)size);
    close(fd);
    load(path);
    unlink(path);
    return 0;
}
