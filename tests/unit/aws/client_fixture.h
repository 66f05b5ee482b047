/* A client on a fake world, and calls whose answers are copied where they are valid. */
#ifndef WEIR_TESTS_CLIENT_FIXTURE_H
#define WEIR_TESTS_CLIENT_FIXTURE_H
#include "aws/aws.h"
#include "fake_world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

extern char *fixture_environment[5]; /* keys and a region; NULL-terminated */

struct fixture {
    struct fake_world fake;
    struct aws_client *client;
    struct aws_config config;
};

struct result { /* copied in done(), where the views are valid */
    int done, status, attempts;
    enum aws_outcome outcome;
    bool sent;
    char type[64], message[256], answer[256], request_id[64];
};

extern const struct scripted fine, down, slow_down; /* 200; 500; ThrottlingException */

void begin(struct fixture *f, const struct scripted *script, size_t count);
void end(struct fixture *f);
struct aws_call put_item(struct result *result);    /* tried once; zeroes the result */
void run(struct fixture *f, struct aws_call *call); /* to its end, which must come, and later */
#endif
