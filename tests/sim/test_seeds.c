/* Random courses, each in a process of its own, since a crash leaves its memory behind.
 *   test_sim_seeds                       the regression lists, and SIM_SEEDS seeds (default 2000),
 *                                        a quarter of them with reloads
 *   test_sim_seeds --seed N [--trace]    one seed, with all that happened in it
 *   test_sim_seeds --from N --count N [--jobs N]
 * --reloads with either of them: with reloads, which leave a seed as it is until the first one.
 * What a seed does changes when the simulator's dice do: a bug worth keeping becomes a scenario. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "course.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 16, SHOWN_BYTES = 3000 };

static const char *program;
static uint64_t first_seed = 1, seed_count = 2000;
static unsigned jobs = 2;
static bool reloads;
static pid_t main_pid;
static struct tally { /* of all seeds; shared with their processes */
    _Atomic uint64_t seeds, records, crashes, clean_ends, detached, starved, seconds, busiest, came,
        went, anew, refused;
} * tally;

static void add_up(const struct sim *sim)
{
    if (!tally)
        return;
    tally->seeds++;
    tally->records += sim->truth_count;
    tally->crashes += sim->crashes;
    tally->clean_ends += sim->clean_stops;
    tally->detached += sim->detached;
    tally->starved += sim->starved;
    tally->came += sim->came;
    tally->went += sim->went;
    tally->anew += sim->anew;
    tally->refused += sim->reloads_refused;
    if (sim->busiest > tally->busiest)
        tally->busiest = sim->busiest;
    tally->seconds += (uint64_t)sim->now_ms / 1000;
}

static void put_tally(int64_t seconds)
{
    printf(
        "%llu seeds in %lld s: %llu h of stream time, %llu records, %llu crashes, %llu clean ends, "
        "%llu times a sink detached, %llu times out of memory, at most %llu%% of the steps "
        "allowed ",
        (unsigned long long)tally->seeds, (long long)seconds,
        (unsigned long long)tally->seconds / 3600, (unsigned long long)tally->records,
        (unsigned long long)tally->crashes, (unsigned long long)tally->clean_ends,
        (unsigned long long)tally->detached, (unsigned long long)tally->starved,
        (unsigned long long)tally->busiest);
    if (reloads)
        printf("(reloads: %llu sinks came, %llu went, %llu were built anew, %llu were refused) ",
               (unsigned long long)tally->came, (unsigned long long)tally->went,
               (unsigned long long)tally->anew, (unsigned long long)tally->refused);
}

static void run_seed(uint64_t seed, bool trace)
{
    unsigned before = CU_get_number_of_failures();
    struct course *course = calloc(1, sizeof *course);
    CHECK_FATAL(course != NULL);
    sim_init(&course->sim, seed, trace);
    course_pick(course);
    if (reloads)
        course_reload(course);
    course_run(course);
    if (trace)
        printf(
            "\nseed %llu: %zu records, %llu requests, %llu steps, %llu crashes, %llu clean ends, "
            "%lld s\n",
            (unsigned long long)seed, course->sim.truth_count,
            (unsigned long long)course->sim.requests, (unsigned long long)course->sim.steps,
            (unsigned long long)course->sim.crashes, (unsigned long long)course->sim.clean_stops,
            (long long)course->sim.now_ms / 1000);
    add_up(&course->sim);
    sim_print_failures(before);
    if (course->sim.complaints == 0)
        sim_done(&course->sim);
    free(course);
}

/* ---- a process a seed ---- */

struct job {
    pid_t pid;
    uint64_t seed;
    int output;
};

static void start_job(struct job *job, uint64_t seed)
{
    job->seed = seed;
    FILE *file = tmpfile();
    CHECK_FATAL(file != NULL);
    job->output = dup(fileno(file));
    fclose(file);
    job->pid = fork();
    CHECK_FATAL(job->pid >= 0);
    if (job->pid > 0)
        return;
    unsigned before = CU_get_number_of_failures();
    dup2(job->output, STDOUT_FILENO);
    dup2(job->output, STDERR_FILENO);
    alarm(120); /* virtual time stands still: an endless loop */
    run_seed(seed, false);
    _exit(CU_get_number_of_failures() > before);
}

static void show(const struct job *job, int status)
{
    char text[SHOWN_BYTES + 1];
    ssize_t len = pread(job->output, text, SHOWN_BYTES, 0);
    text[len > 0 ? len : 0] = '\0';
    printf("\n    seed %llu failed", (unsigned long long)job->seed);
    if (WIFSIGNALED(status))
        printf(" by signal %d", WTERMSIG(status));
    printf(": %s --seed %llu --trace%s%s\n", program, (unsigned long long)job->seed,
           reloads ? " --reloads" : "", text);
}

