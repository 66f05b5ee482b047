/* The pass once more, in one unit, under names of its own: included by the files that are compiled
 * for one instruction set. PASS(name) makes the names. */
#define base64_valid  PASS(base64_valid)
#define image_build   PASS(image_build)
#define member_begin  PASS(member_begin)
#define member_named  PASS(member_named)
#define names_unique  PASS(names_unique)
#define object_next   PASS(object_next)
#define object_open   PASS(object_open)
#define plain_text    PASS(plain_text)
#define record_parse  PASS(record_parse)
#define scan_fail     PASS(scan_fail)
#define scan_lenient  PASS(scan_lenient)
#define scan_number   PASS(scan_number)
#define scan_skip     PASS(scan_skip)
#define scan_special  PASS(scan_special)
#define set_node      PASS(set_node)
#define stencil_apply PASS(stencil_apply)
#define trail_leave   PASS(trail_leave)
#define trail_meet    PASS(trail_meet)
#define trail_read    PASS(trail_read)
#define trail_skip    PASS(trail_skip)
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "record/scan.c"
#include "record/names.c"
#include "record/image.c"
#include "record/trail.c"
#include "record/stencil.c"
#include "record/fields.c"
/* NOLINTEND(bugprone-suspicious-include) */
