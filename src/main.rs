//! The `pinql` program. Everything that people see is in [`cli`]; everything that is computed is in the library.

mod cli;

/// Queries and migrations make and drop large buffers all the time; this allocator gives their pages back and again faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
