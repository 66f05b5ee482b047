/* Made-up stream records: the same seed gives the same bytes. */
#ifndef WEIR_CLI_SAMPLE_H
#define WEIR_CLI_SAMPLE_H
#include "util/buf.h"

enum { SAMPLE_PRICE_MAX = 48 };

struct sample {
    uint64_t state;   /* of the generator */
    int64_t sequence; /* last digits of the last sequence number */
    int64_t seconds;  /* creation time of the next record */
    struct buf out;
};

struct sample_item {
    char id[96], name[160];       /* the content of JSON strings: already escaped */
    char price[SAMPLE_PRICE_MAX]; /* as the record writes it; "" = none */
    int64_t cents, stock;
};

void sample_init(struct sample *sample, uint64_t seed);
void sample_done(struct sample *sample);
uint64_t sample_random(struct sample *sample, uint64_t below); /* 0 = any */
void sample_item(struct sample_item *item, uint64_t number);   /* product p<number> as it begins */
void sample_walk(struct sample *sample, struct sample_item *item); /* changes its price */
void sample_price(char out[SAMPLE_PRICE_MAX], int64_t cents);
/* Appends one record, without a line end. A side that is not there is NULL. */
void sample_record(struct sample *sample, const char *event, const struct sample_item *old,
                   const struct sample_item *new, bool by_ttl);
/* A shop's day of `count` records, one a line: the ordinary, and each trap at least once when count
 * is 60 or more. Up to 10,000,000 records as far as the buffer holds them. */
void sample_shop(struct sample *sample, int64_t count);
#endif
