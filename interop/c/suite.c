/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suite [TEST...]: runs the tests of the suite, or those named, against the broker of the
 * environment.
 *
 * The order is that of what depends on what: if connections do not open, nothing below them says
 * anything, and a reader finds the cause at the top. The tests that restart the broker are last,
 * so that one that does not come back spoils only them.
 */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    unsigned int failed_count = 0;

    signal(SIGPIPE, SIG_IGN);
    failed_count += harness_run(connection_tests, argc, argv);
    failed_count += harness_run(topology_tests, argc, argv);
    failed_count += harness_run(delivery_tests, argc, argv);
    failed_count += harness_run(publish_tests, argc, argv);
    failed_count += harness_run(feature_tests, argc, argv);
    failed_count += harness_run(recovery_tests, argc, argv);
    return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
