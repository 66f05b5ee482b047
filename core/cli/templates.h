/* The examples that `weir plugin new` copies, put into the program when it is built. */
#ifndef WEIR_CLI_TEMPLATES_H
#define WEIR_CLI_TEMPLATES_H
#include <stddef.h>

struct template_file {
    const char *folder; /* "c-sync": language and kind */
    const char *name;   /* in it; every "my_sink" in it and in the content is the plugin's name */
    const unsigned char *bytes;
    size_t len;
};
extern const struct template_file template_files[]; /* ends with a NULL folder */
#endif
