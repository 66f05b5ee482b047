/* The store that the configuration asks for, behind the pipeline's seam. */
#ifndef WEIR_CLI_STORE_H
#define WEIR_CLI_STORE_H
#include "cli/pipeline.h"

/* Sets pipeline->world.store, after the AWS client was made. With the polling source a local file
 * is locked, opened and checked here, before anything is read: pipeline->state_failed says that it
 * was that. A dry run stores nothing. 0 or -errno. */
int store_open(struct pipeline *pipeline, bool dry_run, struct err *err);
void store_detach(
    struct pipeline *pipeline); /* what needs the loop and the client: before they go */
void store_close(struct pipeline *pipeline); /* the rest: when no thread works any more */
/* The DynamoDB store of the configuration, not yet behind the seam: pipeline->dynamo. */
int store_open_dynamo(struct pipeline *pipeline, const struct store *letters, struct err *err);
#endif
