//! The `pinql` program. Everything that people see is in [`cli`]; everything that is computed is in the library.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
