#include "shared/digest.h"
#include "unit.h"

#include <openssl/evp.h>
#include <string.h>

static void check(const char *name, weir_str text, const char *ours)
{
    unsigned char digest[64];
    unsigned int len = 0;
    char theirs[129];
    CHECK(EVP_Digest(text.ptr, text.len, digest, &len, EVP_get_digestbyname(name), NULL) == 1);
    hex(digest, len, theirs);
    CHECK_STR(ours, theirs);
}

static void check_both(weir_str text)
{
    unsigned char digest[SHA256_BYTES];
    char out[2 * SHA256_BYTES + 1];
    md5(text, digest);
    hex(digest, MD5_BYTES, out);
    check("MD5", text, out);
    sha256(text, digest);
    hex(digest, SHA256_BYTES, out);
    check("SHA256", text, out);
}

static void known_answers(void)
{
    unsigned char digest[SHA256_BYTES];
    char out[2 * SHA256_BYTES + 1];
    md5((weir_str){NULL, 0}, digest);
    hex(digest, MD5_BYTES, out);
    CHECK_STR(out, "d41d8cd98f00b204e9800998ecf8427e");
    md5((weir_str){"message digest", 14}, digest);
    hex(digest, MD5_BYTES, out);
    CHECK_STR(out, "f96b697d7cb7938d525a2f31aaf161d0");
    sha256((weir_str){"abc", 3}, digest);
    hex(digest, SHA256_BYTES, out);
    CHECK_STR(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* Every length around the ends of blocks, and a long text. */
static void every_length_agrees_with_openssl(void)
{
    static char text[70000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 131 + i / 251);
    for (size_t len = 0; len <= 260; len++)
        check_both((weir_str){text, len});
    check_both((weir_str){text, sizeof text});
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"known_answers", known_answers},
        {"every_length_agrees_with_openssl", every_length_agrees_with_openssl},
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_sqs_digest", tests);
}