static bool end_job(struct job *job, int status)
{
    bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (failed)
        show(job, status);
    close(job->output);
    job->pid = 0;
    return failed;
}

static struct job *job_of(struct job *list, pid_t pid)
{
    for (unsigned i = 0; i < jobs; i++)
        if (list[i].pid == pid)
            return &list[i];
    return NULL;
}

/* Waits for any; whether it failed. */
static bool reap(struct job *list)
{
    int status = 0;
    pid_t pid = wait(&status);
    struct job *job = pid > 0 ? job_of(list, pid) : NULL;
    return job && end_job(job, status);
}

static unsigned run_seeds(const uint64_t *seeds, uint64_t first, uint64_t count)
{
    struct job list[JOBS_MAX] = {{0}};
    unsigned failed = 0, running = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (running == jobs) {
            failed += reap(list);
            running--;
        }
        start_job(job_of(list, 0), seeds ? seeds[i] : first + i);
        running++;
    }
    for (; running; running--)
        failed += reap(list);
    return failed;
}

/* ---- tests ---- */

static void run_known(const char *name)
{
    char line[256];
    uint64_t seeds[512];
    size_t count = 0;
    if (getpid() != main_pid) /* a seed ended by a fatal check */
        _exit(1);
    FILE *file = fopen(name, "r");
    CHECK_FATAL(file != NULL);
    while (fgets(line, sizeof line, file) && count < 512)
        if (line[0] >= '0' && line[0] <= '9')
            seeds[count++] = strtoull(line, NULL, 10);
    fclose(file);
    CHECK_INT(run_seeds(seeds, 0, count), 0);
}

static void run_random(uint64_t count)
{
    struct timespec began, ended;
    if (getpid() != main_pid)
        _exit(1);
    clock_gettime(CLOCK_MONOTONIC, &began);
    CHECK_INT(run_seeds(NULL, first_seed, count), 0);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    put_tally((int64_t)(ended.tv_sec - began.tv_sec));
}

static void known_seeds_pass(void)
{
    run_known(SIM_FOLDER "/regressions.txt");
}

static void random_seeds_pass(void)
{
    run_random(seed_count);
}

static void seeds_without_reloads_pass(void)
{
    run_random(seed_count - seed_count / 4);
}

/* Their tally is that of all. */
static void seeds_with_reloads_pass(void)
{
    reloads = true;
    run_known(SIM_FOLDER "/regressions_reloads.txt");
    run_random(seed_count / 4);
}

static void one_seed_passes(void)
{
    if (getpid() != main_pid)
        _exit(1);
    unsigned before = CU_get_number_of_failures();
    run_seed(first_seed, seed_count != 0);
    bool failed = CU_get_number_of_failures() > before;
    printf("\nseed %llu %s\n", (unsigned long long)first_seed, failed ? "failed" : "passed");
    exit(failed); /* what crashes left behind is no leak */
}

static const struct unit_test all_tests[] = {
    {"known_seeds_pass", known_seeds_pass},
    {"seeds_without_reloads_pass", seeds_without_reloads_pass},
    {"seeds_with_reloads_pass", seeds_with_reloads_pass},
    {NULL, NULL}};
static const struct unit_test range_tests[] = {{"random_seeds_pass", random_seeds_pass},
                                               {NULL, NULL}};
static const struct unit_test one_test[] = {{"one_seed_passes", one_seed_passes}, {NULL, NULL}};

int main(int argc, char **argv)
{
    const struct unit_test *tests = all_tests;
    const char *wish = getenv("SIM_SEEDS");
    program = argv[0];
    main_pid = getpid();
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        return 1;
    if (wish)
        seed_count = strtoull(wish, NULL, 10);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--seed") == 0) {
            first_seed = strtoull(value, NULL, 10);
            seed_count = 0;
            tests = one_test;
        } else if (strcmp(argv[i], "--reloads") == 0) {
            reloads = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            seed_count = 1;
        } else if (strcmp(argv[i], "--from") == 0) {
            first_seed = strtoull(value, NULL, 10);
            tests = range_tests;
        } else if (strcmp(argv[i], "--count") == 0) {
            seed_count = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--jobs") == 0) {
            jobs = (unsigned)strtoul(value, NULL, 10) % (JOBS_MAX + 1);
        }
    }
    return unit_main(1, argv, "sim_seeds", tests);
}
