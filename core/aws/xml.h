/* The XML that AWS query services answer with: elements and text. Comments and instructions are
 * passed over; declarations (<!DOCTYPE, and so entities of one's own) and CDATA are refused. */
#ifndef WEIR_AWS_XML_H
#define WEIR_AWS_XML_H
#include "util/buf.h"

/* The text of the first element at `path` ("A/B/C", from the root), undecoded. The document must be
 * well-formed up to its end. 0; -ENOENT; -EINVAL: not such a document. */
int xml_text(weir_str xml, const char *path, weir_str *out);

/* Appends the document as one JSON object, {"ROOT": ...}: an element with elements is an object, or
 * an array where the first of them is a <member>, as lists are written; any other a string,
 * decoded. Attributes are passed over, names may come twice. 0; -EINVAL: not such a document, text
 * between elements, a <member> beside others, or an unknown entity; -EMSGSIZE, -ENOMEM. */
int xml_to_json(weir_str xml, struct buf *out);
#endif
