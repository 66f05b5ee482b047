/* fakehost's records and values, on the JSON tree; and its weir.json/1. */
#ifndef WEIR_TESTS_FAKEVALUE_H
#define WEIR_TESTS_FAKEVALUE_H
#include "json/json.h"
#include <weir/ext/json.h>

struct fake_record {
    const struct json_value *root, *change; /* change: the member "dynamodb" */
    const char *arn;
    char identity[256];
    char text[6][64]; /* scratch of fields */
};

void fake_record_init(struct fake_record *record, const struct json_value *root, const char *arn);
int fake_record_event(const struct fake_record *record);
int64_t fake_record_created_us(const struct fake_record *record, int32_t *precision);
weir_str fake_record_field(const struct fake_record *record, int which);
const weir_value *fake_record_image(const struct fake_record *record, int image);
uint64_t fake_record_key_hash(const struct fake_record *record);

const weir_value *fake_value_path(const weir_value *image, const char *path);
size_t fake_value_size(const weir_value *value);
const weir_value *fake_value_entry(const weir_value *value, size_t i, weir_str *name);
size_t fake_value_walk(const weir_value *value, size_t from, weir_entry *out, size_t max);
int32_t fake_value_type(const weir_value *value);
weir_str fake_value_text(const weir_value *value);
weir_str fake_value_json(const weir_value *value);
int32_t fake_value_equal(const weir_value *a, const weir_value *b);

extern const weir_json fake_json_table;
#endif
