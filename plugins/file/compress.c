#include "file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 3 };

struct stream {
    ZSTD_CCtx *context;
    FILE *in, *out;
    char *input, *output;
};

static int pump(struct stream *s)
{
    size_t in_bytes = ZSTD_CStreamInSize(), out_bytes = ZSTD_CStreamOutSize(), left = 1;
    bool last = false;
    while (!last) {
        size_t got = fread(s->input, 1, in_bytes, s->in);
        last = got < in_bytes;
        if (ferror(s->in))
            return -1;
        ZSTD_inBuffer in = {s->input, got, 0};
        do {
            ZSTD_outBuffer out = {s->output, out_bytes, 0};
            left = ZSTD_compressStream2(s->context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left) || fwrite(s->output, 1, out.pos, s->out) != out.pos)
                return -1;
        } while (last ? left != 0 : in.pos < in.size);
    }
    return fflush(s->out) == 0 && fsync(fileno(s->out)) == 0 ? 0 : -1;
}

static FILE *create(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

static int compress_to(const char *path, const char *target)
{
    struct stream s = {.context = ZSTD_createCCtx(), .in = fopen(path, "rbe")};
    s.out = s.in ? create(target) : NULL;
    s.input = malloc(ZSTD_CStreamInSize());
    s.output = malloc(ZSTD_CStreamOutSize());
    int rc = -1;
    if (s.context && s.out && s.input && s.output) {
        ZSTD_CCtx_setParameter(s.context, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(s.context, ZSTD_c_checksumFlag, 1);
        rc = pump(&s);
    }
    if (s.in)
        fclose(s.in);
    if (s.out && (fclose(s.out) != 0 || rc < 0)) {
        unlink(target);
        rc = -1;
    }
    free(s.input);
    free(s.output);
    ZSTD_freeCCtx(s.context);
    return rc;
}

int compress_file(const char *path, char *reason, size_t reason_bytes)
{
    char part[4200], target[4200];
    snprintf(part, sizeof part, "%s.part", path); /* a crash leaves no half of a .zst */
    int len = snprintf(target, sizeof target, "%s.zst", path);
    if (len > 0 && (size_t)len < sizeof target && compress_to(path, part) == 0 &&
        rename(part, target) == 0 && unlink(path) == 0)
        return 0;
    snprintf(reason, reason_bytes, "a rotated file was left as it is: it can't be compressed");
    return -1;
}
