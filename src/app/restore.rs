//! `smartposd --restore`: brings a backup back while no daemon runs, and says what to do next.
//!
//! Must not know: the form of a backup. It is no order of the bus, because there is no daemon without a database.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::app::config::Config;
use crate::app::posctl::error::Fault;
use crate::app::posctl::secret;
use crate::app::posctl::text::pick;
use crate::driver::clock;
use crate::store::backup::BackupError;
use crate::store::restore::{self, Restored};
use crate::store::vault::CREDENTIAL;

/// Why nothing was brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// No passphrase.
    #[error("{0}")]
    Passphrase(String),
    /// A file that cannot be used.
    #[error("{0}")]
    Backup(#[from] BackupError),
}

/// Brings `archive` back into the configured state directory; the passphrase comes from a descriptor, or is typed. What
/// is returned is to be shown to whoever asked.
pub fn run(config: &Config, archive: &Path, descriptor: Option<u16>) -> Result<String, RestoreError> {
    let language = config.language;
    let directory = &config.state_dir;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    // Before anybody types.
    restore::refuse_if_there(directory)?;
    let file = File::open(archive).map_err(io(archive))?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io(directory))?;
    let passphrase = secret::passphrase(descriptor, language)
        .map_err(|fault: Fault| RestoreError::Passphrase(fault.sentence(language)))?;
    let Restored { next_stan, unsent, reversals, key } =
        restore::restore(file, &passphrase, directory, clock::now().wall)?;
    let key = key.display();
    Ok(pick(
        language,
        format!(
            "备份已恢复到 {}。\n\
             流水号从 {next_stan} 继续；待上送交易 {unsent} 笔、待冲正 {reversals} 笔，可能已经送过，将作为重复报文再送。\n\
             备份之后的交易不在其中：请与收单机构的清单核对。\n\
             密封密钥已写入 {key}；如果使用 systemd 凭据 {CREDENTIAL}，请先用这个文件重新生成凭据。",
            directory.display()
        ),
        format!(
            "The backup was restored to {}.\n\
             Traces go on at {next_stan}; {unsent} unsent payments and {reversals} reversals may have been sent since, and \
             go out as repeats.\n\
             Payments made after the backup are not in it: compare with the acquirer's list.\n\
             The sealing key was written to {key}; where systemd's credential {CREDENTIAL} is used, make it anew from this \
             file first.",
            directory.display()
        ),
    ))
}
