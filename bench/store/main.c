/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-store: which layout of the messages in SQLite is the best for a broker?
 *
 * It runs the same workloads over several layouts (layouts.c) and prints a Markdown table, or JSON.
 * The workloads are what a broker does to its store: fill, drain, a steady flow behind a standing
 * backlog, and page-in beside writing, with one queue and with many, with small and with larger
 * messages. Results and the decision taken from them are in docs/store-layout.md.
 */
#include "store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scale SCALE_FULL = {
    .fill_messages = 1000000,
    .backlog_messages = 50000,
    .steady_seconds = 4,
    .page_in_seconds = 3,
    .phase_seconds_max = 30,
};

static const struct scale SCALE_QUICK = {
    .fill_messages = 100000,
    .backlog_messages = 10000,
    .steady_seconds = 1,
    .page_in_seconds = 0.5,
    .phase_seconds_max = 10,
};

struct selection {
    const char *layouts, *workloads, *lanes, *sizes; /* comma-separated; NULL is all */
    bool json;
};

enum { FIGURES_MAX = 512 };
static struct figures results[FIGURES_MAX];
static size_t result_count;

static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return list == NULL;
}

static bool is_number_listed(const char *list, uint32_t number)
{
    char word[16];
    snprintf(word, sizeof(word), "%u", number);
    return is_listed(list, word);
}

static void print_header(void)
{
    printf(
        "| workload | lanes | bytes | layout | messages/s | cpu us/message | insert us | commit ms "
        "p50 | p99 | "
        "worst "
        "| WAL MiB | file MiB | debt | to zero s | page-in/s | page-in us p50 | p99 | worst |\n");
    printf("|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
}

static void print_row(const struct figures *f)
{
    printf("| %s | %u | %u | %s | %.0f | %.2f | %.2f | %.2f | %.2f | %.1f | %.0f | %.0f | %llu | "
           "%.2f ",
           f->workload, f->lanes, f->body_bytes, f->layout, f->per_second, f->cpu_us, f->insert_us,
           f->commit_ms_p50, f->commit_ms_p99, f->commit_ms_max, f->wal_mib, f->file_mib,
           (unsigned long long)f->debt, f->zero_seconds);
    if (f->page_in_per_second > 0)
        printf("| %.0f | %.0f | %.0f | %.0f |\n", f->page_in_per_second, f->page_in_us_p50,
               f->page_in_us_p99, f->page_in_us_max);
    else
        printf("| | | | |\n");
    fflush(stdout);
}

static void print_json(void)
{
    printf("[\n");
    for (size_t i = 0; i < result_count; i++) {
        const struct figures *f = &results[i];
        printf(
            "  {\"workload\": \"%s\", \"layout\": \"%s\", \"lanes\": %u, \"body_bytes\": %u, "
            "\"seconds\": %.3f, "
            "\"per_second\": %.0f, \"cpu_us\": %.3f, \"insert_us\": %.3f, \"commit_ms_p50\": %.3f, "
            "\"commit_ms_p99\": %.3f, "
            "\"commit_ms_max\": %.3f, \"wal_mib\": %.1f, \"file_mib\": %.1f, \"debt\": %llu, "
            "\"zero_seconds\": %.3f, \"page_in_per_second\": %.0f, \"page_in_us_p50\": %.1f, "
            "\"page_in_us_p99\": %.1f, \"page_in_us_max\": %.1f, \"finishes\": %llu}%s\n",
            f->workload, f->layout, f->lanes, f->body_bytes, f->seconds, f->per_second, f->cpu_us,
            f->insert_us, f->commit_ms_p50, f->commit_ms_p99, f->commit_ms_max, f->wal_mib,
            f->file_mib, (unsigned long long)f->debt, f->zero_seconds, f->page_in_per_second,
            f->page_in_us_p50, f->page_in_us_p99, f->page_in_us_max,
            (unsigned long long)f->finishes, i + 1 < result_count ? "," : "");
    }
    printf("]\n");
}

static void keep(const struct figures *figures, bool json)
{
    if (result_count == FIGURES_MAX)
        die("too many results");
    results[result_count++] = *figures;
    if (!json)
        print_row(figures);
}

struct workload {
    const char *name;
    void (*run)(const struct options *options, const struct layout *layout, uint32_t lanes,
                uint32_t body_bytes, const struct scale *scale, struct figures *figures);
};

static const struct workload workloads[] = {
    {"steady", workload_steady},
    {"page-in", workload_page_in},
    {"straggle", workload_straggle},
};

static void run_layout(const struct options *options, const struct scale *scale,
                       const struct selection *selection, const struct layout *layout,
                       uint32_t lanes, uint32_t bytes)
{
    if (is_listed(selection->workloads, "fill") || is_listed(selection->workloads, "drain")) {
        struct figures fill = {0}, drain = {0};
        workload_fill_drain(options, layout, lanes, bytes, scale, &fill, &drain);
        keep(&fill, selection->json);
        keep(&drain, selection->json);
    }
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        struct figures figures = {0};
        if (!is_listed(selection->workloads, workloads[i].name))
            continue;
        workloads[i].run(options, layout, lanes, bytes, scale, &figures);
        keep(&figures, selection->json);
    }
}

static void run_all(const struct options *options, const struct scale *scale,
                    const struct selection *selection)
{
    static const uint32_t lane_counts[] = {1, 10000};
    static const uint32_t sizes[] = {16, 1024};
    for (size_t size = 0; size < 2; size++)
        for (size_t lanes = 0; lanes < 2; lanes++)
            for (size_t i = 0; i < layout_count; i++)
                if (is_listed(selection->layouts, layouts[i].name) &&
                    is_number_listed(selection->lanes, lane_counts[lanes]) &&
                    is_number_listed(selection->sizes, sizes[size]))
                    run_layout(options, scale, selection, &layouts[i], lane_counts[lanes],
                               sizes[size]);
}

