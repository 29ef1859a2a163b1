// SPDX-License-Identifier: Apache-2.0
//
// The suite of lapin. The tests that restart the broker come last, so that a broker that does not come
// back spoils nothing else.

mod connections;
mod consuming;
mod errors;
mod features;
mod harness;
mod operating;
mod publishing;
mod restart;
mod routing;
mod tls;

fn main() {
    let mut suite = harness::Suite::new();
    connections::register(&mut suite);
    publishing::register(&mut suite);
    consuming::register(&mut suite);
    routing::register(&mut suite);
    features::register(&mut suite);
    operating::register(&mut suite);
    errors::register(&mut suite);
    tls::register(&mut suite);
    restart::register(&mut suite);
    std::process::exit(suite.run());
}
