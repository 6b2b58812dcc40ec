//! The smallest program that can supervise the shell attempts of a worker: set
//! [`ShellConfig::supervisor`](mainspring_worker::ShellConfig::supervisor) to it.

fn main() -> std::process::ExitCode {
    mainspring_worker::supervise::main(std::env::args().skip(1))
}
