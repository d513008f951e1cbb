//! The command-line client: locale and arguments, then the library.

use std::env;
use std::process::ExitCode;

use smartpos::app::posctl;

fn main() -> ExitCode {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| env::var(name).ok());
    posctl::run(env::args_os(), posctl::language_of(locale))
}
