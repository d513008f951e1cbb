//! Running `posctl` against the rig: exit code, both outputs, JSON by lines.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::rig::Rig;

pub const ZH: &str = "zh_CN.UTF-8";
pub const EN: &str = "C.UTF-8";

/// What a command came to.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Said { code: output.status.code().expect("an exit code"), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs a command line, in this locale, with this on standard input.
pub fn run_in(rig: &Rig, locale: &str, arguments: &[&str], input: &str) -> Said {
    let mut command = rig.posctl_command(arguments);
    command.env("LC_ALL", locale).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that wants no input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    said(&child.wait_with_output().unwrap())
}

pub fn run(rig: &Rig, arguments: &[&str]) -> Said {
    run_in(rig, EN, arguments, "")
}

/// The JSON that a command prints, one value a line.
pub fn json_of(rig: &Rig, arguments: &[&str], input: &str) -> (i32, Vec<Value>) {
    let said = run_in(rig, ZH, &[&["--json"], arguments].concat(), input);
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {line}"));
    (said.code, said.out.lines().map(parse).collect())
}
