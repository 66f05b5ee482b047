/* A record as the tap shows it. */
#ifndef WEIR_ADMIN_TAP_RECORD_H
#define WEIR_ADMIN_TAP_RECORD_H
#include "record/record.h"
#include "util/buf.h"

/* {"event":"MODIFY","keys":{"product_id":"p1"},"changes":[{"name":"price","old":"10","new":"12.5",
 * "delta":"+2.5"}]} without the last brace. Values are texts for people, cut to a bearable length;
 * those of attributes that `redact` covers are "***". */
void tap_put_record(const struct record *record, const char *const *redact, struct buf *out);
/* ,"record":{"eventID":..,"sequence":..,"stream":..,"keys":{..},"old":{..},"new":{..}}: the images
 * with their values as DynamoDB types them, whole; an image that is not there, or that no sink
 * reads, is left out. What `redact` covers is "***", and where there is any pattern, what holds
 * other values is told by its size: one of them might be meant. null where it is larger than 128
 * KiB. */
void tap_put_whole(const struct record *record, const char *const *redact, struct buf *out);
/* Its keys alone, as one text: product_id=p1 */
void tap_put_keys(const struct record *record, const char *const *redact, struct buf *out);
#endif