static void usage(FILE *out)
{
    fprintf(out, "usage: bench-store [options]\n"
                 "  --dir DIR             where the database is made (default .)\n"
                 "  --quick               small counts: about a minute\n"
                 "  --json                JSON instead of a Markdown table\n"
                 "  --layouts A,B         of:");
    for (size_t i = 0; i < layout_count; i++)
        fprintf(out, " %s", layouts[i].name);
    fprintf(out,
            "\n"
            "  --workloads A,B       of: fill (with drain) steady page-in straggle\n"
            "  --lanes N,N           of: 1 10000\n"
            "  --sizes N,N           of: 16 1024\n"
            "  --page-size BYTES     default 16384\n"
            "  --batch MESSAGES      default 1000\n"
            "  --batch-bytes BYTES   default 262144\n"
            "  --segment BYTES       of packed layouts, default 65536\n"
            "  --reclaim ROWS        deleted per batch while traffic runs, default 1024\n"
            "  --page-in MESSAGES    per page-in, default 256\n"
            "  --wal-bound BYTES     where the writer finishes the checkpoint, default 67108864\n"
            "  --checkpoint MODE     both, passive or auto (default both)\n"
            "  --auto-pages N        wal_autocheckpoint for auto, default 1000\n"
            "  --vacuum MODE         none or incremental (default)\n"
            "  --presync 0|1         the second connection syncs what it copied (default 1)\n"
            "  --gate 0|1            readers stand aside for a finishing checkpoint (default 1)\n");
}

static enum checkpoint_mode parse_checkpoint(const char *text)
{
    static const char *const names[CHECKPOINT_COUNT] = {"both", "passive", "auto"};
    for (int i = 0; i < CHECKPOINT_COUNT; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum checkpoint_mode)i;
    die("no checkpoint mode %s", text);
}

static uint32_t parse_number(const char *text)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value > UINT32_MAX)
        die("not a number: %s", text);
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    struct options options = {
        .dir = ".",
        .page_bytes = 16384,
        .batch_messages = 1000,
        .batch_bytes = 262144,
        .segment_bytes = 65536,
        .reclaim_rows = 1024,
        .reclaim_from = 50000,
        .page_in_messages = 256,
        .wal_start_bytes = 8u << 20,
        .wal_bound_bytes = 64u << 20,
        .auto_pages = 1000,
        .checkpoint = CHECKPOINT_BOTH,
        .vacuum = VACUUM_INCREMENTAL,
        .compact = true,
        .presync = true,
        .gate = true,
    };
    struct selection selection = {NULL, NULL, NULL, NULL, false};
    struct scale scale = SCALE_FULL;
    static const struct option long_options[] = {
        {"dir", required_argument, NULL, 'd'},
        {"quick", no_argument, NULL, 'q'},
        {"json", no_argument, NULL, 'j'},
        {"layouts", required_argument, NULL, 'l'},
        {"workloads", required_argument, NULL, 'w'},
        {"lanes", required_argument, NULL, 'n'},
        {"sizes", required_argument, NULL, 's'},
        {"page-size", required_argument, NULL, 'p'},
        {"batch", required_argument, NULL, 'b'},
        {"batch-bytes", required_argument, NULL, 'B'},
        {"segment", required_argument, NULL, 'S'},
        {"reclaim", required_argument, NULL, 'r'},
        {"page-in", required_argument, NULL, 'i'},
        {"reclaim-from", required_argument, NULL, 'R'},
        {"compact", required_argument, NULL, 'C'},
        {"wal-bound", required_argument, NULL, 'W'},
        {"checkpoint", required_argument, NULL, 'c'},
        {"auto-pages", required_argument, NULL, 'a'},
        {"vacuum", required_argument, NULL, 'v'},
        {"presync", required_argument, NULL, 'y'},
        {"gate", required_argument, NULL, 'g'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            options.dir = optarg;
            break;
        case 'q':
            scale = SCALE_QUICK;
            break;
        case 'j':
            selection.json = true;
            break;
        case 'l':
            selection.layouts = optarg;
            break;
        case 'w':
            selection.workloads = optarg;
            break;
        case 'n':
            selection.lanes = optarg;
            break;
        case 's':
            selection.sizes = optarg;
            break;
        case 'p':
            options.page_bytes = parse_number(optarg);
            break;
        case 'b':
            options.batch_messages = parse_number(optarg);
            break;
        case 'B':
            options.batch_bytes = parse_number(optarg);
            break;
        case 'S':
            options.segment_bytes = parse_number(optarg);
            break;
        case 'r':
            options.reclaim_rows = parse_number(optarg);
            break;
        case 'R':
            options.reclaim_from = parse_number(optarg);
            break;
        case 'C':
            options.compact = parse_number(optarg) != 0;
            break;
        case 'i':
            options.page_in_messages = parse_number(optarg);
            break;
        case 'W':
            options.wal_bound_bytes = parse_number(optarg);
            break;
        case 'c':
            options.checkpoint = parse_checkpoint(optarg);
            break;
        case 'a':
            options.auto_pages = parse_number(optarg);
            break;
        case 'v':
            options.vacuum = strcmp(optarg, "none") == 0 ? VACUUM_NONE : VACUUM_INCREMENTAL;
            break;
        case 'y':
            options.presync = parse_number(optarg) != 0;
            break;
        case 'g':
            options.gate = parse_number(optarg) != 0;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (!selection.json)
        print_header();
    run_all(&options, &scale, &selection);
    if (selection.json)
        print_json();
    return 0;
}
