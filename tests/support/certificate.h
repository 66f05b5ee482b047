/* Throw-away certificates for tests of TLS. */
#ifndef WEIR_TESTS_CERTIFICATE_H
#define WEIR_TESTS_CERTIFICATE_H

/* Writes a self-signed certificate for `name` ("DNS:localhost", "IP:127.0.0.1") and its key as PEM
 * files; valid from an hour ago until `valid_s` from now. Fails the test when it can't. */
void certificate_write(const char *certificate_path, const char *key_path, const char *name,
                       long valid_s);
#endif
