/* weir.json/1: the host's strict JSON reader, for answers of services and for JSON options. Exact
 * numbers, U+0000 in strings, duplicate keys refused. All [any]. */
#ifndef WEIR_EXT_JSON_H
#define WEIR_EXT_JSON_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_JSON "weir.json/1"

enum { WEIR_J_NONE, WEIR_J_NULL, WEIR_J_BOOL, WEIR_J_NUMBER, WEIR_J_STRING, WEIR_J_ARRAY, WEIR_J_OBJECT };

typedef struct weir_json_doc weir_json_doc;
typedef struct weir_json_node weir_json_node;

typedef struct weir_json {
    uint32_t revision, struct_size; /* revision 1 */
    weir_json_doc *(*parse)(weir_str text); /* copies; NULL when not one valid document; free() it */
    void (*free)(weir_json_doc *);          /* NULL is fine */
    const weir_json_node *(*root)(const weir_json_doc *);
    int32_t (*kind)(const weir_json_node *); /* WEIR_J_*; NULL -> WEIR_J_NONE */
    size_t (*size)(const weir_json_node *);  /* entries of an array or object; else 0 */
    const weir_json_node *(*entry)(const weir_json_node *, size_t i, weir_str *name); /* name optional */
    const weir_json_node *(*member)(const weir_json_node *, const char *name); /* exact case; or NULL */
    weir_str (*text)(const weir_json_node *); /* strings unescaped; numbers exact; "true", "false", "null" */
    weir_str (*raw)(const weir_json_node *);  /* the bytes of the value in the document */
} weir_json;

#ifdef __cplusplus
}
#endif
#endif
