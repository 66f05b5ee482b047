/* The admin server of a run. */
#ifndef WEIR_CLI_RUN_ADMIN_H
#define WEIR_CLI_RUN_ADMIN_H

struct observed;
struct run;

/* Before the loop runs. 0, or -errno with run->err: the address that the configuration names can't
 * be listened on. What else is missing is said in the log. Not under Lambda and KCL. */
int run_admin_start(struct run *run);
/* What only its server measures; without one, nothing. */
void run_admin_measure(const struct run *run, struct observed *out);
/* The sinks are others now, or the configuration is. */
void run_admin_renew(struct run *run);
/* Before anything that it looks at is freed. */
void run_admin_end(struct run *run);
#endif
