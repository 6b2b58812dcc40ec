//! The smallest program that can supervise the shell attempts of a worker: set
//! [`ShellConfig::supervisor`](mainspring_worker::ShellConfig::supervisor) to it. A binary, so that Cargo builds it
//! before every integration test and names its path to them.

fn main() -> std::process::ExitCode {
    mainspring_worker::supervise::main(std::env::args().skip(1))
}
