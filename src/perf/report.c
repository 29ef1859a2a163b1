/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run prints: for people a few lines, for bench/run one JSON object with the same figures.
 * The generator's own processor time stands beside the rates, because a rate is the broker's only
 * while the generator had time to spare. Names carry their units. JSON is printed by hand: all of
 * it is numbers and fixed words.
 */
#include "perf/report.h"

#include "perf/tls.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

bool report_is_ok(const struct report *report, const struct options *options)
{
    bool is_confirmed =
        options->confirm_window == 0 || report->confirmed_total == report->published_total;
    return is_confirmed && report->is_sum_right && report->nacked_total == 0 &&
           report->disordered_total == 0 && report->delivered_total == report->expected_total;
}

static double rate_of(const struct report *report, uint64_t count)
{
    return report->seconds > 0 ? (double)count / report->seconds : 0;
}

static double us_of(uint64_t ns)
{
    return (double)ns / 1e3;
}

static void print_json_latency(const char *name, const struct histogram *latency)
{
    if (latency->count == 0)
        return;
    printf(",\"%s\":{\"count\":%" PRIu64, name, latency->count);
    for (unsigned i = 0; i < QUANTILES; i++)
        printf(",\"%s\":%.1f", quantiles[i].name,
               us_of(histogram_quantile_ns(latency, quantiles[i].share)));
    printf(",\"max\":%.1f}", us_of(latency->max_ns));
}

static void print_json(const struct report *report, const struct options *options)
{
    printf("{\"ok\":%s,\"seconds\":%.3f", report_is_ok(report, options) ? "true" : "false",
           report->seconds);
    printf(",\"published_per_s\":%.1f", rate_of(report, report->published));
    printf(",\"confirmed_per_s\":%.1f", rate_of(report, report->confirmed));
    printf(",\"delivered_per_s\":%.1f", rate_of(report, report->delivered));
    printf(",\"generator_cores\":%.3f", report->seconds > 0 ? report->cpu_s / report->seconds : 0);
    printf(",\"published\":%" PRIu64, report->published_total);
    printf(",\"confirmed\":%" PRIu64, report->confirmed_total);
    printf(",\"nacked\":%" PRIu64, report->nacked_total);
    printf(",\"delivered\":%" PRIu64, report->delivered_total);
    printf(",\"expected\":%" PRIu64, report->expected_total);
    printf(",\"redelivered\":%" PRIu64, report->redelivered_total);
    printf(",\"disordered\":%" PRIu64, report->disordered_total);
    printf(",\"sum_right\":%s", report->is_sum_right ? "true" : "false");
    if (tls_version() != NULL)
        printf(",\"tls\":\"%s\"", tls_version());
    print_json_latency("latency_us", &report->latency);
    print_json_latency("confirm_latency_us", &report->confirm_latency);
    puts("}");
}

static void print_latency(const char *name, const struct histogram *latency)
{
    if (latency->count == 0)
        return;
    printf("%-11s", name);
    for (unsigned i = 0; i < QUANTILES; i++)
        printf("%s %.1f us, ", quantiles[i].name,
               us_of(histogram_quantile_ns(latency, quantiles[i].share)));
    printf("max %.1f us (%" PRIu64 " messages)\n", us_of(latency->max_ns), latency->count);
}

static void print_totals(const struct report *report, const struct options *options)
{
    printf("in all     %" PRIu64 " published, %" PRIu64 " confirmed, %" PRIu64 " refused, %" PRIu64
           " of %" PRIu64 " delivered\n",
           report->published_total, report->confirmed_total, report->nacked_total,
           report->delivered_total, report->expected_total);
    printf("verified   %s (%" PRIu64 " redelivered, %" PRIu64 " out of order%s)\n",
           report_is_ok(report, options) ? "ok" : "FAILED", report->redelivered_total,
           report->disordered_total, report->is_sum_right ? "" : ", contents differ");
}

static void print_text(const struct report *report, const struct options *options)
{
    printf("published  %12.0f /s\n", rate_of(report, report->published));
    if (options->confirm_window != 0)
        printf("confirmed  %12.0f /s\n", rate_of(report, report->confirmed));
    printf("delivered  %12.0f /s\n", rate_of(report, report->delivered));
    printf("measured   %12.3f s, %.2f cores used by leveret-perf itself\n", report->seconds,
           report->seconds > 0 ? report->cpu_s / report->seconds : 0);
    print_latency("latency", &report->latency);
    print_latency("to confirm", &report->confirm_latency);
    if (tls_version() != NULL)
        printf("encrypted  %s\n", tls_version());
    print_totals(report, options);
}

void report_print(const struct report *report, const struct options *options)
{
    if (options->is_json)
        print_json(report, options);
    else
        print_text(report, options);
}

void report_print_churn(const struct churn_report *report, const struct options *options)
{
    const double per_s = report->seconds > 0 ? (double)report->cycles / report->seconds : 0;
    const double cores = report->seconds > 0 ? report->cpu_s / report->seconds : 0;
    if (!options->is_json) {
        printf("cycles     %12.0f /s\n", per_s);
        printf("measured   %12.3f s, %.2f cores used by leveret-perf itself\n", report->seconds,
               cores);
        print_latency("a cycle", &report->latency);
        return;
    }
    printf("{\"ok\":%s,\"seconds\":%.3f,\"cycles_per_s\":%.1f,\"generator_cores\":%.3f",
           report->cycles > 0 ? "true" : "false", report->seconds, per_s, cores);
    print_json_latency("latency_us", &report->latency);
    puts("}");
}

void report_print_held(const struct options *options, double seconds)
{
    const char *what = options->idle == IDLE_QUEUES ? "queues" : "connections";
    if (options->is_json)
        printf("{\"%s\":%" PRIu64 ",\"seconds\":%.3f}\n", what, options->count, seconds);
    else
        printf("%" PRIu64 " %s after %.3f s; they stay until the input ends\n", options->count,
               what, seconds);
    fflush(stdout);
}

void report_print_lost(const struct options *options, unsigned lost)
{
    if (options->is_json)
        printf("{\"ok\":%s,\"lost\":%u}\n", lost == 0 ? "true" : "false", lost);
    else
        printf("%u were lost meanwhile\n", lost);
}
