/* Memory that only the start of a Lambda runtime needs. */
#ifndef WEIR_CLI_FOOTPRINT_H
#define WEIR_CLI_FOOTPRINT_H

/* Gives back the pages of the program's own file that were read so far: code that runs once, the
 * table of relocations (half a megabyte), and what the kernel mapped around each. Whatever is
 * needed again comes back from the system's page cache at its next use, 16 pages a fault; the two
 * calls of a cold start cost 0.05 ms together. Written pages are left alone. */
void footprint_give_back(void);
#endif
