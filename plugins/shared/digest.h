/* MD5, by which SQS says what body it stored, and SHA-256, for ids made of hostile text. Small and
 * plain: a plugin that linked a crypto library for this would bring it into every host. */
#ifndef WEIR_PLUGINS_SHARED_DIGEST_H
#define WEIR_PLUGINS_SHARED_DIGEST_H
#include <weir/plugin.h>

enum { MD5_BYTES = 16, SHA256_BYTES = 32, SHA256_HEX_BYTES = 2 * SHA256_BYTES + 1 };

void md5(weir_str text, unsigned char out[MD5_BYTES]);
void sha256(weir_str text, unsigned char out[SHA256_BYTES]);
/* Lower-case hex, NUL-terminated: 2 * count + 1 bytes. */
void hex(const unsigned char *bytes, size_t count, char *out);
void sha256_hex(weir_str text, char out[SHA256_HEX_BYTES]);
#endif
