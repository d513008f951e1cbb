//! Shell completions and man pages, generated from the command line's own description.

use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

/// The completions of a program for a shell.
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// Writes the man pages of a program and of its commands into a directory; gives their paths. `section` is 1 for
/// commands, 8 for daemons.
pub fn man_pages(command: Command, section: &str, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    write_pages(command, section, directory, &mut written)?;
    Ok(written)
}

fn write_pages(command: Command, section: &str, directory: &Path, written: &mut Vec<PathBuf>) -> io::Result<()> {
    let children: Vec<Command> = command.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
    // The full name with dashes, as git and systemd do: posctl-keys-load.1.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let path = directory.join(format!("{name}.{section}"));
    let mut page = Vec::new();
    // Title and foot name the whole program; the command's own name is only its last word.
    let program = concat!("smartposd ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).title(name.to_uppercase()).section(section).source(program).render(&mut page)?;
    std::fs::write(&path, page)?;
    written.push(path);
    for child in children {
        write_pages(child, section, directory, written)?;
    }
    Ok(())
}
