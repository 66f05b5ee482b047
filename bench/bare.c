/* weir without its admin server, for bench/admin.py: linked with --wrap=run_admin_start. All else
 * of cli/run_admin.c finds nothing to do then. */
struct run;
int __wrap_run_admin_start(struct run *run);

int __wrap_run_admin_start(struct run *run)
{
    (void)run;
    return 0;
}
