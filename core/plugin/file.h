/* The file of a plugin, from a name to a checked, open descriptor. */
#ifndef WEIR_PLUGIN_FILE_H
#define WEIR_PLUGIN_FILE_H
#include "plugin/load.h"

struct plugin_file {
    char *path; /* absolute, as found */
    char sha256[65];
    int fd; /* what dlopen is given: no swap between check and use */
    uint64_t device, inode;
    uint32_t owner_uid;
};

/* Finds, opens and checks (see plugin_load). 0 and *out filled (release with plugin_file_done), or
 * -errno with the reason. */
int plugin_file_open(const char *name, const struct plugin_search *search, struct plugin_file *out,
                     struct err *err);
void plugin_file_done(struct plugin_file *file); /* closes, frees */
#endif
