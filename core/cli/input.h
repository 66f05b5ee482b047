/* The file or pipe that a run reads, in a way that can be called off: a read of an idle pipe would
 * otherwise hold the end of the program for ever. */
#ifndef WEIR_CLI_INPUT_H
#define WEIR_CLI_INPUT_H
#include "util/str.h"
#include <stdbool.h>

struct input {
    bool open;
    int fd;
    int wake[2];   /* a byte in it calls off the read under way and all later ones */
    weir_str text; /* of input_open_text: what is left */
    int pace_ms;
};

int input_open(struct input *input,
               const char *path); /* "-" or NULL: standard input. 0 or -errno */
/* Reads `text`, which must stay alive, a line at a time: one each `pace_ms`, 0 = without a pause. 0
 * or -errno. */
int input_open_text(struct input *input, weir_str text, int pace_ms);
long input_read(void *input, char *into,
                size_t len);              /* bytes, 0 = end, -ECANCELED, -errno. [pool thread] */
void input_call_off(struct input *input); /* [any] */
void input_close(struct input *input);
#endif
