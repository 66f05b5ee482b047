/* A client whose credentials come from where the test says: variables, a file, a scripted network.
 */
#ifndef WEIR_TESTS_CREDENTIALS_FIXTURE_H
#define WEIR_TESTS_CREDENTIALS_FIXTURE_H
#include "aws/aws.h"
#include "fake_world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct fixture {
    struct fake_world fake;
    struct aws_client *client;
    struct aws_config config;
    char folder[32], credentials_path[64], token_path[64];
    char variables[12][256];
    char *env[13];
    size_t env_count;
    char log[1024]; /* the last line */
    int logged;
};

struct result {
    int done, attempts;
    enum aws_outcome outcome;
    char type[64], message[800];
};

/* A client is still to be made; its credentials file will hold `text`; NULL: there is none. The
 * metadata service is switched off. */
void begin(struct fixture *f, const struct scripted *script, size_t count, const char *text);
void end(struct fixture *f);
void make_client(struct fixture *f);
/* In all three "@" stands for the folder of the test. */
void set_env(struct fixture *f, const char *text);
void write_credentials(struct fixture *f, const char *text);
void write_token(struct fixture *f, const char *text); /* the file @/token */

struct aws_call simple_call(struct result *result);              /* zeroes the result */
void run(struct fixture *f, struct result *result);              /* one such call, to its end */
bool signed_by(const struct fixture *f, const char *access_key); /* the last request */
#endif
