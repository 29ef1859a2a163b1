/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_REPORT_H
#define LEVERET_PERF_REPORT_H

#include "perf/histogram.h"
#include "perf/options.h"

/* What came of a run: counters and rates of the measured part, totals of the whole. */
struct report {
    double seconds;
    uint64_t published;
    uint64_t confirmed;
    uint64_t delivered;
    double cpu_s; /* of this process */
    uint64_t published_total;
    uint64_t confirmed_total;
    uint64_t nacked_total;
    uint64_t delivered_total;
    uint64_t expected_total;
    uint64_t redelivered_total;
    uint64_t disordered_total;
    bool is_sum_right;
    struct histogram latency; /* publish to deliver */
    struct histogram confirm_latency;
};

/* Whether nothing was lost, doubled, disordered or refused. */
bool report_is_ok(const struct report *report, const struct options *options);

void report_print(const struct report *report, const struct options *options);

/* What came of --churn. */
struct churn_report {
    double seconds;
    uint64_t cycles;
    double cpu_s;             /* of this process */
    struct histogram latency; /* of a cycle */
};
void report_print_churn(const struct churn_report *report, const struct options *options);

/* What --idle tells: that all are there, after so long; at the end, how many were lost. */
void report_print_held(const struct options *options, double seconds);
void report_print_lost(const struct options *options, unsigned lost);

#endif
