/* weir tap --from FILE: the records of a file as the tap shows them. */
#include "cli/records.h"
#include "cli/showing.h"

int tap_file(struct cli *cli)
{
    struct showing showing;
    struct batch *batch = NULL;
    int code = showing_begin(&showing, cli);
    if (code == 0)
        code = records_read(cli, cli->from, &batch);
    if (code == 0)
        code = showing_batch(&showing, batch);
    batch_unref(batch);
    return showing_end(&showing, code);
}
